"""What makes a run fast without changing its recipe: number format, compilation, threads; `auto` resolved by rule."""

import ctypes
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn

from stages.model.transformer import Transformer
from stages.parameters import Section

GPU_BF16 = "gpu_bf16"
"""Our own flag, of a machine whose GPU multiplies bf16."""

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", GPU_BF16})
"""Processors with one of these multiply bf16 in hardware, faster than fp32; others emulate it, many times slower."""

COMPILE_ARITHMETIC = 2e12
"""Floating-point operations from which compilation pays: seconds to compile over seconds saved at a step. Between
what a warm cache wants, as every stage but the first of a shape finds it (1e12 for a million weights, 2e12 for five),
and what a cold one does (1e13, 2e13), on two cores with AVX-512 (roughly, from benchmarks/results/training.json)."""

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Of mallopt(3), from glibc's malloc.h: how much freed memory is kept, -1 for all; how many blocks are mapped alone."""

Threads = Literal["auto"] | Annotated[int, Field(gt=0, le=1024)]
"""A number of threads: torch crashes where the system cannot give as many as it asks for."""


class AccelerationSettings(Section):
    """How fast the arithmetic is done; `auto` follows from processor and size of the run, never from a clock."""

    precision: Literal["auto", "fp32", "bf16"]
    """Type of the matrix products; weights and sums stay fp32. auto: bf16 where the processor multiplies it."""
    compile: Literal["auto"] | bool
    """Whether blocks run as generated C++. auto: where the run is long enough and there is a C++ compiler."""
    threads: Threads
    """Threads of one matrix product. auto: all cores of this process."""


@dataclass(frozen=True)
class Processor:
    """What `auto` may look at."""

    flags: frozenset[str]
    cores: int
    cpp_compiler: bool


@dataclass(frozen=True)
class Acceleration:
    """Settings with every `auto` resolved."""

    precision: Literal["fp32", "bf16"]
    compile: bool
    threads: int

    def record(self) -> dict[str, str | bool | int]:
        """As it stands in a model's run.json."""
        return asdict(self)


def this_processor() -> Processor:
    """The machine this process runs on. `OMP_NUM_THREADS` limits the cores, as everywhere else in PyTorch."""
    description = Path("/proc/cpuinfo")
    flags = frozenset(description.read_text().split()) if description.exists() else frozenset[str]()
    if torch.cuda.is_available():  # what multiplies then is the GPU
        flags = frozenset({GPU_BF16} if torch.cuda.is_bf16_supported(including_emulation=False) else ())
    return Processor(flags & BF16_FLAGS, torch.get_num_threads(), shutil.which("g++") is not None)


def resolve(settings: AccelerationSettings, processor: Processor, arithmetic: float) -> Acceleration:
    """Replace every `auto`; `arithmetic` is the number of floating-point operations of the whole run."""
    automatic: Literal["fp32", "bf16"] = "bf16" if processor.flags & BF16_FLAGS else "fp32"
    wanted = arithmetic >= COMPILE_ARITHMETIC if settings.compile == "auto" else settings.compile
    if wanted and not processor.cpp_compiler:
        print("NO C++ COMPILER (g++): training runs uncompiled, which is slower.", file=sys.stderr)
    return Acceleration(
        precision=automatic if settings.precision == "auto" else settings.precision,
        compile=wanted and processor.cpp_compiler,
        threads=processor.cores if settings.threads == "auto" else settings.threads,
    )


def keep_memory() -> None:
    """Have glibc keep what is freed; another C library is left as it is.

    It gives large blocks back to the system, which clears every page of them anew at the next step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, -1)


def compilation() -> dict[str, Any]:
    """How torch.compile is asked: for one shape, and on a processor with kernels that C++ calls one after the other.

    Beside calls from Python, tokens/s on two cores in turns: 9 % more at 1M and 20M weights in blocks, as many at 5M.
    """
    return {"dynamic": False, "options": {"cpp_wrapper": not torch.cuda.is_available()}}


def accelerate(model: nn.Module, acceleration: Acceleration) -> None:
    """Set the process and the model up; every decoder inside `model` is reached.

    Blocks are compiled one by one: they are alike, so that one program serves all of them, and every stage that uses
    the same shape, whatever stands around the blocks.
    """
    keep_memory()
    torch.set_num_threads(acceleration.threads)
    for module in model.modules():
        if isinstance(module, Transformer):
            module.compute_dtype = torch.bfloat16 if acceleration.precision == "bf16" else torch.float32
            if acceleration.compile:
                for part in (*module.model.layers, module.model.norm):
                    part.compile(**compilation())
