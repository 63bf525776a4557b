import pytest
import torch
from torch import Tensor

from stages.model.attention import QUERY_BLOCK, attention_mask, causal_attention, flash_attention

CPU = torch.device("cpu")


def drawn(length: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries of four heads, keys and values of two, and documents of uneven length, one of padding among them."""
    generator = torch.Generator().manual_seed(3)
    query = torch.randn(2, 4, length, 8, generator=generator).to(dtype).requires_grad_()
    key, value = (torch.randn(2, 2, length, 8, generator=generator).to(dtype).requires_grad_() for _ in range(2))
    return query, key, value, torch.randint(3, (2, length), generator=generator).sort(1).values


def results(attended: Tensor, *inputs: Tensor) -> list[Tensor]:
    """What was attended, and the gradients of a sum that is not alike for all of it."""
    return [attended, *torch.autograd.grad((attended.float().square() * 0.3).sum(), inputs)]


def test_a_query_reads_its_own_document_up_to_itself():
    segments = torch.tensor([[1, 1, 2, 2]])
    assert attention_mask(4, segments, CPU).int().tolist() == [
        [[[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]]
    ]
    assert attention_mask(3, segments, CPU, start=1).int().tolist() == [[[[1, 1, 0], [0, 0, 1]]]]
    assert attention_mask(3, None, CPU, start=2).int().tolist() == [[[[1, 1, 1]]]]


@pytest.mark.parametrize("length", [1, QUERY_BLOCK, QUERY_BLOCK + 1, 3 * QUERY_BLOCK - 2])
@pytest.mark.parametrize("packed", [False, True])
def test_written_out_attention_and_its_gradients_are_those_of_pytorch(length: int, packed: bool):
    query, key, value, documents = drawn(length)
    segments = documents if packed else None
    mask = attention_mask(length, segments, CPU)
    found = results(causal_attention(length, segments, CPU)(query, key, value), query, key, value)
    expected = results(flash_attention(query, key, value, mask), query, key, value)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_bf16_is_about_as_near_to_fp32_as_pytorch_with_bf16():
    """Products are rounded to bf16 before the division, where PyTorch's kernel rounds once."""
    length = 2 * QUERY_BLOCK
    exact, rounded = drawn(length), drawn(length, torch.bfloat16)
    attend, mask = causal_attention(length, exact[3], CPU), attention_mask(length, exact[3], CPU)
    expected = results(attend(*exact[:3]), *exact[:3])
    found, peers = (
        results(attend(*rounded[:3]), *rounded[:3]),
        results(flash_attention(*rounded[:3], mask), *rounded[:3]),
    )
    for one, peer, other in zip(found, peers, expected, strict=True):
        assert one.dtype == torch.bfloat16
        assert (one - other).norm() < 1.6 * (peer - other).norm()
