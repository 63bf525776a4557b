"""Process groups: who is in one, and how it ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.process_groups import Group, end
from tests.projects import hear_requests_to_end

STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PAIR = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def start(code: str) -> tuple[subprocess.Popen[str], str]:
    """A process that leads a group, and the first line that it prints."""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_requests_to_end
    )
    assert process.stdout is not None
    return process, process.stdout.readline()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_killed_leader_leaves_members_that_are_found_and_ended() -> None:
    leader, child = start(PAIR)
    group = Group.led_by(leader.pid)
    leader.kill()
    leader.wait()
    assert [member.pid for member in group.members()] == [int(child)]
    end([group], patience=0.3)
    assert group.members() == []


def test_what_ends_when_asked_is_not_killed() -> None:
    leader, _ = start("import time; print('up', flush=True); time.sleep(60)")
    end([Group.led_by(leader.pid)])
    assert leader.wait() == -signal.SIGINT


def test_a_group_of_another_folder_is_not_taken_for_one_whose_number_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, _ = start(STUBBORN)
    group = Group.led_by(leader.pid)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert group.members() == []
    monkeypatch.chdir(tmp_path)
    assert Group(group.number, group.started + 100).members() == []
    assert [member.pid for member in group.members()] == [leader.pid]
    end([group], patience=0)
    leader.wait()
