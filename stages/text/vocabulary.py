"""Learning a byte-pair vocabulary (Sennrich et al. 2016) over bytes, and the folder that Hugging Face's tools open."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Regex
from tokenizers import Tokenizer as BytePairTokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

from stages.text.conversations import CHAT_TEMPLATE
from stages.text.stretch_counts import StretchCounts
from stages.text.stretches import utf8
from stages.text.token_kernels import learn_merges
from stages.text.tokenizer import SPECIAL_TOKENS, TOKENIZER_FILE, spelled_bytes


def pattern(expression: str) -> str:
    """A regular expression, which must be one that the tokenizers of Hugging Face understand."""
    try:
        Regex(expression)
    except Exception as error:  # the library has no class of its own for it
        raise ValueError(f"no regular expression: {error}") from error
    return expression


def learn(
    counts: StretchCounts, vocabulary_size: int, split_pattern: str, more_special_tokens: Sequence[str] = ()
) -> BytePairTokenizer:
    """A tokenizer of at most `vocabulary_size` ids: control tokens, the 256 bytes, merges, more control tokens.

    No token crosses the stretches that `split_pattern` finds, which are what was counted. Texts that run out of pairs
    give fewer ids. The result is that of the trainer of Hugging Face on the same texts.
    """
    spelled = spelled_bytes()
    alphabet = sorted(range(256), key=spelled.__getitem__)
    spellings = [*SPECIAL_TOKENS, *(spelled[byte] for byte in alphabet)]
    given = utf8([*(token.encode() for token in SPECIAL_TOKENS), *(bytes([byte]) for byte in alphabet)])
    id_of_byte = np.argsort(alphabet) + len(SPECIAL_TOKENS)
    stretches = counts.stretches
    learnt = learn_merges(
        id_of_byte[stretches.data],
        stretches.starts,
        counts.counts,
        np.resize(given.starts, vocabulary_size + 1),
        given.data.copy(),
        len(spellings),
        vocabulary_size - len(more_special_tokens),
    )
    merges = dict[tuple[str, str], None]()
    for left, right, merged in learnt.tolist():
        pair = (spellings[left], spellings[right])
        if merged == len(spellings):
            spellings.append("".join(pair))
        # A pair that is merged again, once its token was spelled in another way, has the rank of the last time.
        merges.pop(pair, None)
        merges[pair] = None
    return assemble(spellings, list(merges), split_pattern, more_special_tokens)


def assemble(
    spellings: Sequence[str],
    merges: Sequence[tuple[str, str]],
    split_pattern: str,
    more_special_tokens: Sequence[str] = (),
) -> BytePairTokenizer:
    """The tokenizer of a vocabulary, in order of ids, whose merges are tried in the order given."""
    vocabulary = {spelling: index for index, spelling in enumerate([*spellings, *more_special_tokens])}
    tokenizer = BytePairTokenizer(BPE(vocab=vocabulary, merges=list(merges)))
    tokenizer.add_special_tokens([*SPECIAL_TOKENS, *more_special_tokens])
    # The two types' stubs disagree on what a pre-tokenizer is; at run time any will do.
    tokenizer.pre_tokenizer = PreTokenizers(  # type: ignore[assignment]
        [Split(Regex(split_pattern), behavior="isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevelDecoder()  # type: ignore[assignment]
    return tokenizer


def configuration(tokenizer: BytePairTokenizer) -> dict[str, object]:
    """What `transformers.AutoTokenizer` needs to know beside the vocabulary."""
    bos, end, pad = SPECIAL_TOKENS[:3]
    special = [token.content for _, token in sorted(tokenizer.get_added_tokens_decoder().items())]
    return {
        "additional_special_tokens": [token for token in special if token not in (bos, end, pad)],
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
    settings = configuration(tokenizer)
    names = ("additional_special_tokens", "bos_token", "eos_token", "pad_token")
    for name, content in (
        ("tokenizer_config.json", settings),
        ("special_tokens_map.json", {key: settings[key] for key in names}),
    ):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
