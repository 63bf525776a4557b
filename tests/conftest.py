"""What tests of several folders need: a tokenizer learnt from a few sentences, and the tiny pipeline run to its end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.seeding import generator
from stages.text.packing import lay_out, pack
from stages.text.shards import write_rows
from stages.text.tokenizer import Tokenizer
from stages.text.vocabulary import learn, save
from tests.projects import Project, copy_of_this

SPLIT_PATTERN = (
    r"'(?:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)

SENTENCES = [
    "The river rises in the hills and falls into the sea.",
    "def flow(rate, hours):\n    return rate * hours\n",
    "A weir holds the water back; a sluice lets it go.",
    "What is the answer? The answer is 42, or 1234.",
    "I do not know what the answer is, and I will not guess.",
] * 4


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    save(learn(SENTENCES, 360, SPLIT_PATTERN), folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


@dataclass(frozen=True)
class TinyRuns:
    """The tiny pipeline run from nothing in two folders: by the flow with tracking, and by DVC alone without."""

    by_flow: Project
    flow_output: str
    by_dvc: Project


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory) -> TinyRuns:
    """Both runs go on side by side: each keeps about one core busy."""
    by_flow = copy_of_this(tmp_path_factory.mktemp("flow") / "checkout")
    by_dvc = copy_of_this(tmp_path_factory.mktemp("dvc") / "a" / "deeper" / "checkout")
    assert by_dvc.run("python", "-m", "flows.sources")[0] == 0
    plain = by_dvc.start("dvc", "repro", HEADWATER_TRACKING="off")
    code, flow_output = by_flow.flow()
    plain_output, _ = plain.communicate()
    assert code == 0, flow_output
    assert plain.returncode == 0, plain_output
    return TinyRuns(by_flow, flow_output, by_dvc)


@pytest.fixture(scope="session")
def token_folder(tokenizer: Tokenizer) -> Callable[[Path, list[str], int], Path]:
    """A function that packs texts into a token folder of rows of a given context length."""

    def write(folder: Path, texts: list[str], context_length: int) -> Path:
        documents = [np.array([tokenizer.bos, *tokenizer.encode(text), tokenizer.end]) for text in texts]
        pieces = pack([len(tokens) for tokens in documents], context_length, generator("token_folder"))
        rows, segments = lay_out(documents, pieces, context_length, tokenizer.pad)
        table = pd.DataFrame(pieces).drop(columns="segment").rename(columns={"document": "document_id"})
        described = {"document_id": table["document_id"].astype(str), "copy": 0, "source": "s", "kind": "prose"}
        write_rows(folder, rows, segments, table.assign(**described, bytes=0))
        return folder

    return write
