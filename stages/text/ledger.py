"""The ledger: one row for every document that a stage saw, and why it was dropped if it was."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from stages.errors import ExitCode, StageError

LEDGER_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), metadata={"doc": "document, demonstration or prompt id"}),
        pa.field("source", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("characters_in", pa.int64()),
        pa.field("characters_out", pa.int64(), metadata={"doc": "0 if dropped"}),
        pa.field("kept", pa.bool_()),
        pa.field("rule", pa.string(), metadata={"doc": "the rule that dropped it; null if kept"}),
        pa.field("value", pa.float64(), metadata={"doc": "what the rule measured"}),
        pa.field("threshold", pa.float64(), metadata={"doc": "what it was held against"}),
        pa.field("kept_id", pa.string(), metadata={"doc": "the document kept in its place, if a duplicate"}),
        pa.field("masked", pa.int64(), metadata={"doc": "personal data spans replaced in it"}),
    ],
    metadata={"schema_version": "1"},
)


@dataclass(frozen=True)
class Entry:
    """One row of a ledger, columns of `LEDGER_SCHEMA`: a kept document unless it names a rule."""

    id: str
    source: str
    kind: str
    characters_in: int
    characters_out: int
    rule: str | None = None
    value: float | None = None
    threshold: float | None = None
    kept_id: str | None = None
    masked: int = 0

    @property
    def kept(self) -> bool:
        """Whether the document goes on to the next stage."""
        return self.rule is None


def require_any(stage: str, kept: int, rules: Counter[str]) -> None:
    """StageError if a stage that dropped so many documents by each rule kept none."""
    if kept == 0:
        dropped = ", ".join(f"{count} by {rule}" for rule, count in rules.most_common()) or "none came in"
        raise StageError(
            ExitCode.DATA,
            "no documents left",
            f"{stage}: {dropped}",
            f"Add text, or loosen {stage} in params.yaml; its ledger says what happened to each.",
        )
