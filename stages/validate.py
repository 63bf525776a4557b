"""Hold what is to be trained on against ledgers and limits; if a critical rule fails, nothing behind this gate runs."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from stages.command import command
from stages.hashing import file_hash, folder_hash
from stages.parameters import Metrics
from stages.text.accepted import check_accepted
from stages.text.corpus import Corpus, CorpusLimits, describe_documents, dropped_fractions, suites, training_texts
from stages.text.corpus_gate import MIX_RULE, source_table
from stages.text.demonstrations import Demonstration, Prompt
from stages.text.expectations import Result, check, enforce, verdict
from stages.text.gate import write_passed
from stages.text.records import read_records


class Params(CorpusLimits):
    """The limits of the gate."""


def figures(corpus: Corpus) -> Metrics:
    """What is left, as flat figures."""
    shares = dropped_fractions(corpus).iloc[0]
    kept = source_table(corpus.collected, corpus.documents)["kept_fraction"]
    return {
        "kept_fraction": round(len(corpus.documents) / sum(corpus.collected.values()), 4),
        "lowest_kept_fraction_of_a_source": round(float(kept.min()), 4),
        **{name: round(float(value), 4) for name, value in shares.items()},
    }


def outcome(results: Sequence[Result]) -> Metrics:
    """What came of the rules, as flat figures."""
    summary, values = verdict(results), {result["rule"]: result["value"] for result in results}
    counts = {"rules": len(results), "failed": summary["failed"], "warnings": summary["warnings"]}
    return counts | {"source_divergence": values[MIX_RULE]}


def run(
    params: Params,
    manifest: Path,
    clean_ledger: Path,
    deduplicate_ledger: Path,
    clusters: Path,
    splits: Path,
    decontaminate_ledger: Path,
    documents: Path,
    demonstrations: Path,
    prompts: Path,
    output: Path,
) -> Metrics:
    """Write the result of every rule, then the verdict; StageError instead of a verdict if a critical rule failed."""
    ledgers = {"clean": _table(clean_ledger), "deduplicate": _table(deduplicate_ledger)}
    judged = _table(decontaminate_ledger)
    ledgers["decontaminate"] = judged[judged["id"].isin(ledgers["deduplicate"]["id"])]
    described = describe_documents(documents)
    shown = read_records(demonstrations, Demonstration)
    corpus = Corpus(
        collected={one["name"]: one["documents"] for one in json.loads(manifest.read_text("utf-8"))["sources"]},
        ledgers=ledgers,
        judged=judged,
        clusters=_table(clusters),
        splits=_table(splits),
        documents=described,
        texts=training_texts(documents, described, shown, params.sampled_texts, params.seed),
        demonstrations=shown,
        prompts=read_records(prompts, Prompt),
    )
    left = figures(corpus)
    results = [result for table, rules in suites(corpus, params) for result in check(table, rules)]
    results += check_accepted(params.accepted, left)
    output.mkdir(parents=True, exist_ok=True)
    (output / "passed.json").unlink(missing_ok=True)
    # Written before the verdict, so that it can be looked at after a failure; DVC records it only after success.
    content = json.dumps(verdict(results), indent=2, sort_keys=True, ensure_ascii=False)
    (output / "results.json").write_text(content + "\n", encoding="utf-8")
    enforce("corpus", "validate", results)
    files = {path.stem: file_hash(path) for path in (demonstrations, prompts)}
    write_passed(output / "passed.json", {"documents": folder_hash(documents), **files})
    return left | outcome(results)


def _table(path: Path) -> pd.DataFrame:
    return pq.read_table(path).to_pandas()


if __name__ == "__main__":
    command("validate", run)
