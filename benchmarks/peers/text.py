"""The peers' side of benchmarks/text.py, run by the environment of `make benchmark-peers`, with none of our code.

Reads texts as JSON from the file that is named, takes one step over all of them, prints the processor's seconds. The
first text is done once before, so that what is loaded late is loaded.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from datasketch import MinHash
from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.hashing import HashConfig

WORDS = 5
BANDS, ROWS = 14, 8
_WORD = re.compile(r"\w+")


def gopher() -> Callable[[str], object]:
    """Both of datatrove's Gopher filters; each stops at the first of its own rules that a text breaks."""
    filters = GopherQualityFilter(), GopherRepetitionFilter()
    return lambda text: [one.filter(Document(text=text, id="")) for one in filters]


def datatrove_minhash() -> Callable[[str], object]:
    """datatrove's signatures of 14 times 8 values."""
    config = MinhashConfig(
        n_grams=WORDS, num_buckets=BANDS, hashes_per_bucket=ROWS, hash_config=HashConfig(hash_fc="sha1", precision=32)
    )
    step = MinhashDedupSignature(output_folder="unused", config=config)
    return lambda text: step.get_signature(step.get_shingles(text))


def datasketch_minhash() -> Callable[[str], object]:
    """datasketch's signatures of as many values, over words found by a regular expression."""

    def signature(text: str) -> MinHash:
        words = _WORD.findall(text.lower())
        found = MinHash(num_perm=BANDS * ROWS)
        found.update_batch([" ".join(words[first : first + WORDS]).encode() for first in range(len(words) - WORDS + 1)])
        return found

    return signature


STEPS = {"gopher": gopher, "datatrove_minhash": datatrove_minhash, "datasketch_minhash": datasketch_minhash}


def main() -> None:
    """Take the step that is named."""
    step, texts = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    take = STEPS[step]()
    take(texts[0])
    began = time.process_time()
    for text in texts:
        take(text)
    print(time.process_time() - began)


if __name__ == "__main__":
    main()
