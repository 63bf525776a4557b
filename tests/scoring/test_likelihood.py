import math

import numpy as np
import pytest
import torch

from stages.scoring.likelihood import Continuations, continuation_nats, information, log_probabilities, scorer
from tests.scoring.conftest import random_model
from tests.specimens import small_config


def alone(model, sequence):
    """The same figures without packing: one sequence per forward pass."""
    tokens = torch.tensor(np.asarray(sequence).astype(np.int64))[None]
    with torch.no_grad():
        scored = model.logits(model(tokens[:, :-1])).log_softmax(-1)
    return scored[0].gather(-1, tokens[0, 1:, None])[:, 0].numpy()


def sequences_of(draw, model, lengths):
    return [draw.integers(0, model.config.vocabulary_size, size=length) for length in lengths]


def test_packed_sequences_are_scored_as_if_alone(draw, model):
    sequences = sequences_of(draw, model, [2, 30, 1, 65, 17, 40, 3])
    for scored, sequence in zip(log_probabilities(model, sequences, 1.0), sequences, strict=True):
        assert len(scored) == len(sequence) - 1
        if len(sequence) > 1:
            assert scored == pytest.approx(alone(model, sequence), abs=1e-4)


def test_a_sequence_longer_than_the_context_scores_every_token_once(draw, model):
    [sequence] = sequences_of(draw, model, [150])
    [scored] = log_probabilities(model, [sequence], 1.0)
    assert scored[:64] == pytest.approx(alone(model, sequence[:65]), abs=1e-4)
    assert scored[64:128] == pytest.approx(alone(model, sequence[64:129]), abs=1e-4)
    assert scored[128:] == pytest.approx(alone(model, sequence[128:]), abs=1e-4)


def test_temperature_divides_the_scores(draw, model):
    sequences = sequences_of(draw, model, [20])
    tokens = torch.tensor(sequences[0])[None]
    with torch.no_grad():
        expected = (model.logits(model(tokens[:, :-1])) / 0.5).log_softmax(-1)[0].gather(-1, tokens[0, 1:, None])[:, 0]
    assert log_probabilities(model, sequences, 0.5)[0] == pytest.approx(expected.numpy(), abs=1e-4)


def test_a_model_that_knows_nothing_needs_the_logarithm_of_the_vocabulary(tokenizer):
    model = random_model(small_config(tokenizer.vocabulary_size), seed=1)
    with torch.no_grad():
        model.model.embed_tokens.weight.zero_()
    text = "Return the number of nodes."
    document = np.array([tokenizer.bos, *tokenizer.encode(text), tokenizer.end])
    cost = information(scorer(model), [document], tokenizer.token_bytes())
    # The end is paid for and is no byte.
    assert cost.bits[0] == pytest.approx((len(document) - 1) * math.log2(tokenizer.vocabulary_size), rel=1e-5)
    assert cost.bytes[0] == len(text)


def test_information_is_selected_document_by_document():
    documents = [np.array([0, 1]), np.array([0, 1, 1])]
    cost = information(
        lambda given: [np.full(len(one) - 1, -math.log(2)) for one in given], documents, np.array([0, 3])
    )
    assert cost.bits.tolist() == pytest.approx([1, 2])
    assert cost.bytes.tolist() == [3, 6]
    assert cost.select(np.array([False, True])).bytes.tolist() == [6]


def test_a_token_over_the_seam_is_scored_whole(tokenizer):
    # "the number" is read as "the", " number": the space of the context belongs to the choice's first token.
    seen = []

    def counting(sequences):
        seen.extend(sequences)
        return [-np.ones(len(sequence) - 1) for sequence in sequences]

    context, choices = "Return the ", ["number", "graph"]
    [nats] = continuation_nats(counting, [Continuations(context, choices)], tokenizer)
    shared = len(tokenizer.encode("Return the"))
    lengths = [len(tokenizer.encode(context + choice)) - shared for choice in choices]
    assert nats.tolist() == [-length for length in lengths]
    assert [tokenizer.decode(sequence.tolist()) for sequence in seen] == ["Return the number", "Return the graph"]
