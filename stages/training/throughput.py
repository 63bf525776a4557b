"""How fast a run is: tokens per second, and the share of the machine's arithmetic that it makes use of."""

import time

import torch
from torch import nn

from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer

OPERATIONS_PER_WEIGHT = 6
"""Floating-point operations per token and weight of a matrix: two forward, four backward (Kaplan et al. 2020, 2.1)."""

OPERATIONS_PER_FROZEN_WEIGHT = 4
"""Of these without the two for its own gradient."""

PEAK_SIZES = {"cpu": 768, "cuda": 8192}
"""Rows and columns of a product that is to show a device at its best within fractions of a second: that of a processor
is measured, that of a GPU is an estimate."""

PEAK_REPEATS = 5


def matrices(model: Transformer | ScalarModel) -> list[nn.Parameter]:
    """What a token is multiplied by: all matrices, and an embedding only if it is the output projection too."""
    projects = isinstance(model, Transformer) and model.config.tied
    found = [(name, parameter) for name, parameter in model.named_parameters() if parameter.ndim >= 2]
    return [parameter for name, parameter in found if projects or not name.endswith("embed_tokens.weight")]


def matrix_weights(model: Transformer | ScalarModel) -> int:
    """Weights that a token is multiplied by."""
    return sum(matrix.numel() for matrix in matrices(model))


def arithmetic(model: Transformer | ScalarModel, tokens: int) -> float:
    """Floating-point operations of training on `tokens`, attention's own products left out."""
    per_weight = {True: OPERATIONS_PER_WEIGHT, False: OPERATIONS_PER_FROZEN_WEIGHT}
    return float(sum(per_weight[matrix.requires_grad] * matrix.numel() for matrix in matrices(model)) * tokens)


def measured_peak(dtype: torch.dtype, device: torch.device) -> float:
    """Operations per second of the best of a few square matrix products on a device, in this process."""
    size = PEAK_SIZES[device.type]
    first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(PEAK_REPEATS):
        began = time.perf_counter()
        product = first @ second
        product[0, 0].item()  # which waits for a device that works on beside this process
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds)


class Throughput:
    """A stopwatch over tokens; its figures go to logger and progress line, never into an output."""

    def __init__(self, model: Transformer | ScalarModel, measure_peak: bool, ranks: int = 1) -> None:
        self.per_token = arithmetic(model, 1)
        self.peak: float | None = None
        """Of all ranks."""
        device = next(model.parameters()).device
        if measure_peak and device.type in PEAK_SIZES:
            self.peak = measured_peak(model.compute_dtype, device) * ranks

    def start(self, tokens: int, waited: float) -> None:
        """Begin an interval, with `tokens` and `waited` seconds for data behind it."""
        self.began, self.tokens, self.waited = time.monotonic(), tokens, waited

    def figures(self, tokens: int, waited: float) -> dict[str, float]:
        """Speed since `start`, the share of the peak (MFU) where one was measured, that of waiting for data."""
        seconds = time.monotonic() - self.began
        speed = (tokens - self.tokens) / seconds
        share = {} if self.peak is None else {"model_flops_utilisation": speed * self.per_token / self.peak}
        return {"tokens_per_second": speed, **share, "data_wait_share": (waited - self.waited) / seconds}
