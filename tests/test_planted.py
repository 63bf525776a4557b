import pytest

from stages.seeding import generator
from tests.planted import edited, passages, planted

TEXT = " ".join(f"word{number}" for number in range(200))


@pytest.mark.parametrize(("share", "expected"), [(0.01, 2), (0.1, 20), (0.0, 1)])
def test_a_share_of_words_is_replaced_by_other_ones(share: float, expected: int) -> None:
    found = edited(f" {TEXT}\n", share, generator("edit"))
    assert sum(one != other for one, other in zip(found.split(), TEXT.split(), strict=True)) == expected
    assert set(found.split()) <= set(TEXT.split())
    assert (found[0], found[-1]) == (" ", "\n")


def test_copies_are_a_function_of_the_seed() -> None:
    texts = [TEXT, TEXT.upper()]
    found = list(planted(texts, copies=2, share=0.01, seed=1))
    assert [(one.original, one.copy) for one in found] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert found == list(planted(texts, copies=2, share=0.01, seed=1))
    assert found[:2] == list(planted(texts[:1], copies=1, share=0.01, seed=1))
    assert found != list(planted(texts, copies=2, share=0.01, seed=2))


def test_passages_are_stretches_of_a_text() -> None:
    assert passages(["a b\nc  d e", "f"], 2) == ["a b", "c  d"]
