import pandas as pd
import pytest

from stages.errors import StageError
from stages.text.accepted import Accepted
from stages.text.documents import DOCUMENT_SCHEMA
from stages.text.gates import SourceLimits, TokenLimits, check_sources, check_tokens
from stages.text.raw_batches import MEASURES, batch_of
from stages.text.reading import RawDocument

SOURCE_LIMITS = SourceLimits(
    min_documents=3,
    max_failed_fraction=0.1,
    max_characters=100,
    max_replacement_fraction=0.01,
    max_outlier_fraction=0.0,
    min_distinct_fraction=1.0,
    max_source_fraction=0.7,
    accepted=None,
)
TOKEN_LIMITS = TokenLimits(min_bytes_per_token=2.0, max_bytes_per_token=6.0, max_padding_fraction=0.01, accepted=None)


def measured(**changes) -> pd.DataFrame:
    documents = [
        {"source": source, "path": f"{place}.txt", "name": None, "kind": "prose", "licence": "MIT", "version": None}
        | {"text": f"Text number {place}."}
        for place, source in enumerate(["a", "a", "b", "b"])
    ]
    documents[0] |= {name: value for name, value in changes.items() if name in documents[0]}
    table = batch_of([RawDocument(**document) for document in documents]).select(MEASURES).to_pandas()
    for name in changes.keys() - documents[0].keys():
        table[name] = table[name].astype(object)
        table.loc[0, name] = changes[name]
    return table


def verdict_on(table: pd.DataFrame, files_failed: int = 0, limits: SourceLimits = SOURCE_LIMITS):
    figures = {"files_read": 4, "files_failed": files_failed, "documents": len(table)}
    return check_sources(DOCUMENT_SCHEMA.names, table, figures, limits)


def broken(verdict) -> list[str]:
    return [result["rule"] for result in verdict["rules"] if not result["success"]]


def test_good_documents_pass_the_source_gate():
    verdict = verdict_on(measured())
    assert (verdict["failed"], verdict["warnings"]) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"id": measured()["id"][1]}, "no id twice"),
        ({"licence": None}, "a licence for every document"),
        ({"source": None}, "a source for every document"),
        ({"text": ""}, "no empty text"),
        ({"kind": "song"}, "known kinds"),
    ],
)
def test_documents_that_break_a_critical_rule_stop_at_the_source_gate(changes, rule):
    with pytest.raises(StageError, match=rule):
        verdict_on(measured(**changes))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"text": "x" * 101}, "texts of bearable length"),
        ({"text": "Text \ufffd number 0."}, "text decoded well"),
        ({"text": "Text number 1."}, "distinct texts"),
        ({"date": "last year"}, "dates as ISO 8601"),
    ],
)
def test_documents_that_look_odd_are_a_warning(changes, rule):
    assert rule in broken(verdict_on(measured(**changes)))


def test_other_columns_than_those_of_documents_stop_at_the_source_gate():
    with pytest.raises(StageError, match="columns of a document"):
        check_sources(
            [*DOCUMENT_SCHEMA.names, "score"], measured(), {"files_read": 4, "files_failed": 0}, SOURCE_LIMITS
        )


def test_too_few_documents_stop_with_how_many_there_are_and_must_be():
    with pytest.raises(StageError, match="rule 'enough documents', value 2, limit min_value 3"):
        verdict_on(measured()[:2])


def test_no_document_at_all_stops_too():
    with pytest.raises(StageError, match="enough documents"):
        verdict_on(measured()[:0])


def test_too_many_unreadable_files_stop():
    # 1 of 5 is 0.2, above 0.1
    with pytest.raises(StageError, match=r"few unreadable files.*value 0\.2, limit max_value 0\.1"):
        verdict_on(measured(), files_failed=1)


def test_figures_far_from_those_accepted_are_a_warning():
    for documents, expected in ((5, []), (3, ["figures as those accepted last"])):
        accepted = Accepted(max_change=0.2, figures={"documents": documents})
        verdict = verdict_on(measured(), limits=SOURCE_LIMITS.model_copy(update={"accepted": accepted}))
        assert broken(verdict) == expected


def index(**changes) -> pd.DataFrame:
    # 12 tokens with bos and end, 40 bytes: 4 bytes a token
    row = {"source": "a", "kind": "prose", "split": "train", "tokens": 12, "bytes": 40, "round_trip_ok": True}
    return pd.DataFrame([row | {"id": "d1"} | changes, row | {"id": "d2", "kind": "code"}])


FIGURES = {"vocabulary_size": 400, "largest_token": 399, "documents_written": 2, "padding_fraction": 0.005}


def test_good_tokens_pass_the_token_gate():
    verdict = check_tokens(index(), {}, TOKEN_LIMITS, **FIGURES)
    assert (verdict["failed"], verdict["warnings"]) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "figures", "rule"),
    [
        ({"id": "d2"}, {}, "no document twice or in two splits"),
        ({"tokens": 2}, {}, "tokens in every document"),
        ({"round_trip_ok": False}, {}, "tokens decode to the text"),
        ({"bytes": 19}, {}, "bytes per token of every kind"),
        ({"bytes": 61}, {}, "bytes per token of every kind"),
        ({}, {"largest_token": 400}, "tokens within the vocabulary"),
        ({}, {"documents_written": 1}, "every document written"),
    ],
)
def test_tokens_that_break_a_critical_rule_stop_at_the_token_gate(changes, figures, rule):
    with pytest.raises(StageError, match=rule):
        check_tokens(index(**changes), {}, TOKEN_LIMITS, **FIGURES | figures)


def test_much_padding_is_a_warning():
    verdict = check_tokens(index(), {}, TOKEN_LIMITS, **FIGURES | {"padding_fraction": 0.02})
    assert broken(verdict) == ["little padding"]


def test_a_source_of_odd_tokens_among_others_of_its_kind_is_a_warning():
    # 61 bytes for 10 tokens, above 6; with the other document 101 for 20, which is not
    odd = index(bytes=61).assign(kind="prose", source=["odd", "a"])
    assert broken(check_tokens(odd, {}, TOKEN_LIMITS, **FIGURES)) == ["bytes per token of every source"]


def test_tokens_are_held_against_the_figures_accepted_last():
    accepted = Accepted(max_change=0.1, figures={"train_bytes_per_target": 2.0})
    limits = TOKEN_LIMITS.model_copy(update={"accepted": accepted})
    for figure, expected in ((2.19, []), (1.7, ["figures as those accepted last"])):
        assert broken(check_tokens(index(), {"train_bytes_per_target": figure}, limits, **FIGURES)) == expected
