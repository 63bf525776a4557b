"""Gather raw documents from the configured sources, each with its origin, licence and version."""

import contextlib
import gc
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from stages.cluster.engines import Engine, in_order
from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.documents import DOCUMENT_SCHEMA, KINDS, parts, write_parts
from stages.text.gates import SourceLimits, check_sources
from stages.text.portions import Portion, portions
from stages.text.raw_batches import MEASURES, batch_of, read_batches, write_batches
from stages.text.reading import Reading, together
from stages.text.recorded_sources import read_recorded, source_hash
from stages.text.scratch_arrays import scratch_folder
from stages.text.sources import Source, check_licences, units

MANIFEST_VERSION = 1

MEGABYTE = 10**6


class Params(Section):
    """What to read, and what may go wrong while reading."""

    seed: int
    """Decides which modules and files of a package are taken where a limit leaves some out."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """What to read: packages, files, data sets, URLs."""
    licences: tuple[str, ...]
    """Licences that a source may have: SPDX identifiers, or names as packages state them."""
    document_characters: int = Field(gt=0)
    """Text is cut between paragraphs into documents of at most this many characters; docstrings are never cut."""
    page_seconds: float = Field(gt=0)
    """Computing time in which the main text of an HTML page must be found, s; a page that takes longer is left out."""
    part_megabytes: int = Field(gt=0, le=1_000)
    """Text in one file of documents, MB of UTF-8: what a process has in memory at a time. No document is split."""
    gate: SourceLimits
    """What the documents must satisfy, or the pipeline stops here."""


def read_portion(scratch: Path, portion: Portion) -> tuple[Reading, Path]:
    """Write the documents of a portion as batches in a new folder; the account of them, and where they lie.

    There is no cyclic garbage collection meanwhile: syntax trees hold no cycles, and searching them for some takes a
    third of the time.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    batches = folder / "batches.arrow"
    gc.disable()
    try:
        reading, documents = portion.read(folder)
        write_batches(batches, documents)
    finally:
        gc.enable()
    gc.collect()  # what archives and errors leave behind
    return reading, batches


def joined(
    read: Iterator[tuple[Reading, Path]], readings: list[Reading], measured: list[pd.DataFrame]
) -> Iterator[pa.RecordBatch]:
    """The documents of all portions; on the way their accounts go to `readings` and their measures to `measured`."""
    for reading, path in read:
        readings.append(reading)
        for batch in read_batches(path):
            measured.append(batch.select(MEASURES).to_pandas())
            yield batch.select(DOCUMENT_SCHEMA.names)
        shutil.rmtree(path.parent)


def collected(
    found: Sequence[Portion], output: Path, most_bytes: int, engine: Engine
) -> tuple[list[Reading], pd.DataFrame]:
    """Write the documents of all portions under `output`; an account for each source, and the documents' measures."""
    readings: list[Reading] = []
    measured: list[pd.DataFrame] = []
    with (
        scratch_folder(output / "scratch") as scratch,
        contextlib.closing(in_order(engine.map(partial(read_portion, scratch), found))) as read,
    ):
        write_parts(output / "documents", joined(read, readings, measured), most_bytes)
    return together(readings), pd.concat(measured or [batch_of([]).select(MEASURES).to_pandas()], ignore_index=True)


def manifest(readings: Sequence[Reading], measured: pd.DataFrame, hashes: Sequence[str]) -> dict[str, Any]:
    """What each source gave, and every file that was left aside with its reason."""
    sources = []
    for reading, recorded in zip(readings, hashes, strict=True):
        recoded = {"files_recoded": reading.files_recoded} if reading.files_recoded else {}
        documents = measured[measured["source"] == reading.source]
        sources.append(
            {
                "name": reading.source,
                "version": reading.version,
                "licence": reading.licence,
                "hash": recorded,
                "files_read": reading.files_read,
                "files_failed": len(reading.skipped),
                "files_ignored": reading.files_ignored,
                **recoded,
                "documents": len(documents),
                "characters": int(documents["characters"].sum()),
                "kinds": {kind: int(count) for kind, count in sorted(documents["kind"].value_counts().items())},
            }
        )
    skipped = [asdict(item) for reading in readings for item in reading.skipped]
    return {"schema_version": MANIFEST_VERSION, "sources": sources, "skipped": skipped}


def metrics(readings: Sequence[Reading], measured: pd.DataFrame, files_failed: int) -> Metrics:
    """What was read and what it gave."""
    return {
        "sources": len(readings),
        "files_read": sum(reading.files_read for reading in readings),
        "files_failed": files_failed,
        "documents": len(measured),
        "characters": int(measured["characters"].sum()),
        **{f"documents_{kind}": int((measured["kind"] == kind).sum()) for kind in KINDS},
    }


def write_manifest(output: Path, record: Mapping[str, Any]) -> None:
    """Write what was collected beside the documents."""
    (output / "manifest.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def run(params: Params, sources: Path, output: Path, engine: Engine) -> Metrics:
    """Read the configured sources, which must be as the file `sources` records them."""
    found = units(params.sources, params.document_characters, params.page_seconds, params.seed)
    check_licences(found, params.licences)
    recorded = read_recorded(sources)
    hashes = [source_hash(recorded, unit) for unit in found]
    divided = [portion for unit in found for portion in portions(unit)]
    readings, measured = collected(divided, output, params.part_megabytes * MEGABYTE, engine)
    record = manifest(readings, measured, hashes)
    write_manifest(output, record)  # before the gate too: it lists the files that may make the gate fail
    figures = metrics(readings, measured, len(record["skipped"]))
    columns = pq.read_schema(parts(output / "documents")[0]).names
    write_manifest(output, record | {"gate": check_sources(columns, measured, figures, params.gate)})
    return figures


if __name__ == "__main__":
    command("collect", run)
