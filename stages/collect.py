"""Gather raw documents from the configured sources, each with its origin, licence and version."""

import contextlib
import gc
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.documents import DOCUMENT_SCHEMA, KINDS, parts, write_parts
from stages.text.gates import SourceLimits, check_sources
from stages.text.portions import Portion, portions
from stages.text.raw_batches import MEASURES, batch_of, read_batches, write_batches
from stages.text.reading import Reading, together
from stages.text.recorded_sources import read_recorded, source_hash
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


def start_reader() -> None:
    """Set up a process of the pool: Ctrl-C ends it without a word, and there is no cyclic garbage collection.

    Syntax trees hold no cycles, and searching them for some takes a third of the time.
    """
    gc.disable()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def read_portion(portion: Portion, folder: Path) -> tuple[Reading, Path]:
    """Write the documents of a portion as batches in the new `folder`; the account of them, and where they lie."""
    folder.mkdir()
    reading, documents = portion.read(folder)
    batches = folder / "batches.arrow"
    write_batches(batches, documents)
    gc.collect()  # what archives and errors leave behind
    return reading, batches


def read_portions(found: Sequence[Portion], scratch: Path) -> Generator[tuple[Reading, Path], None, None]:
    """What `read_portion` gives for every portion, in order, from one process per core."""
    folders = [scratch / str(number) for number in range(len(found))]
    processes = min(len(os.sched_getaffinity(0)), len(found))
    if processes == 1:
        yield from map(read_portion, found, folders)
        return
    # Not forked: the thread that talks to the tracking server may hold a lock.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), start_reader) as pool:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a process that starts would show a trace
        readings = [pool.submit(read_portion, *one) for one in zip(found, folders, strict=True)]
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        try:
            for reading in readings:
                yield reading.result()
        except BaseException:
            for process in multiprocessing.active_children():  # the pool would read on to the last portion
                process.kill()
            raise


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


def collected(found: Sequence[Portion], output: Path, most_bytes: int) -> tuple[list[Reading], pd.DataFrame]:
    """Write the documents of all portions under `output`; an account for each source, and the documents' measures."""
    readings: list[Reading] = []
    measured: list[pd.DataFrame] = []
    scratch = output / "scratch"
    scratch.mkdir(parents=True)
    try:
        with contextlib.closing(read_portions(found, scratch)) as read:
            write_parts(output / "documents", joined(read, readings, measured), most_bytes)
    finally:
        shutil.rmtree(scratch)
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


def write_manifest(output: Path, record: Mapping[str, Any]) -> None:
    """Write what was collected beside the documents."""
    (output / "manifest.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def run(params: Params, sources: Path, output: Path) -> Metrics:
    """Read the configured sources, which must be as the file `sources` records them."""
    found = units(params.sources, params.document_characters, params.page_seconds, params.seed)
    check_licences(found, params.licences)
    recorded = read_recorded(sources)
    hashes = [source_hash(recorded, unit) for unit in found]
    divided = [portion for unit in found for portion in portions(unit)]
    readings, measured = collected(divided, output, params.part_megabytes * MEGABYTE)
    record = manifest(readings, measured, hashes)
    write_manifest(output, record)  # before the gate too: it lists the files that may make the gate fail
    files_read, files_failed = sum(reading.files_read for reading in readings), len(record["skipped"])
    columns = pq.read_schema(parts(output / "documents")[0]).names
    verdict = check_sources(columns, measured, files_read, files_failed, params.gate)
    write_manifest(output, record | {"gate": verdict})
    return {
        "sources": len(readings),
        "files_read": files_read,
        "files_failed": files_failed,
        "documents": len(measured),
        "characters": int(measured["characters"].sum()),
        **{f"documents_{kind}": int((measured["kind"] == kind).sum()) for kind in KINDS},
    }


if __name__ == "__main__":
    command("collect", run)
