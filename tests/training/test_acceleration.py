import ctypes
import subprocess
import sys

import pytest
import torch

from stages.training.acceleration import (
    COMPILE_ARITHMETIC,
    Acceleration,
    AccelerationSettings,
    Processor,
    accelerate,
    resolve,
)

AUTO = AccelerationSettings(precision="auto", compile="auto", threads="auto")
PLAIN = Processor(flags=frozenset(), cores=2, cpp_compiler=True)


@pytest.mark.parametrize(
    ("flags", "precision"),
    [({"avx2"}, "fp32"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16"}, "bf16"), ({"gpu_bf16"}, "bf16")],
)
def test_bf16_only_where_the_processor_multiplies_it(flags, precision):
    assert resolve(AUTO, Processor(frozenset(flags), 2, True), 1e15).precision == precision


def test_short_runs_are_not_compiled():
    assert not resolve(AUTO, PLAIN, COMPILE_ARITHMETIC / 2).compile
    assert resolve(AUTO, PLAIN, COMPILE_ARITHMETIC * 2).compile


@pytest.mark.parametrize("wanted", ["auto", True])
def test_without_a_compiler_it_runs_eager_and_says_so(wanted, capsys):
    settings = AUTO.model_copy(update={"compile": wanted})
    assert not resolve(settings, Processor(frozenset(), 2, False), 1e15).compile
    assert "g++" in capsys.readouterr().err


def test_what_is_written_out_wins():
    settings = AccelerationSettings(precision="bf16", compile=False, threads=7)
    assert resolve(settings, PLAIN, 1e15) == Acceleration("bf16", False, 7)


def test_the_number_format_reaches_a_decoder_inside_another_model(tiny_model):
    model = torch.nn.Sequential(tiny_model())
    before = torch.get_num_threads()
    accelerate(model, Acceleration("bf16", False, 1))
    assert model[0].compute_dtype == torch.bfloat16
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


CLEARED_PAGES = """
import resource, torch
from stages.training.acceleration import keep_memory

def cleared():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 * 1024**2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(*[cleared() for _ in range(12)])
keep_memory()
print(*[cleared() for _ in range(12)])
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="THE C LIBRARY IS NOT GLIBC: nothing to set")
def test_memory_that_a_step_frees_stays_for_the_next():
    shown = subprocess.run([sys.executable, "-c", CLEARED_PAGES], capture_output=True, text=True, check=True).stdout
    stock, kept = ([int(pages) for pages in line.split()] for line in shown.splitlines())
    assert min(stock) > max(stock) / 2
    # Not each of them: a block cut to torch's alignment is too short for the next request of its size until its
    # neighbours are free, so that the first few may get new pages.
    assert min(kept) < max(stock) / 10
