import pytest

from stages.errors import ExitCode, StageError
from stages.text.accepted import Accepted, changes, check_accepted


def test_a_change_is_a_share_of_the_accepted_figure():
    found = changes({"more": 10, "less": 10, "none": 0, "some": 0}, {"more": 12, "less": 7, "none": 0, "some": 3})
    assert found["change"].round(6).to_dict() == {"more": 0.2, "less": 0.3, "none": 0.0, "some": 1.0}


def test_every_figure_that_has_changed_too_much_is_named():
    accepted = Accepted(max_change=0.2, figures={"documents": 10, "characters": 100, "files": 3})
    [result] = check_accepted(accepted, {"documents": 11, "characters": 70, "files": 9, "sources": 2})
    assert (result["success"], result["severity"]) == (False, "warning")
    assert result["examples"] == ["characters", "files"]


def test_before_a_run_is_accepted_there_is_no_rule():
    assert check_accepted(None, {"documents": 1}) == []


def test_a_figure_that_the_stage_does_not_have_is_a_configuration_error():
    accepted = Accepted(max_change=0.2, figures={"document": 10})
    with pytest.raises(StageError, match="unknown accepted figure: document: the stage has documents, files") as caught:
        check_accepted(accepted, {"documents": 1, "files": 1})
    assert caught.value.code == ExitCode.CONFIGURATION
