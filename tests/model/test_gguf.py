"""What real llama.cpp makes of our GGUF, beside what transformers and the tokenizers library make of the folder."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader, TokenType
from tokenizers import Tokenizer as BytePairTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from stages.model.gguf import LLAMA3, PRE_TOKENIZERS, QWEN2, UnknownToLlamaCppError, write_gguf
from stages.text.conversations import CHAT_TEMPLATE, render_prompt
from stages.text.demonstrations import Message
from stages.text.stretch_counts import count
from stages.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from stages.text.vocabulary import learn, save
from tests.conftest import SENTENCES
from tests.llama_cpp import opened
from tests.specimens import HARD_TEXTS

VOCABULARY = 360
MESSAGES = (
    Message(role="system", content="You say what you know."),
    Message(role="user", content="Where does the river rise?\n\n  It's 1234, isn't it?"),
    Message(role="assistant", content="In the hills."),
    Message(role="user", content="\U0001f469\u200d\U0001f467 And then?"),
)


def shape(kind: type[PreTrainedConfig] = LlamaConfig, **changes: Any) -> PreTrainedConfig:
    content = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
        "rms_norm_eps": 1e-5,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    return kind(**content | changes)


def write_folder(folder: Path, config: PreTrainedConfig, split_pattern: str = QWEN2) -> Path:
    """A folder like one of `write_export`, with weights so uneven, biases and norms too, that a wrong one shows."""
    texts = [*SENTENCES, *["  it's 123", "don't: we'll 2024\n\n  I've"] * 20]
    save(learn(count(texts, split_pattern), VOCABULARY, split_pattern), folder)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    model = AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = 0.3 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise if parameter.ndim == 2 else 1 + noise)
    model.save_pretrained(folder)
    return folder


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


FAMILIES = {
    "llama": shape(head_dim=16, tie_word_embeddings=True),
    "llama with biases": shape(attention_bias=True, mlp_bias=True),
    "mistral": shape(MistralConfig, head_dim=16, sliding_window=None),
    "qwen2": shape(Qwen2Config, tie_word_embeddings=True),
    "qwen3": shape(Qwen3Config, head_dim=16),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_continues_a_conversation_as_transformers_does(family, tmp_path):
    folder = write_folder(tmp_path, FAMILIES[family])
    write_gguf(folder, folder / "model.gguf", family)
    tokenizer = Tokenizer.load(folder)
    prompt, model = render_prompt(MESSAGES, tokenizer), AutoModelForCausalLM.from_pretrained(folder).eval()
    expected = model.generate(torch.tensor([prompt]), max_new_tokens=32, do_sample=False)[0, len(prompt) :].tolist()
    with opened(folder / "model.gguf") as llama_cpp:
        found = llama_cpp.post("/completion", prompt=prompt, n_predict=32, temperature=0, n_probs=3, return_tokens=True)
    assert found["tokens"] == expected
    assert found["content"] == BytePairTokenizer.from_file(str(folder / "tokenizer.json")).decode(expected)
    with torch.inference_mode():
        likely = model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
    first = {token["id"]: token["logprob"] for token in found["completion_probabilities"][0]["top_logprobs"]}
    assert len(first) == 3
    assert first == {index: pytest.approx(likely[index].item(), abs=1e-4) for index in first}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("folder"), FAMILIES["llama"])
    write_gguf(folder, folder / "model.gguf", "A name")
    return folder


@pytest.fixture(scope="module")
def llama_cpp(folder):
    with opened(folder / "model.gguf") as llama_cpp:
        yield llama_cpp


@pytest.mark.parametrize(("pattern", "whole_first"), PRE_TOKENIZERS)
def test_hard_texts_have_the_ids_of_the_library(pattern, whole_first, tmp_path):
    write_folder(tmp_path, shape(num_hidden_layers=1), pattern)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    # No merge makes this one, so that it shows whether stretches that are tokens are looked for first.
    vocabulary = {token: index for token, index in saved["model"]["vocab"].items() if index < VOCABULARY - 1}
    changes = {"vocab": vocabulary | {"zqz": VOCABULARY - 1}, "ignore_merges": whole_first}
    changes["merges"] = [pair for pair in saved["model"]["merges"] if "".join(pair) in vocabulary]
    edit(tmp_path / "tokenizer.json", model=saved["model"] | changes)
    write_gguf(tmp_path, tmp_path / "model.gguf", "")
    library = Tokenizer.load(tmp_path)
    assert (library.encode("zqz") == [VOCABULARY - 1]) == whole_first
    with opened(tmp_path / "model.gguf") as llama_cpp:
        for text in (*HARD_TEXTS, *SENTENCES, "zqz a zqz", "IT'S we'LL 12 a1b2\n \n\t x"):
            assert llama_cpp.ids(text) == library.encode(text), text


def test_text_that_spells_a_control_token_is_text_unless_a_template_has_said_so(llama_cpp):
    text = "".join(SPECIAL_TOKENS)
    assert min(llama_cpp.ids(text)) >= len(SPECIAL_TOKENS)
    assert llama_cpp.ids(text, parse_special=True) == list(range(len(SPECIAL_TOKENS)))


def test_the_chat_template_gives_the_ids_of_training(folder, llama_cpp):
    messages = [message.model_dump(include={"role", "content"}) for message in MESSAGES]
    rendered = llama_cpp.post("/apply-template", messages=messages)["prompt"]
    ids = llama_cpp.ids(rendered, add_special=True, parse_special=True)
    assert ids == render_prompt(MESSAGES, Tokenizer.load(folder))
    theirs = AutoTokenizer.from_pretrained(folder)
    assert ids == theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)


@pytest.mark.parametrize("begins", [True, False])
def test_bos_is_added_where_the_tokenizer_adds_it(begins, folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    tokenizer = BytePairTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    if begins:
        tokenizer.post_processor = TemplateProcessing(single="<|bos|> $A", special_tokens=[("<|bos|>", 0)])
        tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_gguf(tmp_path, tmp_path / "model.gguf", "")
    with opened(tmp_path / "model.gguf") as llama_cpp:
        assert llama_cpp.ids("The sea", add_special=True) == tokenizer.encode("The sea").ids


def test_the_metadata_is_read_back(folder):
    fields = {name: field.contents() for name, field in GGUFReader(folder / "model.gguf").fields.items()}
    types = fields.pop("tokenizer.ggml.token_type")
    assert types == [TokenType.CONTROL] * len(SPECIAL_TOKENS) + [TokenType.NORMAL] * (VOCABULARY - len(SPECIAL_TOKENS))
    assert fields.pop("tokenizer.ggml.tokens")[:7] == [*SPECIAL_TOKENS, "!"]
    saved = json.loads((folder / "tokenizer.json").read_text())
    assert fields.pop("tokenizer.ggml.merges") == [" ".join(pair) for pair in saved["model"]["merges"]]
    assert math.isclose(fields.pop("llama.attention.layer_norm_rms_epsilon"), 1e-5, rel_tol=1e-6)
    assert {name: value for name, value in fields.items() if not name.startswith("GGUF.")} == {
        "general.architecture": "llama",
        "general.name": "A name",
        "general.file_type": 0,
        "llama.vocab_size": VOCABULARY,
        "llama.context_length": 256,
        "llama.embedding_length": 32,
        "llama.block_count": 2,
        "llama.feed_forward_length": 48,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.key_length": 16,
        "llama.attention.value_length": 16,
        "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 500.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def test_equal_folders_give_equal_bytes_wherever_they_lie(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    write_gguf(tmp_path / "elsewhere", tmp_path / "other.gguf", "A name")
    assert (tmp_path / "other.gguf").read_bytes() == (folder / "model.gguf").read_bytes()


def test_rows_without_a_token_are_unused_and_added_words_are_no_control_tokens(tmp_path):
    write_folder(tmp_path, shape(vocab_size=VOCABULARY + 3, num_hidden_layers=1))
    tokenizer = BytePairTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.add_tokens(["<call>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_gguf(tmp_path, tmp_path / "model.gguf", "")
    fields = GGUFReader(tmp_path / "model.gguf").fields
    assert fields["tokenizer.ggml.tokens"].contents()[VOCABULARY:] == ["<call>", "[PAD361]", "[PAD362]"]
    added, *rest = fields["tokenizer.ggml.token_type"].contents()[VOCABULARY:]
    assert (added, rest) == (TokenType.USER_DEFINED, [TokenType.UNUSED] * 2)
    with opened(tmp_path / "model.gguf") as llama_cpp:
        assert llama_cpp.ids("a <call>") == tokenizer.encode("a <call>").ids


def test_a_tokenizer_that_composes_characters_has_equal_ids_for_composed_text(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    edit(tmp_path / "tokenizer.json", normalizer={"type": "NFC"})
    write_gguf(tmp_path, tmp_path / "model.gguf", "")
    library = Tokenizer.load(tmp_path)
    with opened(tmp_path / "model.gguf") as llama_cpp:
        assert llama_cpp.ids("caf\u00e9") == library.encode("caf\u00e9") == library.encode("cafe\u0301")


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("config.json", {"model_type": "gemma"}, "architecture gemma"),
        (
            "config.json",
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}},
            "scaled .linear.",
        ),
        ("config.json", {"model_type": "mistral", "sliding_window": 128}, "more than the last 128 tokens"),
        ("tokenizer.json", {"normalizer": {"type": "Lowercase"}}, "split pattern"),
        ("tokenizer.json", {"pre_tokenizer": None}, "split pattern"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "split pattern"),
        ("tokenizer.json", {"pattern": LLAMA3.replace("{1,3}", "{1,2}")}, "split pattern"),
    ],
)
def test_what_llama_cpp_would_read_otherwise_becomes_no_file(file, changes, words, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "folder")
    if "pattern" in changes:
        steps = json.loads((folder / file).read_text())["pre_tokenizer"]
        steps["pretokenizers"][0]["pattern"]["Regex"] = changes["pattern"]
        changes = {"pre_tokenizer": steps}
    edit(tmp_path / "folder" / file, **changes)
    with pytest.raises(UnknownToLlamaCppError, match=words):
        write_gguf(tmp_path / "folder", tmp_path / "model.gguf", "")
    assert not (tmp_path / "model.gguf").exists()
