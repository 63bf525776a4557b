"""What tests of several folders need: a tokenizer learnt from a few sentences, a model, and the tiny pipeline run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from stages.model.checkpoint import save_model
from stages.text.stretch_counts import count
from stages.text.tokenizer import Tokenizer
from stages.text.vocabulary import learn, save
from tests.projects import ROOT, Project, copy_of_this
from tests.specimens import fresh_model, small_config, write_tokens

# The same examples each time, however long one takes: the first may compile, and the machine may be busy.
hypothesis.settings.register_profile("headwater", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("headwater")


@cache
def scope(file: str) -> str:
    """What keeps tests on one worker where several go on side by side: their file, or the tiny pipeline's two runs."""
    return "tiny_runs" if "TinyRuns" in (ROOT / file).read_text(encoding="utf-8") else file


class Scheduling(LoadScopeScheduling):
    """Fixtures of a file, and the tiny pipeline's runs, are made once."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the tiny pipeline first: they take one worker most of the time."""
    items.sort(key=lambda item: scope(item.nodeid.partition("::")[0]) != "tiny_runs")


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
    save(learn(count(SENTENCES, SPLIT_PATTERN), 360, SPLIT_PATTERN), folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder) -> Tokenizer:
    return Tokenizer.load(tokenizer_folder)


@pytest.fixture
def model_folder(tmp_path, tokenizer_folder, tokenizer) -> Path:
    """A model that can learn a handful of sentences and has not begun to."""
    config = small_config(tokenizer.vocabulary_size, width=32, head_width=16, hidden_width=64)
    save_model(tmp_path / "model", fresh_model(config), tokenizer_folder, {"stage": "ppo"})
    return tmp_path / "model"


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

    return partial(write_tokens, tokenizer=tokenizer)
