"""Gather raw documents from the configured sources, each with its origin, licence and version."""

import gc
import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from stages.command import command
from stages.parameters import Metrics, Section
from stages.text.documents import DOCUMENT_SCHEMA, KINDS, table_of, write_documents
from stages.text.gates import SourceLimits, check_sources
from stages.text.reading import RawDocument, Reading
from stages.text.recorded_sources import read_recorded, source_hash
from stages.text.sources import Source, Unit, check_licences, units

MANIFEST_VERSION = 1

RAW_COLUMNS = ("id", *(field.name for field in fields(RawDocument)))


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
    gate: SourceLimits
    """What the documents must satisfy, or the pipeline stops here."""


def start_reader() -> None:
    """Set up a process of the pool: Ctrl-C ends it without a word, and there is no cyclic garbage collection.

    Syntax trees hold no cycles, and searching them for some takes a third of the time.
    """
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def read_units(found: Sequence[Unit]) -> list[Reading]:
    """Read every unit, in one process per core; the order of the result is that of `found`."""
    processes = min(len(os.sched_getaffinity(0)), len(found))
    if processes == 1:
        return [unit.read() for unit in found]
    # Not forked: the thread that talks to the tracking server may hold a lock.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), start_reader) as pool:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a process that starts would show a trace
        readings = [pool.submit(Unit.read, unit) for unit in found]
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        try:
            return [reading.result() for reading in readings]
        except BaseException:
            for process in multiprocessing.active_children():  # the pool would read on to the last unit
                process.kill()
            raise


def document_table(readings: Sequence[Reading]) -> pd.DataFrame:
    """The documents of all readings, columns of `DOCUMENT_SCHEMA`."""
    documents = (document for reading in readings for document in reading.documents)
    return table_of(documents, RAW_COLUMNS).reindex(columns=DOCUMENT_SCHEMA.names)


def manifest(readings: Sequence[Reading], hashes: Sequence[str]) -> dict[str, Any]:
    """What each source gave, and every file that was left aside with its reason."""
    sources = [
        {
            "name": reading.source,
            "version": reading.version,
            "licence": reading.licence,
            "hash": source_hash,
            "files_read": reading.files_read,
            "files_failed": len(reading.skipped),
            "files_ignored": reading.files_ignored,
            "documents": len(reading.documents),
            "characters": sum(len(document.text) for document in reading.documents),
            "kinds": dict(sorted(Counter(document.kind for document in reading.documents).items())),
        }
        for reading, source_hash in zip(readings, hashes, strict=True)
    ]
    skipped = [asdict(item) for reading in readings for item in reading.skipped]
    return {"schema_version": MANIFEST_VERSION, "sources": sources, "skipped": skipped}


def write_manifest(output: Path, record: Mapping[str, Any]) -> None:
    """Write what was collected beside the documents."""
    (output / "manifest.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def run(params: Params, sources: Path, output: Path) -> Metrics:
    """Read the configured sources, which must be as the file `sources` records them."""
    found = units(params.sources, params.document_characters, params.seed)
    check_licences(found, params.licences)
    recorded = read_recorded(sources)
    hashes = [source_hash(recorded, unit) for unit in found]
    readings = read_units(found)
    documents = document_table(readings)
    write_documents(output / "documents", documents)
    record = manifest(readings, hashes)
    write_manifest(output, record)  # before the gate too: it lists the files that may make the gate fail
    files_read, files_failed = sum(reading.files_read for reading in readings), len(record["skipped"])
    write_manifest(output, record | {"gate": check_sources(documents, files_read, files_failed, params.gate)})
    kinds = Counter(documents["kind"])
    return {
        "sources": len(readings),
        "files_read": files_read,
        "files_failed": files_failed,
        "documents": len(documents),
        "characters": sum(source["characters"] for source in record["sources"]),
        **{f"documents_{kind}": kinds[kind] for kind in KINDS},
    }


if __name__ == "__main__":
    command("collect", run)
