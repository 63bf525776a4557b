import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.seeding import generator
from stages.text import near_duplicates
from stages.text.kernels import shared_counts, signature
from stages.text.near_duplicates import (
    Forest,
    Rows,
    Shingles,
    agreement,
    jaccard,
    least_agreement,
    midpoint,
    pair_blocks,
    permutations,
)


def sets_of_similarity(shared: int, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """Two ascending sets with `shared` members in common and `apart` of its own in each."""
    drawn = generator("sets", shared, apart).integers(0, 2**64, size=shared + 2 * apart, dtype=np.uint64)
    return np.sort(drawn[: shared + apart]), np.sort(np.concatenate([drawn[:shared], drawn[shared + apart :]]))


def shingles_of(rows: list[int], sets: list[np.ndarray]) -> Shingles:
    starts = np.concatenate([[0], np.cumsum([len(members) for members in sets])])
    return Shingles(np.array(rows), starts, Rows([*sets, np.empty(0, dtype=np.uint64)]))


def test_jaccard_is_the_share_in_common() -> None:
    one, other = sets_of_similarity(30, 10)
    shingles = shingles_of([3, 5, 8, 9], [one, np.empty(0, dtype=np.uint64), other, np.empty(0, dtype=np.uint64)])
    assert jaccard(np.array([[3, 8], [5, 9], [3, 9], [3, 3]]), shingles).tolist() == [30 / 50, 0, 0, 1]
    assert jaccard(np.empty((0, 2), dtype=np.int64), shingles).tolist() == []


def test_jaccard_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [np.unique(generator("blocks", row).integers(0, 40, size=20, dtype=np.uint64)) for row in range(12)]
    pairs = np.array([(one, other) for one in range(12) for other in range(one)])
    expected = [len({*sets[one]} & {*sets[other]}) / len({*sets[one]} | {*sets[other]}) for one, other in pairs]
    monkeypatch.setattr(near_duplicates, "_BLOCK_SHINGLES", 50)
    assert len(list(pair_blocks(pairs, np.full(len(pairs), 30)))) > 10
    assert jaccard(pairs, shingles_of(list(range(12)), sets)).tolist() == expected


ascending_sets = st.lists(st.sets(st.integers(0, 12), max_size=8), min_size=2, max_size=6)


@given(ascending_sets)
def test_shared_counts_are_those_of_sets(sets: list[set[int]]) -> None:
    values = np.array([member for members in sets for member in sorted(members)], dtype=np.uint64)
    starts = np.concatenate([[0], np.cumsum([len(members) for members in sets])])
    ones, others = np.triu_indices(len(sets))
    expected = [len(sets[one] & sets[other]) for one, other in zip(ones, others, strict=True)]
    assert shared_counts(values, starts, ones, others).tolist() == expected


def test_signatures_agree_as_often_as_sets_are_similar() -> None:
    functions = permutations(4_000, seed=1)
    one, other = (signature(members, *functions) for members in sets_of_similarity(600, 200))
    # Similarity 0.6; the standard deviation of the estimate is sqrt(0.6 * 0.4 / 4000) = 0.0077.
    found = agreement(np.array([[0, 1]]), Rows([one[np.newaxis], other[np.newaxis]]))
    assert found.tolist() == pytest.approx([0.6], abs=4 * 0.0077)


def test_a_signature_is_the_same_however_the_set_is_cut_into_batches() -> None:
    functions = permutations(8, seed=1)
    members = np.sort(generator("many").integers(0, 2**64, size=5_000, dtype=np.uint64))
    parts = np.minimum(signature(members[:2_500], *functions), signature(members[2_500:], *functions))
    assert signature(members, *functions).tolist() == parts.tolist()


def test_other_seeds_give_other_functions() -> None:
    assert permutations(4, seed=1)[0].tolist() != permutations(4, seed=2)[0].tolist()


def test_rows_of_several_parts_are_taken_in_the_order_asked_for() -> None:
    rows = Rows([np.array([[0, 1], [2, 3]]), np.empty((0, 2), dtype=np.int64), np.array([[4, 5]])])
    assert len(rows) == 3
    assert rows.of_part(2) == slice(2, 3)
    assert rows.take(np.array([2, 0, 2, 1])).tolist() == [[4, 5], [0, 1], [4, 5], [2, 3]]
    assert rows.take(np.empty(0, dtype=np.int64)).shape == (0, 2)


def test_the_curve_of_bands_and_rows() -> None:
    # FineWeb's 14 bands of 8 are about a similarity of 0.72 (Penedo et al. 2024, section 3.4).
    assert midpoint(14, 8) == pytest.approx(0.72, abs=0.005)
    # 0.5 - 5 * sqrt(0.25 / 100)
    assert least_agreement(0.5, 100) == pytest.approx(0.25)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_pairs_join_into_clusters_known_by_their_smallest_member(pairs: list[tuple[int, int]]) -> None:
    cluster = list(range(10))
    for one, other in pairs:
        low, high = sorted((cluster[one], cluster[other]))
        cluster = [low if row == high else row for row in cluster]
    forest = Forest(10)
    forest.join(np.array(pairs, dtype=np.int64).reshape(-1, 2))
    assert forest.clusters().tolist() == cluster
