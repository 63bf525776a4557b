"""A document's origin, and what every stage made of it: kept or dropped, split, composed from, encoded, trained on."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from flows.chain import Check, Line, Step, UnknownError, summary
from flows.lineage import Checkout
from flows.origins import DOCUMENTS, Origins
from stages.text.demonstrations import ChoiceItem, Demonstration, Prompt
from stages.text.documents import document_id
from stages.text.records import RecordType

CLEAN = "data/clean/ledger.parquet"
DEDUPLICATE = "data/deduplicate/ledger.parquet"
DECONTAMINATE = "data/decontaminate/ledger.parquet"
SPLITS = "data/compose/splits.parquet"
DEMONSTRATIONS = "data/compose/demonstrations.jsonl"
PROMPTS = "data/compose/prompts.jsonl"
TASKS = "data/compose/tasks"
CLEAN_DEMONSTRATIONS = "data/decontaminate/demonstrations.jsonl"
ENCODED = "data/encode"
SHOWN_CHARACTERS = 90
SHOWN_ROWS = 8

Rows = list[dict[str, Any]]


def quoted(text: str) -> str:
    """The beginning of a text on one line; nothing in it can move the cursor."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")


def listed(items: Iterable[Any]) -> str:
    """The first of some items, and how many more there are."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - SHOWN_ROWS} more" if len(texts) > SHOWN_ROWS else ""
    return ", ".join(texts[:SHOWN_ROWS]) + more


def rows(checkout: Checkout, path: str, column: str, values: Sequence[str], columns: list[str] | None = None) -> Rows:
    """The rows of a Parquet output whose `column` is one of `values`."""
    if not values:
        return []
    return pq.read_table(checkout.verified(path), columns=columns, filters=[(column, "in", list(values))]).to_pylist()


def mentioning(checkout: Checkout, path: str, record: type[RecordType], mark: str) -> list[RecordType]:
    """The records of a JSONL output, or of all in a folder, that hold `mark`; other lines are not even parsed."""
    found = checkout.verified(path)
    files = sorted(found.glob("*.jsonl")) if found.is_dir() else [found]
    lines = (line for file in files for line in file.read_text(encoding="utf-8").splitlines())
    return [record.parse(line) for line in lines if mark in line]


def verdict(row: dict[str, Any]) -> str:
    """What a ledger says of a document, in words."""
    if row["kept"]:
        masked = f", {row['masked']} spans of personal data masked" if row["masked"] else ""
        return f"kept, {row['characters_out']} of {row['characters_in']} characters{masked}"
    instead = f"; kept instead: {row['kept_id']}" if row["kept_id"] else ""
    measured = f": {row['value']:g} against a limit of {row['threshold']:g}" if row["value"] is not None else ""
    return f"dropped by {row['rule']}{measured}{instead}"


def find_documents(checkout: Checkout, ids: Sequence[str]) -> Rows:
    """Collected documents by id, with their texts."""
    return rows(checkout, DOCUMENTS, "id", ids)


def origin_lines(origins: Origins, document: dict[str, Any]) -> list[Line]:
    """Where a document is from: its source, file and licence, and that its id says so."""
    source, path = document["source"], document["path"]
    version = origins.read[source]["version"]
    again = document_id(source, path, document["name"], document["text"])
    recorded = (
        origins.checkout.written(DOCUMENTS),
        Check(f"document {document['id']}", DOCUMENTS, document["id"], again),
    )
    description = {name: value for name, value in document.items() if name != "text" and value is not None}
    what = f"{document['kind']} {document['name'] or ''}".rstrip()
    return [
        Line("is", f"{what}, {len(document['text'])} characters", recorded, description),
        Line("text", quoted(document["text"])),
        Line(
            "source",
            f"{source}{f' {version}' if version else ''}  {document['licence']}",
            tuple(origins.source_checks(source)),
            origins.read[source],
        ),
        Line("file", path, tuple(origins.file_checks(source, [path]))),
    ]


def document_step(checkout: Checkout, origins: Origins, document: dict[str, Any]) -> Step:
    """A document's way from its source as far as it came."""
    name = document["id"]
    lines = origin_lines(origins, document)
    for stage, ledger in (("clean", CLEAN), ("deduplicate", DEDUPLICATE)):
        entries = rows(checkout, ledger, "id", [name])
        lines += [Line(stage, verdict(entry), (checkout.written(ledger),), entry) for entry in entries]
        if not entries or not entries[0]["kept"]:
            return Step(f"document {name}", tuple(lines))
    if twins := rows(checkout, DEDUPLICATE, "kept_id", [name], ["id", "rule", "value"]):
        others = listed(f"{twin['id']} ({twin['rule']} {twin['value']:.2f})" for twin in twins)
        lines.append(Line("", f"stands for {others}", (), twins))
    lines += _composed(checkout, name)
    entries = rows(checkout, DECONTAMINATE, "id", [name])
    lines += [Line("decontaminate", verdict(entry), (checkout.written(DECONTAMINATE),), entry) for entry in entries]
    if entries and entries[0]["kept"]:
        lines += _tokens(checkout, document)
    return Step(f"document {name}", tuple(lines))


