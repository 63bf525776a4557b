"""Bits per byte of every model and baseline on text that none of them trained on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stages.scoring.held_out import HeldOut, compressed_bits
from stages.scoring.intervals import Figure, Resampling, ratio, ratio_difference, relative_change, single, unmeasured
from stages.scoring.likelihood import Information, LogProbabilities, information
from stages.scoring.ngrams import KneserNey, Stream, count
from stages.text.shards import TokenRows
from stages.text.tokenizer import Tokenizer
from stages.training.batches import shuffled

BASE = "pretrain"


def rows_read(model: Path, train: Path) -> np.ndarray:
    """The rows of the training folder that the base model was trained on, drawn again as its run.json says."""
    run = json.loads((model / "run.json").read_text(encoding="utf-8"))
    number = run["recipe"]["steps"] * run["recipe"]["per_step"]["train"]
    return np.unique(shuffled(run["parameters"]["seed"], "train", 0, number, len(TokenRows.load(train).rows)))


def n_gram_models(read: Sequence[np.ndarray], orders: Sequence[int], vocabulary: int) -> dict[str, LogProbabilities]:
    """Kneser-Ney models of the given orders over the documents that pretrain read."""
    tables = count(Stream.of(read), max(orders), vocabulary)
    return {
        f"kneser_ney_{order}": KneserNey.of(tables[:order], vocabulary).log_probabilities for order in sorted(orders)
    }


def bits_per_byte(measured: Mapping[str, Information], name: str, resampling: Resampling) -> dict[str, Figure]:
    """A figure for each model on one set of documents."""
    return {
        f"bits_per_byte.{name}.{model}": ratio(cost.bits, cost.bytes, resampling, "documents")
        for model, cost in measured.items()
    }


def difference(first: Information, second: Information, resampling: Resampling) -> Figure:
    """Bits per byte of the first less those of the second on the same documents."""
    return ratio_difference(first.bits, second.bits, first.bytes, resampling, "documents")


def xz_figure(documents: Sequence[np.ndarray], tokenizer: Tokenizer) -> Figure:
    """Bits per byte of `xz -9` over the documents as one stream; it has no training part and learns as it goes."""
    text = "".join(tokenizer.decode(document.tolist()) for document in documents).encode()
    return single(compressed_bits(text) / len(text), len(documents), "documents") if text else unmeasured("documents")


def language_figures(
    models: Mapping[str, LogProbabilities],
    baselines: Mapping[str, LogProbabilities],
    held_out: HeldOut,
    tokenizer: Tokenizer,
    resampling: Resampling,
) -> dict[str, Figure]:
    """Every model on every set, the baselines on general text, and the paired differences that matter."""
    sizes = tokenizer.token_bytes()
    everyone = {**models, **baselines}
    test = {name: information(scorer, held_out.test, sizes) for name, scorer in everyone.items()}
    domain = {name: information(scorer, held_out.domain_test, sizes) for name, scorer in models.items()}
    novel = {name: cost.select(held_out.is_novel) for name, cost in test.items()}
    novel_documents = [document for document, kept in zip(held_out.test, held_out.is_novel, strict=True) if kept]
    tuned = [name for name in models if name != BASE]
    return {
        **bits_per_byte(test, "test", resampling),
        **bits_per_byte(novel, "novel_test", resampling),
        "bits_per_byte.novel_test.xz": xz_figure(novel_documents, tokenizer),
        **bits_per_byte(domain, "domain_test", resampling),
        **{
            f"bits_per_byte_difference.novel_test.{BASE}_minus_{name}": difference(novel[BASE], novel[name], resampling)
            for name in baselines
        },
        **{
            f"bits_per_byte_difference.domain_test.{name}_minus_{BASE}": difference(
                domain[name], domain[BASE], resampling
            )
            for name in tuned
        },
        **{
            f"bits_per_byte_change.test.{name}": relative_change(
                test[name].bits, test[BASE].bits, resampling, "documents"
            )
            for name in tuned
        },
    }
