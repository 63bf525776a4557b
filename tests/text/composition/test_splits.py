"""Splits follow from hashes of paths and the order of versions, and from nothing else."""

import pandas as pd
import pytest

from stages.text.composition.splits import assign, newest_versions, purpose, version_order

SHARES = {"validation": 0.1, "test": 0.2}


def documents(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": "pkg",
            "path": [f"pkg/module_{number // 2}.py" for number in range(count)],
            "name": [f"pkg.function_{number}" for number in range(count)],
            "kind": "reference",
            "version": None,
            "text": "text",
        }
    )


def test_versions_are_ordered_by_number():
    assert version_order("1.10") > version_order("1.9.3") > version_order("v1.9") == version_order("1.9.0")
    assert version_order("unreleased") == ()


def test_the_newest_versions_hold_at_most_their_share():
    versions = pd.Series(["1.0"] * 6 + ["1.9"] * 2 + ["1.10"] * 2 + [None] * 5)
    assert newest_versions(versions, 0.2) == {"1.10"}
    assert newest_versions(versions, 0.4) == {"1.10", "1.9"}


def test_a_single_version_is_never_withheld():
    assert newest_versions(pd.Series(["2.0", "2.0.0"]), 0.5) == set()


def test_documents_of_a_module_share_a_split_whatever_their_order():
    table = documents(400)
    table["split"] = assign(table, 1, SHARES, 0.1)
    assert (table.groupby("path")["split"].nunique() == 1).all()
    shuffled = table.sample(frac=1.0, random_state=0)
    assert (assign(shuffled, 1, SHARES, 0.1) == shuffled["split"]).all()
    shares = table["split"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.2, abs=0.06)
    assert shares["validation"] == pytest.approx(0.1, abs=0.06)


def test_a_source_with_enough_files_has_every_split():
    for seed in range(20):
        assert set(assign(documents(16), seed, {"validation": 0.001, "test": 0.001}, 0.1)) == {
            "train",
            "validation",
            "test",
        }


def test_what_the_newest_version_added_is_withheld_with_all_below_it():
    table = documents(20)
    table.loc[0, "version"] = "1.0"
    table.loc[4, ["name", "version"]] = ["pkg.Graph", "2.0"]
    table.loc[5, "name"] = "pkg.Graph.size"
    table.loc[6, "name"] = "pkg.Graphical"
    table.loc[20] = ["pkg", "pkg/module_2.py", None, "code", None, "class Graph:\n    pass\n"]
    table.loc[21] = ["pkg", "pkg/module_2.py", None, "code", None, "class Graphical:\n    pass\n"]
    splits = assign(table, 1, {"validation": 0.0, "test": 0.0}, 0.1)
    assert list(splits.index[splits == "after_cutoff"]) == [4, 5, 20]


def test_purposes_follow_their_shares():
    shares = {"demonstrate": 0.6, "rank": 0.1, "optimise": 0.3}
    drawn = pd.Series([purpose(f"{number:016x}", 1, shares) for number in range(3000)]).value_counts(normalize=True)
    for name, share in shares.items():
        assert drawn[name] == pytest.approx(share, abs=0.03)
