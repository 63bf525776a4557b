"""The peers' side of benchmarks/text.py, run by the environment of `make benchmark-peers`, with none of our code.

Takes one step over what lies in a folder and prints the processor's seconds, without those that it takes to get ready.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # before the library is imported

import pyarrow.parquet as pq
import tiktoken
from chain import BANDS, ROWS, WORDS, chain, filters, signer
from datasketch import MinHash
from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from trafilatura import extract

VOCABULARY_SIZE = 32_768
_WORD = re.compile(r"\w+")

Take = Callable[[], object]


def documents(folder: Path) -> list[str]:
    """The texts of a folder's documents."""
    return pq.read_table(folder / "documents", columns=["text"]).column("text").to_pylist()


def texts(folder: Path, part: str) -> list[str]:
    """The texts of another part of a folder."""
    return json.loads((folder / f"{part}.json").read_text())


def over(found: list[str], take: Callable[[str], object]) -> Take:
    """A step on each text, taken once on the first, so that what is loaded late is loaded."""
    take(found[0])
    return lambda: [take(text) for text in found]


def gopher(folder: Path) -> Take:
    """Both of datatrove's Gopher filters; each stops at the first of its own rules that a text breaks."""
    both = GopherQualityFilter(), GopherRepetitionFilter()
    return over(documents(folder), lambda text: [one.filter(Document(text=text, id="")) for one in both])


def signals(folder: Path) -> Take:
    """All four quality filters of datatrove, every rule on every text."""
    judge = filters(drops=False)
    return over(documents(folder), lambda text: [one(Document(text=text, id="")) for one in judge])


def datatrove_minhash(folder: Path) -> Take:
    """datatrove's signatures."""
    step = signer()
    return over(documents(folder), lambda text: step.get_signature(step.get_shingles(text)))


def datasketch_minhash(folder: Path) -> Take:
    """datasketch's signatures of as many values, over words found by a regular expression."""

    def signature(text: str) -> MinHash:
        words = _WORD.findall(text.lower())
        found = MinHash(num_perm=BANDS * ROWS)
        found.update_batch([" ".join(words[first : first + WORDS]).encode() for first in range(len(words) - WORDS + 1)])
        return found

    return over(documents(folder), signature)


def encode_cold(vocabulary: str, folder: Path) -> Take:
    """HF tokenizers, before it has met any text."""
    tokenizer = Tokenizer.from_file(str(folder / vocabulary / "tokenizer.json"))
    found = texts(folder, "first")
    return lambda: tokenizer.encode_batch_fast(found, add_special_tokens=False)


def encode_unseen(vocabulary: str, folder: Path) -> Take:
    """HF tokenizers, once it has met as much other text."""
    tokenizer = Tokenizer.from_file(str(folder / vocabulary / "tokenizer.json"))
    tokenizer.encode_batch_fast(texts(folder, "first"), add_special_tokens=False)
    found = texts(folder, "next")
    return lambda: tokenizer.encode_batch_fast(found, add_special_tokens=False)


def encode_tiktoken(folder: Path) -> Take:
    """tiktoken with the same merges and the same split."""
    content = json.loads((folder / "large" / "tokenizer.json").read_text())
    special = {token["content"] for token in content["added_tokens"]}
    tokens = sorted((rank, token) for token, rank in content["model"]["vocab"].items() if token not in special)
    # Byte-level vocabularies spell each byte as one character: those of Latin 1 that can be seen, the rest from 256 on.
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelt = {chr(byte): byte for byte in seen}
    spelt |= {chr(256 + place): byte for place, byte in enumerate(sorted(set(range(256)) - set(seen)))}
    ranks = {bytes(spelt[sign] for sign in token): place for place, (_, token) in enumerate(tokens)}
    pattern = content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    encoding = tiktoken.Encoding("large", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    encoding.encode_ordinary("warm")
    found = texts(folder, "next")
    return lambda: [encoding.encode_ordinary(text) for text in found]


def train(folder: Path) -> Take:
    """HF tokenizers' trainer, with the split of the large vocabulary."""
    found = texts(folder, "first")
    split = Tokenizer.from_file(str(folder / "large" / "tokenizer.json")).pre_tokenizer

    def learn() -> None:
        tokenizer = Tokenizer(BPE())
        tokenizer.pre_tokenizer = split
        alphabet = sorted(ByteLevel.alphabet())
        trainer = BpeTrainer(vocab_size=VOCABULARY_SIZE, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator(found, trainer)

    return learn


def trafilatura_pages(folder: Path) -> Take:
    """trafilatura's main text, as it comes."""
    return over(texts(folder, "pages"), extract)


STEPS: dict[str, Callable[[Path], Take]] = {
    "gopher": gopher,
    "signals": signals,
    "datatrove_minhash": datatrove_minhash,
    "datasketch_minhash": datasketch_minhash,
    "chain_without_exit": partial(chain, drops=False),
    "chain_with_exit": partial(chain, drops=True),
    "encode_cold_small": partial(encode_cold, "small"),
    "encode_cold_large": partial(encode_cold, "large"),
    "encode_unseen_small": partial(encode_unseen, "small"),
    "encode_unseen_large": partial(encode_unseen, "large"),
    "encode_tiktoken": encode_tiktoken,
    "train": train,
    "trafilatura": trafilatura_pages,
}


def main() -> None:
    """Take the step that is named."""
    take = STEPS[sys.argv[1]](Path(sys.argv[2]))
    began = time.process_time()
    take()
    print(time.process_time() - began)


if __name__ == "__main__":
    main()
