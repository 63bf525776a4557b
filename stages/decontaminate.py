"""Remove from the training part what gives away an evaluation item or a validation or test prompt."""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, compress, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from stages.cluster.engines import Engine, in_order
from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.progress import Progress
from stages.text.code_points import batches
from stages.text.contamination import Found, Indexes, Limits, Verdict, found_in, judged, read_hits, scan_part
from stages.text.demonstrations import ChoiceItem, Demonstration, Message, Prompt
from stages.text.documents import DOCUMENT_SCHEMA, SPLITS, parts, write_row_groups
from stages.text.ledger import LEDGER_SCHEMA, Entry
from stages.text.ledger_columns import IDENTITY, entry_table, ledger_columns, require_kept_rows, tally_ledger
from stages.text.records import read_records, write_records
from stages.text.scratch_arrays import scratch_folder

EVALUATION_SPLITS = ("validation", "test")


class Params(Section):
    """What counts as giving an item away."""

    long_words: int = Field(gt=0)
    """A training text that shares a run of this many words with an item is dropped."""
    short_words: int = Field(gt=0)
    """Length of the runs that the coverage of an item is measured by."""
    min_coverage: float = Field(ge=0, le=1)
    """Share of an item's short runs, 0 to 1, from which on a training text that holds them is dropped."""
    common_texts: int = Field(ge=0)
    """Runs in more training texts than this are ignored: they are set phrases, not the item's own words."""


def conversation_text(messages: Iterable[Message]) -> str:
    """The words of a conversation."""
    return "\n".join(message.content for message in messages)


def protected_texts(items: Iterable[ChoiceItem], prompts: Iterable[Prompt]) -> list[str]:
    """What training texts must not hold: items with their right answer, evaluation prompts with their reference.

    A prompt about a real name is protected without its reference, because its source is in the training part by
    design: it asks whether the model knows what it has read.
    """
    texts = [f"{item.context} {item.choices[item.answer]}" for item in items]
    for prompt in prompts:
        if prompt.split in EVALUATION_SPLITS:
            reference = "" if prompt.category == "real_name" else prompt.reference
            texts.append(f"{conversation_text(prompt.messages)}\n{reference}")
    return texts


class Candidate(NamedTuple):
    """A demonstration or prompt, as far as it matters here."""

    id: str
    source: str
    kind: str
    text: str
    is_trained_on: bool
    """Whether a model learns from it; what measures is never dropped."""


def candidates(name: str, records: Iterable[Demonstration | Prompt]) -> list[Candidate]:
    """What may be dropped of some records; `name` says what they are."""
    return [
        Candidate(
            record.id,
            name,
            record.kind,
            conversation_text(record.messages),
            is_trained_on=record.split not in EVALUATION_SPLITS,
        )
        for record in records
    ]


def splits_of(found: Sequence[Path], splits: pa.Table) -> list[pa.Array]:
    """The split of each document of each part; StageError if one has none."""
    parts_ids = []
    for part in found:
        with pq.ParquetFile(part) as file:
            parts_ids.append(file.read(["id"])["id"].combine_chunks())
    ids = pa.chunked_array(parts_ids, pa.string())
    assigned = splits["split"].take(pc.index_in(ids, value_set=splits["document_id"].combine_chunks()))
    if assigned.null_count:
        first = ids.filter(assigned.is_null())[0].as_py()
        raise StageError(ExitCode.DATA, "document without a split", first, "Run compose again.")
    bounds = pairwise([0, *np.cumsum([len(part) for part in parts_ids]).tolist()])
    return [assigned.slice(begin, end - begin).combine_chunks() for begin, end in bounds]


def entries(group: Sequence[Candidate], verdicts: Mapping[int, Verdict]) -> list[Entry]:
    """The ledger of a group; verdicts are numbered by its trained-on members."""
    result, trained = [], 0
    for candidate in group:
        verdict = verdicts.get(trained) if candidate.is_trained_on else None
        trained += candidate.is_trained_on
        length = len(candidate.text)
        reason = verdict or ()
        left = 0 if verdict else length
        result.append(Entry(candidate.id, candidate.source, candidate.kind, length, left, *reason))
    return result


def document_ledger(part: Path, verdicts: Mapping[int, Verdict]) -> pa.Table:
    """The ledger of a part, with its columns; verdicts are numbered by row."""
    with pq.ParquetFile(part) as file:
        documents = file.read([*IDENTITY, "text"])
    characters = pc.utf8_length(documents["text"]).to_numpy().astype(np.int64)
    rows = [verdicts.get(row) for row in range(len(documents))]
    reasons = {
        "rule": pa.array([row and row.rule for row in rows], pa.string()),
        "value": pa.array([row and row.value for row in rows], pa.float64()),
        "threshold": pa.array([row and row.threshold for row in rows], pa.float64()),
    }
    return ledger_columns(documents, characters, characters, reasons)


