import importlib.util
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import own_training, training, variants
from benchmarks.peers.turns import Shape
from benchmarks.training import EAGER, OURS, PLAIN, SHAPES
from benchmarks.variants import Ended, Taken, Variant
from stages.training.acceleration import COMPILE_ARITHMETIC
from stages.training.batches import Rows
from stages.training.throughput import matrix_weights

TINY = Shape(vocabulary=64, context=32, width=32, layers=1, heads=1, hidden=32)
SLEEPER = """
import sys, time
sys.path.insert(0, sys.argv[2].strip('"'))
from turns import Turns
turns = Turns()
print("noise")
while True:
    turns.step()
    print(sys.argv[1], file=open("order", "a"))
    time.sleep(0.01)
"""
PEERS = Path(training.__file__).parent / "peers"


@pytest.fixture
def sleepers(tmp_path, monkeypatch) -> list[Variant]:
    """Two variants whose steps are noted down in a file."""
    monkeypatch.chdir(tmp_path)
    Path("sleeper.py").write_text(SLEEPER)
    monkeypatch.setattr(variants, "PEER_COMMAND", (sys.executable, "sleeper.py"))
    monkeypatch.setattr(variants, "TURN_SECONDS", 0.03)
    return [Variant(name, name, str(PEERS)) for name in ("a", "b")]


def test_shapes_have_the_weights_that_they_are_named_by():
    params = own_training.parameters()
    for name, shape in SHAPES.items():
        weights = matrix_weights(own_training.model_of(shape, params))
        block = 4 * shape.width**2 + 3 * shape.width * shape.hidden
        assert weights == shape.layers * block + shape.vocabulary * shape.width
        blocks = weights - shape.vocabulary * shape.width
        assert blocks == pytest.approx(int(name[:-1]) * 1e6, rel=0.05)
        assert shape.rows * shape.context == 4096


def test_variants_take_their_turns_one_after_the_other(sleepers):
    taken = variants.in_turn(sleepers, [{}, {}], rounds=2)
    order = Path("order").read_text().split()
    turn = (order[6:].index("b"), order[::-1].index("a"))  # after three steps to get warm
    assert order[:6] == [*"aaabbb"]
    assert order[6:] == ["a"] * turn[0] + ["b"] * turn[1] + ["a"] * turn[0] + ["b"] * turn[1]
    assert [len(found.turns) for found in taken.values()] == [2, 2]
    assert all(0.01 <= seconds < found.first for found in taken.values() for seconds in found.turns)
    assert all(found.peak_mebibytes > 1 for found in taken.values())


def test_a_variant_that_fails_ends_the_benchmark_with_what_it_said(sleepers):
    Path("sleeper.py").write_text("raise SystemExit('no such trainer')")
    with pytest.raises(SystemExit, match=r"a ended with 1:\nno such trainer"):
        variants.in_turn(sleepers, [{}, {}], rounds=1)


def test_a_peer_lacks_what_this_checkout_alone_sets(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "2000")
    ours, peer = Variant("ours", "plain", {}, ours=True), Variant("peer", "trainer", {})
    assert variants.surroundings(ours, {})["GOMP_SPINCOUNT"] == "2000"
    assert "GOMP_SPINCOUNT" not in variants.surroundings(peer, {})
    assert variants.surroundings(peer, variants.SHARED).items() >= variants.SHARED.items()


def test_the_peers_know_every_variant_that_they_are_asked_for_and_take_the_best_format():
    known = (PEERS / "training.py").read_text()
    assert all(json.dumps(peer.task) in known for size in SHAPES for peer in training.peers(size, bf16=True))
    assert [peer.times for peer in training.peers("20M", bf16=True)] == [1.6, 5.0, 1.3, 1.1, 4.0]
    without = training.peers("5M", bf16=False)
    assert [peer.times for peer in without] == [2.0, 5.0, 1.3, 1.1]
    assert not any(peer.options["bf16"] for peer in without)


def test_ours_is_beside_each_peer_by_the_median_turn_and_by_the_best():
    peer = training.peer("peer", TINY, "trainer", 2.0, bf16=True)
    taken = {OURS: Taken(1, 1, [0.512, 0.256, 1.0]), "peer": Taken(1, 1, [1.024, 4.0, 0.4096])}
    median, best = training.speed_rows("1M", [peer], taken, rounds=3)
    assert (median.ours, median.peer, median.ratio, median.why) == (8000.0, 4000.0, 2.0, None)
    assert (best.ours, best.peer, best.ratio, best.why) == (16000.0, 10000.0, 1.6, "below its goal of 2 times")


def test_lightning_costs_what_its_step_is_longer_and_has_a_goal_at_one_shape():
    taken = {OURS: Taken(1, 1, [1.04]), PLAIN: Taken(1, 1, [1.0])}
    missed, free = (training.lightning_row(size, taken, 1) for size in ("5M", "1M"))
    assert (missed.ours, missed.goal, missed.why) == (0.04, 0.03, "above its goal")
    assert (free.ours, free.goal, free.why) == (0.04, None, None)


def test_compiling_pays_once_the_steps_have_made_up_for_it():
    # 20 s at 0.1 s a step are 200 steps of 4,096 tokens, 6 operations for each of 1.53 million weights.
    row = training.compile_row("1M", "cold", 20.0, Taken(1, 1, [0.1]), Taken(1, 1, [0.2]))
    assert row.ours == pytest.approx(200 * 4096 * 6 * 1_527_808 / 1e12, abs=0.005)
    assert row.why == f"200 steps of 4,096 tokens; auto compiles from {COMPILE_ARITHMETIC / 1e12:g}"
    never = training.compile_row("1M", "cold", 20.0, Taken(1, 1, [0.2]), Taken(1, 1, [0.2]))
    assert (never.ours, never.why) == (None, "a compiled step is no faster")


def test_two_runs_are_compared_by_time_only_if_both_come_to_the_bits_per_byte():
    good, bad = training.BITS_PER_BYTE, training.BITS_PER_BYTE + 0.01
    met, missed = (training.time_row(Ended(50, good), Ended(200, bits), "peer") for bits in (good, bad))
    assert (met.ours, met.peer, met.ratio, met.why) == (50, 200, 4.0, None)
    assert (missed.peer, missed.ratio) == (None, None)
    assert missed.why == f"came to {good:.4f}, the peer to {bad:.4f} in 200 s"


def test_a_checkout_without_tokens_is_told_what_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training.INPUTS["train"].mkdir(parents=True)
    with pytest.raises(SystemExit, match=r"there is no data/encode/validation, .*: make run"):
        training.require_tokens()


def test_both_sides_learn_the_same_targets(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    spec = importlib.util.spec_from_file_location("peers_training", PEERS / "training.py")
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    segments = np.array([[1, 1, 2, 2, 2, 0, 0], [1, 1, 1, 2, 3, 3, 3]], np.uint16)
    ours = Rows(segments, segments, None).targets(np.arange(2))
    assert (peers.trained(segments)[:, 1:] == ours).all()
    assert not peers.trained(segments)[:, 0].any()


@pytest.mark.slow
@pytest.mark.parametrize(("task", "options"), [("lightning", {"compiled": False}), ("plain", {})])
def test_our_variants_train_turn_by_turn(task, options, monkeypatch):
    monkeypatch.chdir(PEERS.parents[1])
    assert variants.first_step(training.own(EAGER, TINY, task, **options), {}) > 0
    assert asdict(TINY) == training.own(EAGER, TINY, task).options["shape"]
