"""Learn a byte-pair vocabulary from the training documents."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.parameters import Metrics, Section
from stages.pretrained import Pretrained, recorded_folder
from stages.seeding import key_hash
from stages.text.adoption import adopt
from stages.text.document_parts import read_sizes, read_texts
from stages.text.documents import parts
from stages.text.encoder import EDGES, Encoder, fastest
from stages.text.gate import require_passed
from stages.text.stretch_counts import StretchCounts, count
from stages.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from stages.text.vocabulary import learn, pattern, save

BYTES = 256
"""Ids that every vocabulary has beside its control tokens."""

HARD_TEXTS = (
    "",
    " ",
    "\r\n\t  \u00a0\u2003end",
    "e\u0301 is not \u00e9",
    "\U0001f469\u200d\U0001f467 \u0928\u092e\u0938\u094d\u0924\u0947 \u0645\u0631\u062d\u0628\u0627 \u4f60\u597d",
    "\x00\x07\ufeff\ufffd\U0010ffff",
    "0123456789 3.14159e-27 " + "y" * 300,
    "<|user|> is text here, and so is <|end|>",
)
"""Texts of which tokenizers are known to lose something."""


class Params(Section):
    """What to learn, and from how much."""

    seed: int
    """Chooses the documents of the sample."""
    init_from: Pretrained | None
    """Published weights whose tokenizer is taken as it is, with our control tokens; null to learn one."""
    vocabulary_size: int = Field(ge=262)
    """Number of ids: 6 control tokens, 256 bytes, the rest merges. Beyond 65536 tokens take twice the space on disk."""
    split_pattern: Annotated[str, AfterValidator(pattern)]
    """Regular expression of the stretches that no token crosses (Radford et al. 2019, section 2.2)."""
    more_special_tokens: tuple[Annotated[str, Field(pattern=r"^<\|\w+\|>$")], ...]
    """Control tokens, beside our own, that a later use of the model needs, like `<|tool|>`: the last of the ids."""
    sample_megabytes: float = Field(gt=0)
    """Most text to learn from, and most to measure on, in MB of UTF-8."""

    @model_validator(mode="after")
    def leave_room(self) -> Self:
        """The parameters; ValueError for a control token twice, or more than the vocabulary has room for."""
        special = [*SPECIAL_TOKENS, *self.more_special_tokens]
        if len(set(special)) < len(special):
            raise ValueError("a control token twice, or one of ours")
        if len(special) + BYTES > self.vocabulary_size:
            raise ValueError(f"more control tokens than a vocabulary of {self.vocabulary_size} has room for")
        return self


def draw(documents: pd.DataFrame, megabytes: float, seed: int) -> pd.DataFrame:
    """Documents in an order drawn from their ids, up to a size in MB of UTF-8 (column `bytes`)."""
    order = documents["id"].map(lambda document_id: key_hash(seed, document_id)).sort_values(kind="stable").index
    drawn = documents.loc[order]
    return drawn[drawn["bytes"].cumsum() <= megabytes * 1e6]


def count_documents(folder: Path, ids: Collection[str], split_pattern: str) -> StretchCounts:
    """The stretches of these documents, counted for each part by itself."""
    counts = StretchCounts()
    for part in parts(folder):
        counts.merge(count((text for _, text in read_texts(part, ids)), split_pattern))
    return counts


def measure(documents: pd.DataFrame, encoder: Encoder) -> pd.DataFrame:
    """Documents, texts included, with their `tokens`, bos and end left out, and their `words` between white space."""
    found = encoder.encode(documents["text"].tolist())
    return documents.assign(
        tokens=np.diff(found.starts) - EDGES,
        words=[len(text.split()) for text in documents["text"]],
    )


def figures(measured: pd.DataFrame) -> Metrics:
    """Mean UTF-8 bytes that a token stands for and mean tokens of a word, by kind and, of several, by language.

    Tokens per word are what Rust et al. 2021 ("How Good is Your Tokenizer?", section 3.2) call fertility. No package of
    the environment ships the vocabulary of a well-known model, so there is none beside ours.
    """
    groups = {"": "kind"} | ({"language_": "language"} if measured["language"].nunique() > 1 else {})
    result: Metrics = {}
    for prefix, column in groups.items():
        for value, sums in measured.groupby(column)[["bytes", "tokens", "words"]].sum().iterrows():
            result[f"bytes_per_token_{prefix}{value}"] = round(sums["bytes"] / max(sums["tokens"], 1), 4)
            result[f"tokens_per_word_{prefix}{value}"] = round(sums["tokens"] / max(sums["words"], 1), 4)
    return result


def check_round_trip(texts: list[str], tokenizer: Tokenizer) -> None:
    """Fail if a text does not come back from its ids as it was, or gives a control token."""
    for text in texts:
        ids = tokenizer.encode(text)
        if tokenizer.decode(ids) != text or tokenizer.has_special(ids):
            raise StageError(
                ExitCode.DATA,
                "the tokenizer loses text",
                repr(text[:80]),
                "Check train_tokenizer.split_pattern: it must match every character.",
            )


def run(params: Params, documents: Path, passed: Path, weights: Path, output: Path) -> Metrics:
    """Learn from the `train` split, or adopt, measure on `validation`, and write the tokenizer's folder."""
    require_passed(passed, documents)
    table = read_sizes(documents, ["id", "kind", "language", "split"])
    sample = draw(table[table["split"] == "train"], params.sample_megabytes, params.seed)
    if sample.empty:
        raise StageError(
            ExitCode.DATA, "no training document", str(documents), "Raise train_tokenizer.sample_megabytes or add text."
        )
    if params.init_from:
        sample, counts = sample.head(0), StretchCounts()
        found = adopt(recorded_folder(params.init_from, weights, "train_tokenizer"), params.more_special_tokens)
    else:
        counts = count_documents(documents, frozenset(sample["id"]), params.split_pattern)
        found = learn(counts, params.vocabulary_size, params.split_pattern, params.more_special_tokens)
    save(found, output / "tokenizer")
    tokenizer = Tokenizer.load(output / "tokenizer")
    held_out = draw(table[table["split"] == "validation"], params.sample_megabytes, params.seed)
    wanted = frozenset(held_out["id"])
    texts = dict(pair for part in parts(documents) for pair in read_texts(part, wanted))
    held_out = held_out.assign(text=held_out["id"].map(texts))
    check_round_trip([*HARD_TEXTS, *held_out["text"]], tokenizer)
    return {
        "vocabulary_size": tokenizer.vocabulary_size,
        "documents_sampled": len(sample),
        "megabytes_sampled": round(sample["bytes"].sum() / 1e6, 3),
        "distinct_stretches": len(counts),
        **figures(measure(held_out, fastest(output / "tokenizer"))),
    }


if __name__ == "__main__":
    command("train_tokenizer", run)
