import pandas as pd
import pytest

from stages.text.mixture import Share, copies, estimated_tokens, mix, passes


def shares(**weights) -> dict[str, Share]:
    return {kind: Share(weight=weight, most_passes=cap) for kind, (weight, cap) in weights.items()}


def test_weights_divide_the_target():
    # 100 tokens as 3 : 1, over 300 and 50 there are: a quarter of a pass and half a pass.
    assert passes({"a": 300, "b": 50}, shares(a=(3, 4), b=(1, 4)), 100) == {"a": 0.25, "b": 0.5}


def test_what_a_capped_kind_cannot_fill_goes_to_the_others_by_weight():
    # b wants 200/3 of its 10 tokens but may be read twice: 20. The other 180 go 1 : 1 to a and c.
    result = passes({"a": 100, "b": 10, "c": 900}, shares(a=(1, 4), b=(1, 2), c=(1, 4)), 200)
    assert result == {"a": pytest.approx(0.9), "b": 2, "c": pytest.approx(0.1)}


def test_a_cap_can_make_another_kind_reach_its_own():
    assert passes({"a": 10, "b": 60}, shares(a=(9, 2), b=(1, 1)), 100) == {"a": 2, "b": 1}


def test_kinds_without_weight_or_tokens_are_not_read():
    result = passes({"a": 100, "b": 50, "c": 0}, shares(a=(1, 4), b=(0, 4), c=(1, 4)), 50)
    assert result == {"a": 0.5, "b": 0.0, "c": 0.0}


def test_whole_passes_come_to_every_document_and_the_rest_to_whole_documents():
    ids, sizes = [f"d{number}" for number in range(200)], [10.0] * 200
    counts = copies(ids, sizes, 2.25, seed=1)
    assert sorted(set(counts)) == [2, 3]
    assert counts.count(3) == 50


def test_a_larger_fraction_keeps_what_a_smaller_one_chose_whatever_the_order():
    ids, sizes = [f"d{number}" for number in range(100)], [float(number % 7 + 1) for number in range(100)]
    few, many = copies(ids, sizes, 0.2, seed=1), copies(ids, sizes, 0.6, seed=1)
    assert all(more >= less for less, more in zip(few, many, strict=True))
    assert copies(ids[::-1], sizes[::-1], 0.2, seed=1) == few[::-1]
    assert copies(ids, sizes, 0.2, seed=2) != few


def documents(kinds: dict[str, int]) -> pd.DataFrame:
    rows = [(f"{kind}{number}", "water " * 20, kind) for kind, count in kinds.items() for number in range(count)]
    return pd.DataFrame(rows, columns=["id", "text", "kind"])


def test_estimates_go_by_the_bytes_per_token_of_a_sample_of_the_kind():
    table = pd.DataFrame({"id": list("abcd"), "kind": ["prose"] * 3 + ["code"], "bytes": [100, 300, 50, 60]})
    estimates = estimated_tokens(table, {"a": 20, "b": 100, "d": 30})
    # 120 tokens to 400 bytes of prose, 30 to 60 of code; bos and end on top.
    assert estimates.tolist() == pytest.approx([32, 92, 17, 32])


def test_mixing_counts_each_document_by_the_passes_over_its_kind():
    table = documents({"prose": 10, "code": 10})
    counts, chosen = mix(table, pd.Series(10.0, index=table.index), shares(prose=(3, 4), code=(1, 4)), 200, seed=1)
    assert chosen == {"prose": 1.5, "code": 0.5}
    assert counts[table["kind"] == "prose"].value_counts().to_dict() == {1: 5, 2: 5}
    assert counts[table["kind"] == "code"].value_counts().to_dict() == {0: 5, 1: 5}
