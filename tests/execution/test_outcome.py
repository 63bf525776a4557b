"""What a failure is taken for: the real errors of full disks, of want of memory and of missing permission."""

import ctypes
import os
import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from stages.errors import ExitCode, StageError
from stages.execution.outcome import code_of, status_of, write_json
from stages.training.resumption import newest_state, write_state

LARGE = np.random.default_rng(0).random(200_000)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 100 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


WRITERS: dict[str, Callable[[Path], object]] = {
    "python": lambda folder: (folder / "file").write_bytes(LARGE.tobytes()),
    "json": lambda folder: write_json(folder / "file", {"numbers": LARGE.tolist()}),
    "numpy": lambda folder: np.save(folder / "file", LARGE),
    "pyarrow": lambda folder: pq.write_table(pa.table({"numbers": LARGE}), folder / "file"),
    "safetensors": lambda folder: save_file({"weights": torch.from_numpy(LARGE)}, folder / "file"),
    "state": lambda folder: write_state(folder, 1, {"weights": torch.from_numpy(LARGE)}),
}


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_known_whatever_library_meets_it(tmp_path: Path, writer: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each library raises a class of its own
        WRITERS[writer](tmp_path)
    assert code_of(caught.value) == ExitCode.RESOURCES
    ended = status_of(caught.value)
    assert ended.message.startswith("out of memory or disk: ")
    assert "\n" not in ended.message


@pytest.mark.usefixtures("small_disk")
def test_a_state_that_did_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    write_state(tmp_path, 1, {"step": 1})
    with pytest.raises((OSError, RuntimeError)):
        write_state(tmp_path, 2, {"step": 2, "weights": torch.from_numpy(LARGE)})
    state = newest_state(tmp_path)
    assert state is not None
    assert state["step"] == 1


@pytest.mark.usefixtures("small_disk")
def test_json_that_does_not_fit_leaves_the_file_before(tmp_path: Path) -> None:
    write_json(tmp_path / "metrics.json", {"a": 1})
    with pytest.raises(OSError, match="too large"):
        write_json(tmp_path / "metrics.json", {"numbers": LARGE.tolist()})
    assert (tmp_path / "metrics.json").read_text() == '{\n  "a": 1\n}\n'


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: bytearray(1 << 60),
        lambda: np.zeros(1 << 57),
        lambda: torch.zeros(1 << 55),
        lambda: pa.allocate_buffer(1 << 60),
    ],
    ids=["python", "numpy", "torch", "pyarrow"],
)
def test_want_of_memory_is_known_whatever_library_meets_it(allocate: Callable[[], object]) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        allocate()
    assert code_of(caught.value) == ExitCode.RESOURCES


def vanish() -> None:
    """End as the system ends a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_was_killed_is_want_of_memory() -> None:
    with ProcessPoolExecutor(1, get_context("fork")) as pool, pytest.raises(RuntimeError) as caught:
        pool.submit(vanish).result()
    assert code_of(caught.value) == ExitCode.RESOURCES


def test_a_refusal_by_the_system_is_no_bug() -> None:
    ended = status_of(PermissionError(13, "Permission denied", "data/count"))
    assert (ended.code, ended.message) == (
        ExitCode.CONFIGURATION,
        "not permitted: [Errno 13] Permission denied: 'data/count'. Make the path yours, or choose another.",
    )


def test_what_a_stage_says_itself_comes_before_what_caused_it() -> None:
    error = StageError(ExitCode.DATA, "cannot read", "x", "Mend it.")
    error.__cause__ = OSError(28, "No space left on device")
    assert code_of(error) == ExitCode.DATA


def test_an_error_that_was_dealt_with_is_no_cause() -> None:
    error = ValueError("a bug")
    error.__context__ = OSError(28, "No space left on device")
    assert code_of(error) == ExitCode.RESOURCES
    error.__suppress_context__ = True
    assert code_of(error) == ExitCode.BUG


def test_a_compiled_file_that_was_cut_off_is_told_from_a_bug(tmp_path: Path) -> None:
    (tmp_path / "loop.so").write_bytes(b"\x7fELF")
    with pytest.raises(OSError, match="file too short") as caught:
        ctypes.CDLL(str(tmp_path / "loop.so"))
    ended = status_of(RuntimeError(f"InductorError: {caught.value}"))
    assert ended.code == ExitCode.DATA
    assert ended.message.endswith("Remove the folder .compile and run again: it is made anew.")
