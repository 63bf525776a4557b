import json

import pytest

from benchmarks import text
from benchmarks.cost import CORES, STAGES, STORAGE, Counted, cost_rows, join_seconds, stage_seconds, storage_seconds
from benchmarks.material import page, unlike, up_to
from benchmarks.own_steps import CHAIN

SPEEDS = dict.fromkeys(CHAIN, 100.0)
FOUND = Counted(compressed=0.4, documents=320.0, joined=5e6, linked=1e6)


def test_texts_are_taken_up_to_the_one_that_reaches_the_size():
    assert up_to(["aaaa", "éé", "bb", "c"], 6e-6) == ["aaaa", "éé"]
    assert up_to(iter(["aaaa", "éé", "bb"]), 8.5e-6) == ["aaaa", "éé", "bb"]


def test_texts_that_share_thirteen_words_with_an_item_are_left_out():
    words = [f"word{place}" for place in range(20)]
    long, short = " ".join(words[3:16]), " ".join(words[3:15])
    assert unlike([" ".join(words)], [f"Some {long} here", f"Some {short} here", ""]) == [f"Some {short} here", ""]


def test_a_page_holds_its_text_escaped_among_what_is_no_main_text():
    made = page("One <b> part.\n\nAnother & part.", 7)
    assert "<p>One &lt;b&gt; part.</p>\n<p>Another &amp; part.</p>" in made
    assert made.index("<nav>") < made.index("<article>") < made.index("<footer>")


def test_speeds_are_of_the_median_run_of_each_step():
    taken = [{"read": 1.0, "write": 4.0}, {"read": 2.0, "write": 8.0}, {"read": 9.0, "write": 5.0}]
    assert text.speeds(taken, size=10) == {"read": 5.0, "write": 2.0}


def test_the_chain_is_as_fast_as_all_its_steps_one_after_the_other():
    found = {"read": 40.0, "repair": 20.0, "write": 40.0}  # 0.025 + 0.05 + 0.025 seconds for a megabyte
    whole, without, with_exit, *steps = text.chain_rows(found, {"chain_without_exit": 0.2, "chain_with_exit": 0.5}, 1)
    assert (whole.ours, whole.goal, whole.ratio) == (10.0, 20.0, None)
    assert whole.why == "slowest: repair 20.0, read 40.0, write 40.0 MB/s"
    assert (without.goal, without.ratio, without.why) == (10.0, 50.0, None)
    assert (with_exit.goal, with_exit.ratio, with_exit.why) == (12.5, 20.0, "below its goal of 25 times")
    assert {row.what: row.ours for row in steps} == {f"chain: {name}": speed for name, speed in found.items()}


def test_every_step_of_the_chain_costs_something_in_a_stage():
    assert {step for steps in STAGES.values() for step in steps} == set(CHAIN)


def test_a_terabyte_takes_each_stage_the_sum_of_its_steps_on_all_cores():
    seconds = stage_seconds(SPEEDS | {"encode": 50.0})
    assert seconds["encode"] == pytest.approx((1e6 / 100 + 1e6 / 50) / 32)
    assert seconds["clean"] == pytest.approx(6 * 1e6 / 100 / 32)


def test_the_band_join_sorts_on_all_cores_moves_each_entry_twice_and_links_on_one():
    sort, moved, link = join_seconds(FOUND)
    entries = 320e6 * 14
    assert sort == pytest.approx(entries / 5e6 / CORES)
    assert moved == pytest.approx(2 * entries * 12 / 1e6 / STORAGE)
    assert link == pytest.approx(320e6 * 0.15 / 1e6)


def test_storage_holds_a_stage_up_once_its_computing_is_fast_enough():
    assert storage_seconds(FOUND)["clean"] == pytest.approx(2 * 1e6 * 0.4 / STORAGE)
    slow = {row.what.rpartition(": ")[2]: row for row in cost_rows(SPEEDS, FOUND)}
    fast = {row.what.rpartition(": ")[2]: row for row in cost_rows(dict.fromkeys(CHAIN, 1e4), FOUND)}
    assert slow["clean"].ours == 0.52  # 6 steps of 312.5 seconds
    assert slow["clean"].why == "most: read"
    assert (fast["clean"].ours, fast["clean"].why) == (0.18, f"most: storage of {STORAGE:g} MB/s")


def test_every_figure_of_the_cost_table_says_that_it_is_extrapolated_and_the_last_one_names_the_bottleneck():
    rows = cost_rows(SPEEDS | {"repair": 1.0}, FOUND)
    assert all(row.what.startswith("extrapolated to 1 TB on 32 cores: ") for row in rows)
    assert rows[-1].ours == pytest.approx(sum(row.ours for row in rows[:-1]), abs=0.005)
    assert rows[-1].why == "the bottleneck is clean, most: repair"


def test_a_peer_is_asked_for_its_seconds_in_a_process_of_its_own(tmp_path, monkeypatch):
    script = tmp_path / "peer"
    script.write_text('#!/bin/sh\necho "$2 $3" > "$3/asked"; echo 1.25\n')
    script.chmod(0o700)
    monkeypatch.setattr(text, "PEERS", script)
    assert text.peer_seconds("gopher", tmp_path) == 1.25
    assert (tmp_path / "asked").read_text() == f"gopher {tmp_path}\n"
    script.write_text("#!/bin/sh\necho no such step >&2; exit 1\n")
    with pytest.raises(SystemExit, match="gopher failed: no such step"):
        text.peer_seconds("gopher", tmp_path)


def test_the_peers_know_every_step_that_they_are_asked_for():
    known = text.PEER_STEPS.read_text()
    asked = [step.peer for step in text.STEPS] + [name for name, _, _ in text.CHAIN_PEERS]
    assert [name for name in asked if json.dumps(name) not in known] == []
