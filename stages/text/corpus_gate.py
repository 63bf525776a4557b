"""What must hold of the documents between collect and training: tables of ledgers and texts, and rules for each."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import pandas as pd

from stages.text.contamination import Index
from stages.text.demonstrations import Demonstration, Prompt
from stages.text.documents import SPLITS
from stages.text.expectations import Rule
from stages.text.personal_data import find
from stages.text.profiles import PROFILE_RULES
from stages.text.word_hashes import word_hashes

KNOWN_REASONS = {
    "clean": {
        "language",
        "private_name",
        "max_toxic_word_fraction",
        *PROFILE_RULES,
    },
    "deduplicate": {"exact_duplicate", "near_duplicate", "repeated_paragraphs"},
    "decontaminate": {"shared_ngram", "item_coverage"},
}
"""Every rule by which a stage may drop a document."""

E_MAIL = r"(?<![\w.+-])[\w.+-]+@[A-Za-z0-9-]+\.(?:com|org|net|edu|gov|io|de|fr|uk)(?![\w(\[.])"
"""Written apart from the expression that masks, to catch what that one misses."""

CONTROL_CHARACTER = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"

MIX_RULE = "the mix of sources stays"

MEASURED_SPLITS = frozenset({"validation", "test"})
"""Nothing may be trained on their documents."""

critical = partial(Rule, severity="critical")
warning = partial(Rule, severity="warning")


def content_hash(text: str) -> str:
    """SHA-256 of a text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def all_true(name: str, column: str) -> Rule:
    """A critical rule that a column of booleans holds in every row."""
    return critical(name, expectation="ExpectColumnValuesToBeInSet", arguments={"column": column, "value_set": [True]})


def unique(name: str, column: str) -> Rule:
    """A critical rule that no value of a column occurs twice."""
    return critical(name, expectation="ExpectColumnValuesToBeUnique", arguments={"column": column})


def account_table(collected: int, ledgers: Mapping[str, pd.DataFrame], documents: int) -> pd.DataFrame:
    """A row per stage: how many documents the stage before it passed on, and how many this one counts."""
    passed_on = [collected, *(int(ledger["kept"].sum()) for ledger in ledgers.values())]
    counted = [*map(len, ledgers.values()), documents]
    return pd.DataFrame({"passed_on": passed_on, "counted": counted}, index=[*ledgers, "documents"])


def account_rules() -> list[Rule]:
    """Rules about `account_table`."""
    return [
        critical(
            "documents add up from stage to stage",
            expectation="ExpectColumnPairValuesToBeEqual",
            arguments={"column_A": "counted", "column_B": "passed_on"},
        )
    ]


