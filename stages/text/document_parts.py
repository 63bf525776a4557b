"""Documents read part by part, so that only the sizes of a corpus, never all its texts, are in memory at once."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.text.documents import parts


def read_sizes(folder: Path, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of every document, `bytes`, the UTF-8 bytes of its text, and `part` and `row`, where it stands."""
    tables = []
    for number, part in enumerate(parts(folder)):
        first = 0
        for batch in pq.ParquetFile(part).iter_batches(columns=[*columns, "text"]):
            sizes = pc.cast(pc.binary_length(batch.column("text")), pa.int64())
            places = {"part": np.full(len(batch), number), "row": np.arange(first, first + len(batch))}
            found = {name: batch.column(name) for name in columns} | {"bytes": sizes} | places
            tables.append(pa.table(found))
            first += len(batch)
    return pa.concat_tables(tables).to_pandas()


def read_texts(part: Path, wanted: Collection[str]) -> Iterator[tuple[str, str]]:
    """Id and text of those documents of a part whose ids are `wanted`."""
    for batch in pq.ParquetFile(part).iter_batches(columns=["id", "text"]):
        ids, texts = (batch.column(name) for name in ("id", "text"))
        for index, name in enumerate(ids.to_pylist()):
            if name in wanted:
                yield name, texts[index].as_py()
