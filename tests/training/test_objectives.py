import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stages.model.transformer import Transformer
from stages.training import objectives
from stages.training.batches import LanguageBatch, all_batches
from stages.training.objectives import IGNORED, chunk_loss, next_token_loss


def plain_loss(model: Transformer, batch: LanguageBatch, z_loss: float) -> torch.Tensor:
    """The definition: all scores at once, and autograd."""
    logits = model.logits(model(batch.tokens, batch.segments)).flatten(0, 1)[batch.positions]
    z = z_loss * logits.logsumexp(-1).square().sum()
    return F.cross_entropy(logits, batch.targets, reduction="sum") + z


def test_a_chunk_worked_out_by_hand():
    """Scores 0 and ln 3 are probabilities 1/4 and 3/4; the second row is filler."""
    hidden = torch.tensor([[1.0], [1.0]])
    weight = torch.tensor([[0.0], [math.log(3)]])
    by_hidden, by_weight = torch.full_like(hidden, 5.0), torch.full_like(weight, 2.0)
    loss = chunk_loss(hidden, weight, torch.tensor([0, IGNORED]), by_hidden, by_weight)
    assert loss.item() == pytest.approx(math.log(4))
    assert by_hidden.flatten().tolist() == pytest.approx([0.75 * math.log(3), 0.0])
    assert by_weight.flatten().tolist() == pytest.approx([2 - 0.75, 2 + 0.75])


@pytest.mark.parametrize("z_loss", [0.0, 0.01])
@pytest.mark.parametrize("chunk", [4, 64])
def test_loss_and_gradients_are_those_of_the_definition(tiny_model, rows, monkeypatch, chunk, z_loss):
    monkeypatch.setattr(objectives, "CHUNK", chunk)
    (batch,) = all_batches(rows, np.arange(4), 4)
    chunked, plain = tiny_model(), tiny_model()
    loss = next_token_loss(chunked, batch, partial(chunk_loss, z_loss=z_loss))
    expected = plain_loss(plain, batch, z_loss)
    (loss / 7).backward()
    (expected / 7).backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for (name, one), other in zip(chunked.named_parameters(), plain.parameters(), strict=True):
        assert one.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-6), name


def test_one_trained_token_moves_one_row_of_scores_the_one_before_it(tiny_model, rows):
    model = tiny_model()
    tokens = torch.from_numpy(rows.tokens[:1, :-1].astype(np.int64))
    segments = torch.ones_like(tokens)
    batch = LanguageBatch(tokens, segments, positions=torch.tensor([8]), targets=tokens[0, 9:10])
    hidden = []

    def keep(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        output.retain_grad()
        hidden.append(output)

    model.register_forward_hook(keep)
    next_token_loss(model, batch).backward()
    moved = hidden[0].grad.abs().sum(dim=-1)[0]
    assert moved.nonzero().flatten().tolist() == [8]


def test_micro_batches_of_any_size_add_up_to_the_same_step(tiny_model, rows):
    gradients = []
    for size in (1, 2, 4):
        model = tiny_model()
        batches = all_batches(rows, np.arange(4), size)
        weight = sum(batch.weight for batch in batches)
        for batch in batches:
            (next_token_loss(model, batch) / weight).backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
    assert torch.allclose(gradients[0], gradients[2], atol=1e-6)


def test_a_packed_piece_costs_what_it_costs_alone(tiny_model, rows):
    model = tiny_model()
    (packed,) = all_batches(rows, np.arange(1), 1)
    alone = 0.0
    for columns in (slice(0, 7), slice(7, 15)):
        tokens = torch.from_numpy(rows.tokens[:1, columns].astype(np.int64))
        count = tokens.shape[1] - 1
        inputs = tokens[:, :-1]
        alone += next_token_loss(
            model, LanguageBatch(inputs, torch.ones_like(inputs), torch.arange(count), tokens[0, 1:])
        ).item()
    assert next_token_loss(model, packed).item() == pytest.approx(alone, abs=1e-5)


def test_bf16_products_keep_fp32_gradients_near_those_of_fp32(tiny_model, rows):
    (batch,) = all_batches(rows, np.arange(4), 4)
    exact, rounded = tiny_model(), tiny_model()
    rounded.compute_dtype = torch.bfloat16
    next_token_loss(exact, batch).backward()
    next_token_loss(rounded, batch).backward()
    for one, other in zip(exact.parameters(), rounded.parameters(), strict=True):
        assert other.grad.dtype == torch.float32
        assert F.cosine_similarity(one.grad.flatten(), other.grad.flatten(), dim=0) > 0.99