def ledger_table(ledgers: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of all ledgers, named by stage and document, with what each says of itself checked."""
    rows = pd.concat([ledger.assign(stage=stage) for stage, ledger in ledgers.items()], ignore_index=True)
    dropped = rows[~rows["kept"] & rows["rule"].notna()]
    reasons = zip(dropped["stage"], dropped["rule"], strict=True)
    measured = zip(dropped["rule"], dropped["value"], dropped["threshold"], strict=True)
    known = pd.Series([reason in KNOWN_REASONS[stage] for stage, reason in reasons], index=dropped.index, dtype=bool)
    broken = pd.Series([breaks(*row) for row in measured], index=dropped.index, dtype=bool)
    return rows.assign(
        reason_known=known.reindex(rows.index, fill_value=True),
        reason_fits=rows["kept"] == rows["rule"].isna(),
        threshold_broken=broken.reindex(rows.index, fill_value=True),
    ).set_index(rows["stage"] + ":" + rows["id"])


def breaks(rule: str, value: float, threshold: float) -> bool:
    """Whether a value is on the side of its threshold where documents are dropped; the rule's name says which."""
    if rule.startswith("min_"):
        return value < threshold
    if rule.startswith("max_") or rule == "private_name":
        return value > threshold
    return value >= threshold


def ledger_rules() -> list[Rule]:
    """Rules about `ledger_table`."""
    return [
        all_true("a reason for every dropped document and for no other", "reason_fits"),
        all_true("known reasons", "reason_known"),
        all_true("what was dropped breaks its threshold", "threshold_broken"),
    ]


def growth_rules() -> list[Rule]:
    """Rules about the rows of `ledger_table` with no masked span; a placeholder may be longer than what it hides."""
    return [
        warning(
            "no text grows but by masking",
            expectation="ExpectColumnPairValuesAToBeGreaterThanB",
            arguments={"column_A": "characters_in", "column_B": "characters_out", "or_equal": True},
        )
    ]


def source_table(collected: Mapping[str, int], documents: pd.DataFrame) -> pd.DataFrame:
    """A row per source that gave documents: the share of them that is left."""
    left = documents["source"].value_counts()
    given = pd.Series({name: count for name, count in collected.items() if count}, dtype="int64")
    return pd.DataFrame({"kept_fraction": left.reindex(given.index, fill_value=0) / given})


def source_rules(lowest: float, highest: float) -> list[Rule]:
    """Rules about `source_table`."""
    return [
        critical(
            "no source eaten up, none untouched",
            expectation="ExpectColumnValuesToBeBetween",
            arguments={"column": "kept_fraction", "min_value": lowest, "max_value": highest},
        )
    ]


def mix_rules(collected: Mapping[str, int], highest: float) -> list[Rule]:
    """The rule about the kept documents' `source`: Kullback-Leibler divergence, in nats, from the collected mix."""
    total = sum(collected.values())
    given = {name: count / total for name, count in sorted(collected.items()) if count}
    mix = {"values": list(given), "weights": list(given.values())}
    return [
        critical(
            MIX_RULE,
            expectation="ExpectColumnKLDivergenceToBeLessThan",
            arguments={"column": "source", "partition_object": mix, "threshold": highest},
        )
    ]


def document_table(documents: pd.DataFrame, splits: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """The kept documents by id, each with whether its split is as assigned, and its cluster."""
    assigned = splits.set_index("document_id")["split"]
    cluster = clusters.set_index("id")["cluster"]
    return documents.assign(
        split_as_assigned=documents["split"] == documents["id"].map(assigned),
        cluster=documents["id"].map(cluster),
    ).set_index("id", drop=False)


def document_rules() -> list[Rule]:
    """Rules about `document_table`."""
    splits = {"column": "split", "value_set": list(SPLITS)}
    digest = {"column": "content", "regex": r"^[0-9a-f]{64}$"}
    return [
        unique("no document twice", "id"),
        unique("no text twice", "content"),
        critical("hashes of 64 digits", expectation="ExpectColumnValuesToMatchRegex", arguments=digest),
        unique("one document of each cluster of duplicates", "cluster"),
        critical("known splits", expectation="ExpectColumnValuesToBeInSet", arguments=splits),
        all_true("every document in the split it was given", "split_as_assigned"),
    ]


def text_table(texts: pd.DataFrame, references: Sequence[str], shared_words: int) -> pd.DataFrame:
    """Texts (columns id and text) with what should not be in them measured.

    `reference_coverage` is the largest share of one reference's runs of `shared_words` words that the text holds; a
    shorter reference has no such run and is not looked for.
    """
    index = Index(map(word_hashes, references), shared_words)
    hits = index.hits([word_hashes(text) for text in texts["text"]])
    return texts.assign(
        personal_data=[sum(1 for _ in find(text)) for text in texts["text"]],
        reference_coverage=[index.coverage(found) for found in hits],
    ).set_index("id", drop=False)


def text_rules(highest_leaking: float) -> list[Rule]:
    """Rules about `text_table`; a share of `highest_leaking` texts may hold a whole reference, as set phrases do."""
    none_found = {"column": "personal_data", "max_value": 0}
    e_mail = {"column": "text", "regex": E_MAIL}
    control = {"column": "text", "regex": CONTROL_CHARACTER}
    whole = {"column": "reference_coverage", "max_value": 1, "strict_max": True, "mostly": 1 - highest_leaking}
    return [
        critical("no personal data left", expectation="ExpectColumnValuesToBeBetween", arguments=none_found),
        critical("no e-mail address", expectation="ExpectColumnValuesToNotMatchRegex", arguments=e_mail),
        critical("no control character", expectation="ExpectColumnValuesToNotMatchRegex", arguments=control),
        critical("no answer to a test prompt", expectation="ExpectColumnValuesToBeBetween", arguments=whole),
    ]


def size_table(counts: Mapping[str, int], least: Mapping[str, int]) -> pd.DataFrame:
    """A row per part that must not be empty: how much it holds, and the least that it may."""
    return pd.DataFrame({"count": [counts.get(name, 0) for name in least], "least": list(least.values())}, list(least))


def size_rules() -> list[Rule]:
    """Rules about `size_table`."""
    columns = {"column_A": "count", "column_B": "least", "or_equal": True}
    name = "enough of every part"
    return [critical(name, expectation="ExpectColumnPairValuesAToBeGreaterThanB", arguments=columns)]


def part_counts(
    documents: pd.DataFrame, demonstrations: Iterable[Demonstration], prompts: Iterable[Prompt]
) -> dict[str, int]:
    """How many documents, demonstrations and prompts there are in each split."""
    counts = Counter(f"documents_{split}" for split in documents["split"])
    counts.update(f"demonstrations_{one.split}" for one in demonstrations)
    counts.update(f"prompts_{one.split}" for one in prompts)
    return dict(counts)


def composed_table(
    demonstrations: Sequence[Demonstration], prompts: Sequence[Prompt], splits: pd.DataFrame
) -> pd.DataFrame:
    """What is trained on besides documents, by id: whether any of its sources is kept for measuring."""
    of_document = dict(zip(splits["document_id"], splits["split"], strict=True))
    trained = [one for one in demonstrations if one.split == "train"]
    asked = [one for one in prompts if one.split not in MEASURED_SPLITS]
    rows: list[Demonstration | Prompt] = [*trained, *asked]
    held_out = [any(of_document.get(source) in MEASURED_SPLITS for source in one.source_ids) for one in rows]
    ids = [one.id for one in rows]
    return pd.DataFrame({"id": ids, "of_training_documents": [not one for one in held_out]}, index=ids)


def composed_rules() -> list[Rule]:
    """Rules about `composed_table`."""
    return [
        unique("no demonstration or prompt twice", "id"),
        all_true("nothing trained on comes from a document for measuring", "of_training_documents"),
    ]


def dropped_rules(highest: Mapping[str, float]) -> list[Rule]:
    """Rules about a table of one row with a column `<reason>_fraction` for every reason: each at most so high."""
    return [
        critical(
            f"not too much {reason}",
            expectation="ExpectColumnMaxToBeBetween",
            arguments={"column": f"{reason}_fraction", "max_value": share},
        )
        for reason, share in highest.items()
    ]
