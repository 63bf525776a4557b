import numpy as np
import pytest

from stages.seeding import generator
from stages.text.kernels import signature
from stages.text.near_duplicates import candidate_pairs, clusters, jaccard, permutations


def sets_of_similarity(shared: int, apart: int) -> tuple[np.ndarray, np.ndarray]:
    """Two ascending sets with `shared` members in common and `apart` of its own in each."""
    drawn = generator("sets", shared, apart).integers(0, 2**64, size=shared + 2 * apart, dtype=np.uint64)
    return np.sort(drawn[: shared + apart]), np.sort(np.concatenate([drawn[:shared], drawn[shared + apart :]]))


def test_jaccard_is_the_share_in_common():
    assert jaccard(*sets_of_similarity(30, 10)) == 30 / 50
    empty = np.empty(0, dtype=np.uint64)
    assert jaccard(empty, empty) == 0


def test_signatures_agree_as_often_as_sets_are_similar():
    functions = permutations(4_000, seed=1)
    one, other = (signature(members, *functions) for members in sets_of_similarity(600, 200))
    # Similarity 0.6; the standard deviation of the estimate is sqrt(0.6 * 0.4 / 4000) = 0.0077.
    assert np.mean(one == other) == pytest.approx(0.6, abs=4 * 0.0077)


def test_a_signature_is_the_same_however_the_set_is_cut_into_batches():
    functions = permutations(8, seed=1)
    members = np.sort(generator("many").integers(0, 2**64, size=5_000, dtype=np.uint64))
    parts = np.minimum(signature(members[:2_500], *functions), signature(members[2_500:], *functions))
    assert signature(members, *functions).tolist() == parts.tolist()


def test_other_seeds_give_other_functions():
    assert permutations(4, seed=1)[0].tolist() != permutations(4, seed=2)[0].tolist()


def test_candidates_share_a_band_and_agree_enough():
    signatures = np.array(
        [
            [1, 2, 3, 4, 5, 6, 7, 8],
            [1, 2, 3, 4, 5, 6, 0, 0],  # shares three bands of two with the first
            [0, 2, 3, 0, 5, 0, 7, 0],  # agrees in four places, shares no band
            [1, 2, 9, 9, 9, 9, 9, 9],  # shares one band with the first two
        ],
        dtype=np.uint32,
    )
    assert candidate_pairs(signatures, 4, threshold=0.1).tolist() == [[0, 1], [0, 3], [1, 3]]
    # At a threshold of 0.99, five standard deviations are 0.18: only pairs that agree in 0.81 of places are left.
    assert candidate_pairs(signatures, 4, threshold=0.99).tolist() == []


def test_a_very_large_bucket_is_joined_without_all_of_its_pairs():
    pairs = candidate_pairs(np.zeros((1_000, 4), dtype=np.uint32), 2, threshold=0.5)
    assert len(pairs) < 2_000
    assert set(clusters(1_000, map(tuple, pairs.tolist()))) == {0}


def test_no_documents_have_no_candidates():
    assert candidate_pairs(np.empty((0, 4), dtype=np.uint32), 2, threshold=0.5).shape == (0, 2)


def test_pairs_join_into_clusters_named_by_their_smallest_member():
    assert clusters(6, [(4, 5), (1, 4), (2, 3)]) == [0, 1, 2, 2, 1, 1]
