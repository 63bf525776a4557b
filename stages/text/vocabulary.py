"""Learning a byte-pair vocabulary (Sennrich et al. 2016) over bytes, and the folder that Hugging Face's tools open."""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex
from tokenizers import Tokenizer as BytePairTokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

from stages.text.conversations import CHAT_TEMPLATE
from stages.text.tokenizer import SPECIAL_TOKENS, TOKENIZER_FILE


def pattern(expression: str) -> str:
    """A regular expression, which must be one that the tokenizers of Hugging Face understand."""
    try:
        Regex(expression)
    except Exception as error:  # the library has no class of its own for it
        raise ValueError(f"no regular expression: {error}") from error
    return expression


def learn(texts: Iterable[str], vocabulary_size: int, split_pattern: str) -> BytePairTokenizer:
    """A tokenizer of at most `vocabulary_size` ids: control tokens first, then the 256 bytes, then merges.

    No token crosses the stretches that `split_pattern` finds. Texts that run out of pairs give fewer ids.
    """
    tokenizer = BytePairTokenizer(BPE())
    # The two types' stubs disagree on what a pre-tokenizer is; at run time any will do.
    tokenizer.pre_tokenizer = Sequence(  # type: ignore[assignment]
        [Split(Regex(split_pattern), behavior="isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()  # type: ignore[assignment]
    trainer = BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def configuration() -> dict[str, object]:
    """What `transformers.AutoTokenizer` needs to know beside the vocabulary."""
    bos, end, pad, *roles = SPECIAL_TOKENS
    return {
        "additional_special_tokens": roles,
        "bos_token": bos,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": end,
        "pad_token": pad,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def save(tokenizer: BytePairTokenizer, folder: Path) -> None:
    """Write `tokenizer.json`, and the files that Hugging Face's tools look for beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    settings = configuration()
    names = ("additional_special_tokens", "bos_token", "eos_token", "pad_token")
    for name, content in (
        ("tokenizer_config.json", settings),
        ("special_tokens_map.json", {key: settings[key] for key in names}),
    ):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
