from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.seeding import generator
from stages.text import band_join
from stages.text.band_join import candidate_pairs, join_partition, merged_pairs, partitions_of, write_bands
from stages.text.kernels import bucket_pairs, may_be_shared
from stages.text.near_duplicates import Forest, Rows
from stages.text.scratch_arrays import write_arrays
from stages.text.signatures import Shape

SHAPE = Shape(seed=1, shingle_words=5, bands=4, rows=2)


def joined(folder: Path, parts: list[np.ndarray], partitions: int, shape: Shape = SHAPE) -> list[Path]:
    """Files of pairs of rows of these signatures."""
    bands = [folder / f"bands-{number}" for number in range(len(parts))]
    for number, part in enumerate(parts):
        write_arrays(folder / f"signatures-{number}", shape.form("signatures"), {"signature": [part]})
        everything = np.ones(len(part), dtype=bool)
        write_bands(folder / f"signatures-{number}", everything, bands[number], shape, partitions)
    pairs = [folder / f"pairs-{partition}" for partition in range(partitions)]
    firsts = Rows(parts).firsts[:-1].tolist()
    for partition, path in enumerate(pairs):
        join_partition(bands, firsts, partition, path, shape, partitions)
    return pairs


def candidates(
    folder: Path, parts: list[np.ndarray], threshold: float, partitions: int = 1, shape: Shape = SHAPE
) -> list[list[int]]:
    files = joined(folder, parts, partitions, shape)
    return np.concatenate(list(candidate_pairs(files, Rows(parts), shape, threshold))).tolist()


def test_candidates_share_a_band_and_agree_enough(tmp_path: Path) -> None:
    signatures = np.array(
        [
            [1, 2, 3, 4, 5, 6, 7, 8],
            [1, 2, 3, 4, 5, 6, 0, 0],  # shares three bands of two with the first
            [0, 2, 3, 0, 5, 0, 7, 0],  # agrees in four places, shares no band
            [1, 2, 9, 9, 9, 9, 9, 9],  # shares one band with the first two
        ],
        dtype=np.uint32,
    )
    assert candidates(tmp_path, [signatures], threshold=0.1) == [[0, 1], [0, 3], [1, 3]]
    # At a threshold of 0.99, five standard deviations are 0.18: only pairs that agree in 0.81 of places are left.
    assert candidates(tmp_path, [signatures], threshold=0.99) == []


def test_values_that_agree_in_another_band_are_no_candidates(tmp_path: Path) -> None:
    signatures = np.array(
        [[1, 2, 3, 4, 5, 6, 7, 8], [3, 4, 1, 2, 9, 9, 9, 9], [9, 9, 0, 2, 0, 2, 0, 9]], dtype=np.uint32
    )
    assert candidates(tmp_path, [signatures], threshold=0.1) == []


@pytest.mark.parametrize("partitions", [1, 2, 8])
def test_parts_runs_and_partitions_make_no_difference(
    tmp_path: Path, partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    signatures = generator("few values").integers(0, 6, size=(60, 8), dtype=np.uint32)
    shares = [
        any((one[band : band + 2] == other[band : band + 2]).all() for band in range(0, 8, 2))
        for one, other in combinations(signatures, 2)
    ]
    expected = [list(pair) for pair, is_shared in zip(combinations(range(60), 2), shares, strict=True) if is_shared]
    monkeypatch.setattr(band_join, "_RUN_DOCUMENTS", 7)
    monkeypatch.setattr(band_join, "_MERGED_PAIRS", 16)
    parts = [signatures[:25], signatures[25:25], signatures[25:]]
    blocks = list(merged_pairs(joined(tmp_path, parts, partitions), SHAPE))
    assert len(blocks) > 5
    assert np.concatenate(blocks).tolist() == expected


def test_a_very_large_bucket_is_joined_without_all_of_its_pairs(tmp_path: Path) -> None:
    pairs = candidates(tmp_path, [np.zeros((1_000, 8), dtype=np.uint32)], threshold=0.5)
    assert len(pairs) < 2_000
    forest = Forest(1_000)
    forest.join(np.array(pairs))
    assert set(forest.clusters().tolist()) == {0}


def test_no_documents_have_no_candidates(tmp_path: Path) -> None:
    assert candidates(tmp_path, [np.empty((0, 8), dtype=np.uint32)], threshold=0.5) == []


def test_rows_that_are_not_compared_have_no_candidates(tmp_path: Path) -> None:
    write_arrays(tmp_path / "s", SHAPE.form("signatures"), {"signature": [np.zeros((3, 8), dtype=np.uint32)]})
    write_bands(tmp_path / "s", np.array([True, False, True]), tmp_path / "b", SHAPE, 1)
    join_partition([tmp_path / "b"], [10], 0, tmp_path / "p", SHAPE, 1)
    assert np.concatenate(list(merged_pairs([tmp_path / "p"], SHAPE))).tolist() == [[10, 12]]


def test_there_are_enough_partitions_for_what_is_joined_at_a_time() -> None:
    million = Shape(seed=1, shingle_words=5, bands=28, rows=4)
    assert [partitions_of(documents, million) for documents in (0, 1, 30_000, 1_000_000)] == [1, 1, 1, 16]


@given(st.lists(st.integers(0, 4), max_size=20), st.integers(2, 5))
def test_bucket_pairs_are_those_of_a_plain_loop(keys: list[int], largest: int) -> None:
    rows = np.arange(len(keys), dtype=np.int64) * 3
    keys = sorted(keys)
    expected = []
    for key in set(keys):
        bucket = [row for row, other in zip(rows.tolist(), keys, strict=True) if other == key]
        if len(bucket) > largest:
            expected += [(bucket[0], row) for row in bucket[1:]] + list(pairwise(bucket))
        else:
            expected += combinations(bucket, 2)
    found = bucket_pairs(np.array(keys, dtype=np.uint64), rows, largest)
    assert sorted(map(tuple, found.tolist())) == sorted(expected)


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=30))
def test_no_shared_key_is_missed(keys: list[int]) -> None:
    found = may_be_shared(np.array(keys, dtype=np.uint64)).tolist()
    assert all(is_shared or keys.count(key) == 1 for key, is_shared in zip(keys, found, strict=True))


def test_few_keys_that_occur_once_may_be_shared() -> None:
    keys = generator("keys").integers(0, 2**64, size=10_000, dtype=np.uint64)
    assert may_be_shared(keys).mean() < 0.25