def write_kept(found: Sequence[Path], splits: Sequence[pa.Array], kept: pa.ChunkedArray, output: Path) -> Counter[str]:
    """Write the kept documents of each part with their splits, under the part's name; how many are of each split."""
    counts, first = Counter[str](), 0
    for part, split in zip(found, splits, strict=True):
        with pq.ParquetFile(part) as file:
            documents = file.read(DOCUMENT_SCHEMA.names)
        place = documents.schema.get_field_index("split")
        some = documents.set_column(place, "split", split).filter(kept.slice(first, len(split)))
        write_row_groups(output / part.name, [some], DOCUMENT_SCHEMA)
        counts.update(some["split"].to_pylist())
        first += len(split)
    return counts


class Scanned(NamedTuple):
    """Which runs of protected texts everything holds that is trained on."""

    parts: list[Path]
    """Of `scan_part`, one for each part of the documents."""
    records: dict[str, Found]
    """Of demonstrations and prompts."""

    def frequencies(self, indexes: Indexes, limits: Limits) -> list[np.ndarray]:
        """In how many texts of the training part each run is, of both indexes."""
        found = chain((read_hits(path, limits) for path in self.parts), self.records.values())
        totals = [np.zeros(len(index), dtype=np.int64) for index in indexes]
        for one in found:
            for total, frequency in zip(totals, one.frequencies(indexes), strict=True):
                total += frequency
        return totals


def scan_documents(indexes: Indexes, limits: Limits, folder: Path, one: tuple[Path, np.ndarray]) -> Path:
    """Look through one part, of which some documents are wanted; the file that says what is found."""
    part, wanted = one
    file = Path(tempfile.mkdtemp(dir=folder)) / "hits"
    scan_part(part, wanted, file, indexes, limits)
    return file


def scan(
    found: Sequence[Path],
    splits: Sequence[pa.Array],
    groups: Mapping[str, Sequence[Candidate]],
    indexes: Indexes,
    limits: Limits,
    folder: Path,
    engine: Engine,
) -> Scanned:
    """Look through all that is trained on, a part of the documents at a time."""
    wanted = [pc.equal(split, "train").to_numpy(zero_copy_only=False) for split in splits]
    work, items = partial(scan_documents, indexes, limits, folder), [*zip(found, wanted, strict=True)]
    files = []
    with (
        Progress("decontaminate: documents", len(found), "part") as progress,
        contextlib.closing(in_order(engine.map(work, items))) as scanned,
    ):
        for file in scanned:
            files.append(file)
            progress.update(len(files))
    records = {
        name: found_in(batches([one.text for one in group if one.is_trained_on]), indexes)
        for name, group in groups.items()
    }
    return Scanned(files, records)


def run(
    params: Params,
    documents: Path,
    splits: Path,
    demonstrations: Path,
    prompts: Path,
    tasks: Path,
    output: Path,
    engine: Engine,
) -> Metrics:
    """Give each document its split, and drop documents, demonstrations and prompts from the training part alone.

    Documents are read a part at a time: to count which runs of words are common, for the ledger, and to be written.
    """
    found = parts(documents)
    split_of_parts = splits_of(found, pq.read_table(splits, columns=["document_id", "split"]))
    all_prompts = read_records(prompts, Prompt)
    records: dict[str, Sequence[Demonstration | Prompt]] = {
        "demonstrations": read_records(demonstrations, Demonstration),
        "prompts": all_prompts,
    }
    items = [item for path in sorted(tasks.glob("*.jsonl")) for item in read_records(path, ChoiceItem)]
    groups = {name: candidates(name, some) for name, some in records.items()}
    limits = Limits(**params.model_dump())
    indexes = Indexes.of(protected_texts(items, all_prompts), limits)
    with scratch_folder(output / "scratch") as folder:
        scanned = scan(found, split_of_parts, groups, indexes, limits, folder, engine)
        frequencies = scanned.frequencies(indexes, limits)
        verdicts = [judged(read_hits(path, limits), indexes, frequencies, limits) for path in scanned.parts]
    ledger = pa.concat_tables(map(document_ledger, found, verdicts))
    entry_lists = {
        name: entries(group, judged(scanned.records[name], indexes, frequencies, limits))
        for name, group in groups.items()
    }
    kept_splits = write_kept(found, split_of_parts, ledger["kept"], output / "documents")
    for name, some in records.items():
        write_records(output / f"{name}.jsonl", compress(some, (entry.kept for entry in entry_lists[name])))
    tables = [ledger, *map(entry_table, entry_lists.values())]
    write_row_groups(output / "ledger.parquet", tables, LEDGER_SCHEMA)
    require_kept_rows("decontaminate", ledger)
    metrics: Metrics = {f"documents_{split}": kept_splits[split] for split in SPLITS}
    metrics |= tally_ledger(ledger)
    for name, some_entries in entry_lists.items():
        metrics |= tally_ledger(entry_table(some_entries), name)
    return metrics


if __name__ == "__main__":
    command("decontaminate", run)