def _composed(checkout: Checkout, document: str) -> list[Line]:
    """The split of a document, and what was made of it."""
    (split,) = rows(checkout, SPLITS, "document_id", [document])
    demonstrations = mentioning(checkout, DEMONSTRATIONS, Demonstration, document)
    prompts = mentioning(checkout, PROMPTS, Prompt, document)
    items = mentioning(checkout, TASKS, ChoiceItem, document)
    return [
        Line("compose", f"split {split['split']}", (checkout.written(SPLITS),), split),
        *composed_lines(checkout, demonstrations, prompts),
        *(
            Line("item", f"{one.id} {one.task}: {quoted(one.context)}", (checkout.written(TASKS),), one.model_dump())
            for one in items
        ),
    ]


def composed_lines(
    checkout: Checkout, demonstrations: Sequence[Demonstration], prompts: Sequence[Prompt]
) -> Iterator[Line]:
    """Demonstrations and prompts, and whether decontaminate dropped them."""
    ids = [one.id for one in demonstrations] + [one.id for one in prompts]
    entries = rows(checkout, DECONTAMINATE, "id", ids)
    dropped = {entry["id"]: verdict(entry) for entry in entries if not entry["kept"]}
    for one in demonstrations:
        fate = dropped.get(one.id) or readers(checkout, CLEAN_DEMONSTRATIONS)
        text = f"{one.id} {one.kind} by {one.author}, {one.split}; {fate}: {quoted(one.messages[0].content)}"
        yield Line("demonstration", text, (checkout.written(DEMONSTRATIONS),), one.model_dump())
    for asked in prompts:
        fate = dropped.get(asked.id) or f"split {asked.split}"
        text = f"{asked.id} {asked.kind}, {fate}: {quoted(asked.messages[-1].content)}"
        yield Line("prompt", text, (checkout.written(PROMPTS),), asked.model_dump())


def _tokens(checkout: Checkout, document: dict[str, Any]) -> list[Line]:
    """Where a document lies in the token folders, and who read those."""
    manifest = json.loads(checkout.verified(f"{ENCODED}/manifest.json").read_text(encoding="utf-8"))
    lines = []
    for folder in manifest["folders"]:
        path = f"{ENCODED}/{folder}"
        pieces = rows(checkout, f"{path}/pieces.parquet", "document_id", [document["id"]])
        if pieces:
            copies = len({piece["copy"] for piece in pieces})
            places = listed(dict.fromkeys(piece["row"] for piece in pieces))
            text = f"{path}: {copies} time{'s' * (copies > 1)}, in rows {places}; {readers(checkout, path)}"
            lines.append(Line("encode", text, (checkout.written(path),), pieces))
    passes = manifest["passes"].get(document["kind"], 0.0)
    text = f"not among the tokens: the mixture takes {passes:.2f} passes over {document['kind']}"
    return lines or [Line("encode", text, (checkout.written(f"{ENCODED}/manifest.json"),))]


def readers(checkout: Checkout, path: str) -> str:
    """The stages that read a path, with their passes over what they train on, where these are on record."""
    found = []
    for stage in checkout.stages.values():
        if path in stage.reads:
            passes = (
                _passes(checkout, stage.name) if path in map(stage.options.get, ("train", "demonstrations")) else None
            )
            found.append(stage.name if passes is None else f"{stage.name} ({passes:g} passes over all)")
    return f"read by {', '.join(found)}" if found else "read by no stage"


def _passes(checkout: Checkout, stage: str) -> float | None:
    metrics = json.loads(checkout.verified(f"data/{stage}/metrics.json").read_text(encoding="utf-8"))
    return metrics.get("passes", checkout.parameters(stage).get("passes"))


def document_steps(checkout: Checkout, name: str) -> list[Step]:
    """The trace of one document."""
    found = find_documents(checkout, [name])
    if not found:
        raise UnknownError(f"document {name}: not among those that collect gathered.")
    from flows.rule_trace import rule_step  # compiled loops, which take longer to load than other traces take in all

    return [document_step(checkout, Origins(checkout), found[0]), rule_step(checkout, found[0])]


def identities_step(checkout: Checkout) -> Step:
    """Whether the id of every collected document is the hash of its origin and content."""
    names = ["id", "source", "path", "name", "text"]
    table = pq.read_table(checkout.verified(DOCUMENTS), columns=names)
    documents = zip(*(table[name].to_pylist() for name in names), strict=True)
    checks = [Check(f"document {first}", DOCUMENTS, first, document_id(*rest)) for first, *rest in documents]
    return Step("documents", (summary("ids", f"{len(checks)} are the hash of origin and content", checks),))
