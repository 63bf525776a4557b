from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmarks.own_training import changed
from benchmarks.recipe import CHANGES, described, rows_of
from benchmarks.variants import Ended
from stages import pretrain
from stages.parameters import read_section

DEFAULT = read_section(Path("params.yaml"), "pretrain", pretrain.Params)


@pytest.mark.parametrize("change", CHANGES, ids=described)
def test_every_change_is_one_of_the_default(change):
    found = changed(change)
    assert found != DEFAULT
    assert found.shape.tied == DEFAULT.shape.tied


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(ValidationError, match="momentum"):
        changed({"optimizer.momentum": 0.9})


def test_changes_are_written_as_on_the_command_line():
    change = {"optimizer.matrices": "adamw", "learning_rate": 0.004}
    assert described(change) == "optimizer.matrices=adamw, learning_rate=0.004"


def test_a_change_is_held_against_the_default_seed_by_seed():
    default = [Ended(10.0, 1.8), Ended(12.0, 2.0)]
    [reached, difference, seconds] = rows_of({"batch_tokens": 2048}, [Ended(20.0, 1.9), Ended(40.0, 2.0)], default)
    assert (reached.ours, difference.ours, seconds.ours) == (1.95, 0.05, 30.0)
    assert difference.why == "+0.1000, +0.0000"
    assert [row.what for row in rows_of({}, default, default)] == ["the default", "the default"]
