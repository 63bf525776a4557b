"""datatrove's chain, with none of our code: from Parquet through all its filters to Parquet.

Its language filter is left out, since it fetches its model from the internet; that favours it.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.hashing import HashConfig, create_hash_func
from datatrove.utils.text import ngrams, simplify_text
from datatrove.utils.word_tokenizers import load_word_tokenizer
from tokenizers import Tokenizer

WORDS = 5
BANDS, ROWS = 14, 8
LONG_WORDS = 13
NEVER = 1e9
"""A share or ratio that no text reaches."""
ALWAYS = 1e-9
"""One that every text reaches; 0 would switch the rule off."""

Filter = Callable[[Document], bool]


def signer() -> MinhashDedupSignature:
    """datatrove's step for signatures of 14 times 8 values."""
    config = MinhashConfig(
        n_grams=WORDS, num_buckets=BANDS, hashes_per_bucket=ROWS, hash_config=HashConfig(hash_fc="sha1", precision=32)
    )
    return MinhashDedupSignature(output_folder="unused", config=config)


def passes(one: BaseFilter, document: Document) -> bool:
    """Whether a filter lets a document pass; where it does not, it gives its reason beside."""
    return one.filter(document) is True


def filters(drops: bool) -> list[Filter]:
    """The quality filters; where they are not to drop, no text breaks a rule, so that each looks at all of its own."""
    if drops:
        chosen = [GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(), FineWebQualityFilter()]
        return [partial(passes, one) for one in chosen]
    repetition = GopherRepetitionFilter(
        *[NEVER] * 4,
        top_n_grams=tuple((length, NEVER) for length in range(2, 5)),
        dup_n_grams=tuple((length, NEVER) for length in range(5, 11)),
    )
    quality = GopherQualityFilter(-1, NEVER, ALWAYS, NEVER, NEVER, NEVER, NEVER, ALWAYS, -1)
    lines = C4QualityFilter(min_num_sentences=0, filter_lorem_ipsum=False, filter_curly_bracket=False)
    fineweb = FineWebQualityFilter(
        line_punct_thr=-1, short_line_thr=NEVER, char_duplicates_ratio=NEVER, new_line_ratio=NEVER
    )
    return [
        repetition.filter,
        quality.filter,
        # It cuts lines out of the text; what follows is to see all of it.
        lambda document: lines.filter(Document(text=document.text, id=document.id)),
        fineweb.filter,
    ]


def scanner(folder: Path) -> Filter:
    """The filter against the folder's items, its index written as datatrove's own indexer does and loaded."""
    config = NGramsDecontConfig(n_grams=LONG_WORDS)
    split, hash_of = load_word_tokenizer("en"), create_hash_func(config.hash_config)
    hashes: set[int] = set()
    for item in json.loads((folder / "items.json").read_text()):
        words = split.word_tokenize(simplify_text(item, config.norm_config))
        hashes.update(hash_of(" ".join(gram)) for gram in ngrams(words, LONG_WORDS))
    index = folder / "index"
    index.mkdir(exist_ok=True)
    np.array(sorted(hashes), dtype=config.hash_config.np_descr).tofile(index / "items.index.hashes")
    found = NGramsDecontFilter(str(index), config)
    found.load_index_hashes()
    return partial(passes, found)


def chain(folder: Path, drops: bool) -> Callable[[], object]:
    """The chain over the documents; with `drops`, what a filter drops is not seen by what follows."""
    mend, mask = FTFYFormatter(), PIIFormatter()
    judge, sign, scan = filters(drops), signer(), scanner(folder)
    tokenizer = Tokenizer.from_file(str(folder / "large" / "tokenizer.json"))
    tokenizer.encode_batch_fast(json.loads((folder / "first.json").read_text())[:2_000])
    written = folder / "written"

    def passed() -> Iterator[Document]:
        for document in ParquetReader(str(folder / "documents")).run():
            document.text = mend.format(document.text)
            # A list, where the filters do not drop: each of them is to look at every document.
            verdicts = (one(document) for one in judge)
            if all(verdicts if drops else list(verdicts)) or not drops:
                document.text = mask.format(document.text)
                sign.get_signature(sign.get_shingles(document.text))
                # A copy, for the filter notes what it found in the metadata, and the writer's columns are fixed.
                if scan(Document(text=document.text, id=document.id)) or not drops:
                    yield document

    def take() -> None:
        shutil.rmtree(written, ignore_errors=True)
        kept = list(passed())
        tokenizer.encode_batch_fast([document.text for document in kept])
        with ParquetWriter(str(written), compression="zstd") as writer:
            for document in kept:
                writer.write(document)

    for one in judge:
        one(Document(text="The first text loads what is loaded late. It has two sentences.", id="0"))
    return take
