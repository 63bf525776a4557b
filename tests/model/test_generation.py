import random

import numpy as np
import pytest
import torch

from stages.model.generation import choose, generate, nucleus, uniform_numbers
from stages.model.transformer import Transformer
from tests.specimens import small_config, uneven_model

STOP = 1


@pytest.fixture(scope="module")
def model() -> Transformer:
    config = small_config(50, context_length=48, width=32, heads=4, key_value_heads=2)
    return uneven_model(config, deviation=0.24)


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    drawn = random.Random(3)
    return [[0, *(drawn.randrange(6, 50) for _ in range(drawn.randrange(0, 20)))] for _ in range(13)] + [[0]] * 3


def naive(model, prompt, *, max_new_tokens, temperature, top_p, key):
    """The definition: a whole forward pass for every token, in numpy and Python from the logits on."""
    ids, log_probabilities = list(prompt), []
    for uniform in uniform_numbers([key], max_new_tokens)[0]:
        with torch.no_grad():
            logits = model.logits(model(torch.tensor([ids])))[0, -1].double().numpy()
        scaled = logits / (temperature or 1)
        probabilities = np.exp(scaled - scaled.max())
        probabilities /= probabilities.sum()
        if temperature == 0:
            token = int(logits.argmax())
        else:
            order = np.argsort(-probabilities, kind="stable")
            allowed, mass = np.zeros_like(probabilities), 0.0
            for candidate in order:
                allowed[candidate] = probabilities[candidate]
                mass += probabilities[candidate]
                if mass >= top_p:
                    break
            cumulative = allowed.cumsum() / allowed.sum()
            token = int(np.argmax(cumulative > uniform))
        ids.append(token)
        log_probabilities.append(float(np.log(probabilities[token])))
        if token == STOP:
            break
    return ids[len(prompt) :], log_probabilities


@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 1.0), (1.0, 1.0), (0.7, 1.0), (1.3, 0.8)])
def test_equals_a_whole_forward_pass_for_every_token(model, prompts, temperature, top_p):
    settings = {"max_new_tokens": 24, "temperature": temperature, "top_p": top_p}
    keys = list(range(100, 100 + len(prompts)))
    written = generate(model, prompts, stop_id=STOP, keys=keys, batch_size=8, **settings)
    for prompt, key, generation in zip(prompts, keys, written, strict=True):
        ids, log_probabilities = naive(model, prompt, key=key, **settings)
        assert generation.token_ids == ids
        assert generation.log_probabilities == pytest.approx(log_probabilities, abs=1e-5)
        assert generation.finish_reason == ("stop" if ids[-1] == STOP else "length")
        assert (ids[-1] == STOP) or len(ids) == 24


def test_both_ways_of_ending_occur(model, prompts):
    reasons = {
        generation.finish_reason
        for generation in generate(
            model,
            prompts,
            max_new_tokens=24,
            temperature=1.0,
            top_p=1.0,
            stop_id=STOP,
            keys=list(range(100, 100 + len(prompts))),
            batch_size=8,
        )
    }
    assert reasons == {"stop", "length"}


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_a_row_depends_neither_on_its_neighbours_nor_on_their_order(model, prompts, batch_size):
    settings = {"max_new_tokens": 20, "temperature": 1.0, "top_p": 0.95, "stop_id": STOP}
    keys = list(range(len(prompts)))
    expected = [generation.token_ids for generation in generate(model, prompts, keys=keys, batch_size=5, **settings)]
    order = random.Random(batch_size).sample(keys, len(keys))
    shuffled = generate(
        model, [prompts[row] for row in order], keys=[keys[row] for row in order], batch_size=batch_size, **settings
    )
    assert [generation.token_ids for generation in shuffled] == [expected[row] for row in order]


def test_equal_prompts_with_different_keys_differ_and_with_equal_keys_agree(model):
    written = generate(
        model,
        [[0, 7, 8]] * 3,
        max_new_tokens=16,
        temperature=1.0,
        top_p=1.0,
        stop_id=STOP,
        keys=[5, 6, 5],
        batch_size=3,
    )
    assert written[0] == written[2]
    assert written[0].token_ids != written[1].token_ids


def test_every_prompt_may_have_its_own_temperature(model, prompts):
    settings = {"max_new_tokens": 12, "top_p": 0.9, "stop_id": STOP, "batch_size": 4}
    keys, temperatures = list(range(len(prompts))), [0.0, 0.7, 1.3]
    given = [temperatures[row % 3] for row in keys]
    mixed = generate(model, prompts, temperature=given, keys=keys, **settings)
    for temperature in temperatures:
        alone = generate(model, prompts, temperature=temperature, keys=keys, **settings)
        rows = [row for row in keys if given[row] == temperature]
        assert [mixed[row].token_ids for row in rows] == [alone[row].token_ids for row in rows]


def test_a_prompt_that_leaves_no_room_is_refused(model):
    with pytest.raises(ValueError, match="1 to 8 tokens"):
        generate(model, [[0] * 9], max_new_tokens=40, temperature=0.0, top_p=1.0, stop_id=STOP, keys=[1], batch_size=1)


def test_uniform_numbers_belong_to_key_and_position_and_fill_the_interval():
    numbers = uniform_numbers([3, 2**64 - 1, 3], 5000)
    assert (numbers[0] == numbers[2]).all()
    assert (numbers[:, :10] == uniform_numbers([3, 2**64 - 1, 3], 10)).all()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers[:2], bins=20, range=(0, 1))
    # Binomial with mean 500 and deviation 21.8: five deviations.
    assert abs(counts - 500).max() < 110
    assert abs(np.corrcoef(numbers[0], numbers[1])[0, 1]) < 0.05


def test_sampling_inverts_the_cumulative_distribution_and_never_takes_what_cannot_come():
    logits = torch.tensor([[0.25, 0.0, 0.5, 0.25]]).log().expand(5, -1)
    uniforms = torch.tensor([0.0, 0.24, 0.26, 0.74, 1 - 2**-23])
    tokens, log_probabilities = choose(logits, uniforms, torch.ones(len(logits)), top_p=1.0)
    assert tokens.tolist() == [0, 0, 2, 2, 3]
    torch.testing.assert_close(log_probabilities.exp(), torch.tensor([0.25, 0.25, 0.5, 0.5, 0.25]))


def test_the_nucleus_is_the_smallest_set_that_holds_the_mass():
    probabilities = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    assert nucleus(probabilities, 0.65).tolist() == [[0.0, pytest.approx(0.4), 0.0, pytest.approx(0.3)]]
    assert nucleus(probabilities, 0.4).count_nonzero() == 1
    assert nucleus(probabilities, 0.71).count_nonzero() == 3
