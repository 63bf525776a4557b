import numpy as np
import pytest

from stages.errors import ExitCode, StageError
from stages.model.generation import generate
from stages.scoring.limits.memorisation import (
    Verbatim,
    canary_exposure,
    continuable,
    continues_verbatim,
    exposures,
    secret_nats,
)
from stages.text.demonstrations import Canary


def canary(number, repeats):
    prefix, secret = f"Depot {number} has the code ", f"{number:02d} 34"
    return Canary(id=f"c{number}", text=f"{prefix}{secret}.", prefix=prefix, secret=secret, repeats=repeats)


def test_exposure_is_the_rank_among_controls_in_bits():
    nats = np.array([-1.0, -2.0, -3.0, -2.5, -9.0])
    is_control = np.array([False, True, True, False, False])
    # Of three compared: first, second and last; each control is first or second of the two.
    assert exposures(nats, is_control) == pytest.approx([np.log2(3), 1, 0, np.log2(3 / 2), 0])


def test_a_secret_is_scored_after_its_own_prefix(tokenizer):
    def length(sequences):
        return [-np.ones(len(sequence) - 1) for sequence in sequences]

    one = canary(7, 0)
    shared, whole = (len(tokenizer.encode(text)) for text in (one.prefix, one.prefix + one.secret))
    assert secret_nats(length, [one], tokenizer) == pytest.approx([shared - whole])


def test_exposure_stands_by_how_often_a_secret_was_put_in(tokenizer, resampling):
    def knows_depot_eight(sequences):
        texts = [tokenizer.decode(sequence.tolist()) for sequence in sequences]
        likely = [0.0 if "Depot 8" in text else -1.0 for text in texts]
        return [np.full(len(sequence) - 1, nats) for sequence, nats in zip(sequences, likely, strict=True)]

    canaries = [canary(1, 0), canary(2, 0), canary(3, 0), canary(8, 16)]
    finding = canary_exposure({"ppo": knows_depot_eight}, canaries, tokenizer, resampling)
    assert list(finding.figures) == ["ppo, 0 repeats", "ppo, 16 repeats"]
    assert finding.figures["ppo, 16 repeats"].value == 2.0
    assert finding.figures["ppo, 0 repeats"].n == 3


def test_only_documents_that_are_long_enough_are_continued():
    settings = Verbatim(prefix_tokens=2, tokens=3, documents=2)
    documents = [np.zeros(length) for length in (4, 5, 6, 7)]
    assert [len(one) for one in continuable(documents, settings)] == [5, 6]


def test_more_tokens_than_the_context_holds_are_refused(model, tokenizer):
    settings = Verbatim(prefix_tokens=model.config.context_length, tokens=1, documents=1)
    with pytest.raises(StageError, match=r"probe\.verbatim: \d+ tokens in a context of ") as caught:
        continues_verbatim(model, [np.zeros(100, dtype=np.int64)], settings, tokenizer, 1)
    assert caught.value.code == ExitCode.CONFIGURATION


def test_a_document_that_the_model_would_write_itself_counts_as_verbatim(model, tokenizer):
    settings = Verbatim(prefix_tokens=4, tokens=6, documents=2)
    given = [tokenizer.bos, 20, 21, 22]
    [written] = generate(model, [given], max_new_tokens=6, temperature=0, top_p=1.0, stop_id=-1, keys=[0], batch_size=1)
    own = np.array(given + written.token_ids)
    other = own.copy()
    other[-1] = (other[-1] + 1) % 300
    assert continues_verbatim(model, [own, other], settings, tokenizer, 2) == [True, False]
