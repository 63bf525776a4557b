import time

import torch

from stages.model.scalar import ScalarModel
from stages.model.transformer import Transformer
from stages.training.throughput import Throughput, arithmetic, matrix_weights, measured_peak


def test_an_embedding_counts_where_it_is_the_output_projection(tiny_model):
    model = tiny_model()
    # Per block: q 16x16, k and v 8x16 each, o 16x16, three of 24x16.
    blocks = 2 * (2 * 256 + 2 * 128 + 3 * 384)
    assert matrix_weights(model) == blocks + 40 * 16
    assert matrix_weights(ScalarModel(model.config, 5)) == blocks + 5 * 16
    untied = Transformer(model.config.model_copy(update={"tied": False}))
    assert matrix_weights(untied) == blocks + 40 * 16
    assert arithmetic(model, 10) == 60 * (blocks + 640)


def test_a_frozen_weight_has_no_gradient_of_its_own(tiny_model):
    """Of the six operations for a weight and token it takes four; the embedding is the output projection too."""
    model = tiny_model()
    model.requires_grad_(False)
    model.model.layers[0].self_attn.q_proj.weight.requires_grad_(True)
    assert arithmetic(model, 10) == 40 * matrix_weights(model) + 20 * 256


def test_a_peak_is_what_a_product_of_matrices_reaches_here():
    peak = measured_peak(torch.float32, torch.device("cpu"))
    first, second = torch.randn(2, 256, 256)
    began = time.perf_counter()
    for _ in range(20):
        first @ second
    small = 20 * 2 * 256**3 / (time.perf_counter() - began)
    assert small / 100 < peak < 100 * small


def test_speed_is_tokens_over_seconds(tiny_model, monkeypatch):
    clock = iter([100.0, 104.0])
    monkeypatch.setattr("stages.training.throughput.time.monotonic", lambda: next(clock))
    throughput = Throughput(tiny_model(), measure_peak=False)
    throughput.start(1000, waited=7.0)
    assert throughput.figures(1800, waited=8.0) == {"tokens_per_second": 200.0, "data_wait_share": 0.25}
