import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.duplicate_search import Signed, duplicates, first_occurrences, similarity_to
from stages.text.near_duplicates import Rows

# Rows 0 and 3 have one content; 1 and 2 are alike, 4 is like nothing and has no words.
SIGNED = Signed(
    files=[],
    signatures=Rows([np.zeros((5, 1), dtype=np.uint32)]),
    first=np.array([0, 1, 2, 0, 4]),
    characters=np.array([9, 9, 9, 9, 1]),
    has_words=np.array([True, True, True, True, False]),
)
SIMILARITIES = {(0, 1): 0.2, (0, 2): 0.4, (1, 2): 0.8}


def similarity(pairs: np.ndarray) -> np.ndarray:
    return np.array([SIMILARITIES[one, other] for one, other in pairs.tolist()], dtype=np.float64)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_the_first_occurrence_of_each_row(content: list[tuple[int, int]]) -> None:
    rows = np.array(content, dtype=np.uint64).reshape(-1, 2)
    assert first_occurrences(rows).tolist() == [content.index(row) for row in content]


@pytest.mark.parametrize(
    ("threshold", "cluster", "highest", "false"),
    [
        (0.7, [0, 1, 1, 0, 4], [1, 0.8, 0.8, 1, 0], 2),
        (0.4, [0, 0, 0, 0, 4], [1, 0.8, 0.8, 1, 0], 1),
        (0.9, [0, 1, 2, 0, 4], [1, 0, 0, 1, 0], 3),
    ],
)
def test_pairs_join_rows_and_leave_their_highest_similarity(
    threshold: float, cluster: list[int], highest: list[float], false: int
) -> None:
    blocks = iter([np.array([[0, 1], [0, 2]]), np.empty((0, 2), dtype=np.int64), np.array([[1, 2]])])
    found = duplicates(SIGNED, blocks, similarity, threshold)
    assert found.cluster.tolist() == cluster
    assert found.highest.tolist() == highest
    assert (found.checked, found.false) == (3, false)


def test_rows_are_as_similar_as_the_first_ones_of_their_content() -> None:
    rows, others = np.array([0, 3, 2, 2, 4, 1]), np.array([3, 0, 3, 1, 4, 1])
    assert similarity_to(rows, others, SIGNED, similarity).tolist() == [1, 1, 0.4, 0.8, 0, 1]
