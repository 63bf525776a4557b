"""What a benchmark of the text stages works on, in files that our side and the peers read alike."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.planted_corpus import planted
from stages.seeding import key_hash
from stages.text.contamination import Index
from stages.text.documents import document_id, read_documents
from stages.text.stretch_counts import count
from stages.text.vocabulary import learn, save
from stages.text.word_hashes import word_hashes

DOCUMENTS = Path("data/collect/documents")
TOKENIZER = Path("data/train_tokenizer/tokenizer")
SEED = 1
HELD_OUT = 20
"""One text in so many gives decontamination its items, and nothing to the corpus."""
ITEMS = 3_000
LONG_WORDS = 13
MOST_DOCUMENTS = 100_000
VOCABULARY_SIZE = 32_768
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""As GPT-4 and Llama 3 split; tiktoken prints it as that of `cl100k_base`."""

Part = Literal["documents", "first", "next", "pages"]
"""Documents for the chain, text for encoders to start on, text that they have not seen, HTML pages."""


@dataclass(frozen=True)
class Material:
    """A folder of what is worked on."""

    folder: Path
    sizes: dict[Part, float]
    """MB of UTF-8."""


def megabytes(texts: Sequence[str]) -> float:
    """The size of texts in UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def collected() -> list[str]:
    """The texts of a run of collect, in an order that a hash decides."""
    documents = read_documents(DOCUMENTS, columns=["id", "text"])
    order = sorted(zip(documents["id"], documents["text"], strict=True), key=lambda pair: key_hash("text", pair[0]))
    return [text for _, text in order]


def up_to(texts: Iterable[str], size: float) -> list[str]:
    """The first texts, up to a size in MB; the one that reaches it is the last."""
    taken, left = [], size * 1e6
    for text in texts:
        if left <= 0:
            break
        taken.append(text)
        left -= len(text.encode())
    return taken


def page(text: str, number: int) -> str:
    """The text as the article of a web page, with the navigation, side column and footer that pages have."""
    links = "".join(f'<li><a href="/section/{number + place}">Section {place}</a></li>' for place in range(30))
    parts = "".join(f"<p>{escape(part)}</p>\n" for part in text.split("\n\n"))
    return (
        f"<!DOCTYPE html><html lang='en'><head><title>Page {number}</title><style>nav {{ float: left }}</style>"
        f"<script>var page = {number};</script></head><body><header><nav><ul>{links}</ul></nav></header>"
        f"<main><article><h1>Page {number}</h1>\n{parts}</article></main>"
        f"<aside><h2>Related</h2><ul>{links}</ul></aside><footer><p>Terms and contact</p></footer></body></html>"
    )


def write_texts(path: Path, texts: Sequence[str]) -> float:
    """Write texts as JSON; their size in MB."""
    path.write_text(json.dumps(texts), encoding="utf-8")
    return megabytes(texts)


def read_texts(folder: Path, part: Part) -> list[str]:
    """The texts of one part."""
    return json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))


def unlike(items: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The texts that share no long run of words with an item: a scan that finds something at once may stop."""
    index = Index([word_hashes(item) for item in items], LONG_WORDS)
    hits = index.hits([word_hashes(text) for text in texts])
    return [text for text, found in zip(texts, hits, strict=True) if not len(found)]


def write_material(folder: Path, chain_size: float, encoding_size: float) -> Material:
    """Fill a folder: documents as large as web pages and pages of them, text to encode twice over, a vocabulary."""
    texts = collected()
    items = texts[::HELD_OUT][:ITEMS]
    base = unlike(items, [text for number, text in enumerate(texts) if number % HELD_OUT])
    documents = up_to((one.text for one in planted(base, SEED, MOST_DOCUMENTS) if one.copy == "none"), chain_size)
    (folder / "documents").mkdir(parents=True)
    ids = [document_id("planted", str(number), None, text) for number, text in enumerate(documents)]
    pq.write_table(pa.table({"id": ids, "text": documents}), folder / "documents" / "part-00000.parquet")
    write_texts(folder / "items.json", items)
    start = up_to(texts, encoding_size)
    sizes: dict[Part, float] = {
        "documents": megabytes(documents),
        "first": write_texts(folder / "first.json", start),
        "next": write_texts(folder / "next.json", up_to(texts[len(start) :], encoding_size)),
        "pages": write_texts(folder / "pages.json", [page(text, number) for number, text in enumerate(documents)]),
    }
    save(learn(count(start, SPLIT_PATTERN), VOCABULARY_SIZE, SPLIT_PATTERN), folder / "large")
    shutil.copytree(TOKENIZER, folder / "small")
    return Material(folder, sizes)
