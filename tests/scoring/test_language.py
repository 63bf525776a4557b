import math

import numpy as np
import pytest

from stages.scoring.held_out import HeldOut
from stages.scoring.language import language_figures, n_gram_models, xz_figure


def uniform(bits):
    return lambda documents: [np.full(len(document) - 1, -bits * math.log(2)) for document in documents]


@pytest.fixture
def documents(tokenizer):
    texts = ["Return the number of nodes.", "The graph is not changed.", "Compute paths."]
    return [np.array([tokenizer.bos, *tokenizer.encode(text), tokenizer.end]) for text in texts]


def test_figures_are_on_all_or_new_or_domain_documents(documents, tokenizer, resampling):
    held_out = HeldOut(documents[:2], np.array([True, False]), documents[2:])
    models = {"pretrain": uniform(4), "finetune": uniform(3)}
    figures = language_figures(models, {"kneser_ney_3": uniform(5)}, held_out, tokenizer, resampling)
    targets = [len(document) - 1 for document in documents]
    sizes = [len("Return the number of nodes."), len("The graph is not changed."), len("Compute paths.")]
    expected = {
        "bits_per_byte.test.pretrain": 4 * sum(targets[:2]) / sum(sizes[:2]),
        "bits_per_byte.novel_test.pretrain": 4 * targets[0] / sizes[0],
        "bits_per_byte.novel_test.kneser_ney_3": 5 * targets[0] / sizes[0],
        "bits_per_byte.domain_test.finetune": 3 * targets[2] / sizes[2],
        "bits_per_byte_difference.novel_test.pretrain_minus_kneser_ney_3": -targets[0] / sizes[0],
        "bits_per_byte_difference.domain_test.finetune_minus_pretrain": -targets[2] / sizes[2],
        "bits_per_byte_change.test.finetune": -0.25,
    }
    assert {name: figures[name].value for name in expected} == pytest.approx(expected, abs=1e-6)
    assert [figures[f"bits_per_byte.{name}.pretrain"].n for name in ("test", "novel_test", "domain_test")] == [2, 1, 1]


def test_without_new_documents_nothing_is_said_of_them(documents, tokenizer, resampling):
    held_out = HeldOut(documents, np.zeros(3, dtype=bool), documents)
    figures = language_figures({"pretrain": uniform(4)}, {}, held_out, tokenizer, resampling)
    assert figures["bits_per_byte.novel_test.pretrain"].value is None
    assert figures["bits_per_byte.novel_test.xz"].value is None


def test_xz_is_one_stream_over_the_text(documents, tokenizer):
    once, often = xz_figure(documents[:1], tokenizer), xz_figure(documents[:1] * 200, tokenizer)
    assert often.value < once.value / 20
    assert often.low is None


def test_n_gram_models_are_named_by_their_order(documents):
    models = n_gram_models(documents, [5, 3], 400)
    assert list(models) == ["kneser_ney_3", "kneser_ney_5"]
    assert len(models["kneser_ney_5"](documents)[0]) == len(documents[0]) - 1
