"""How far a stage is, on a terminal and in a log."""

import io

import pytest

from stages import progress
from stages.progress import Progress, duration, figure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185, "3 min 05 s"), (3600, "1 h 00 min"), (7800, "2 h 10 min")],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("value", "text"), [(0.00031, "0.00031"), (3.14159, "3.142"), (12345.6, "12,346")])
def test_figures_have_four_digits_or_grouped_thousands(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_log_gets_a_plain_line_only_when_one_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with Progress("pretrain", total=100, unit="step", stream=stream) as shown:
        shown.update(1, loss=5.0)
        assert stream.getvalue() == ""
        now[0] += 20
        shown.update(20, loss=4.25)
        assert stream.getvalue().startswith("pretrain: 20/100 steps, loss 4.25, ")
        assert stream.getvalue().endswith("1 min 20 s left\n")  # 20 s for 20 steps, 80 to go
    assert "\r" not in stream.getvalue()


def test_a_resumed_stage_counts_the_time_left_from_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with Progress("pretrain", total=100, start=80, stream=stream) as shown:
        now[0] = 20
        shown.update(90)
        assert "20 s left" in stream.getvalue()


def test_a_terminal_gets_one_line_that_rewrites_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.0)
    stream = Terminal()
    with Progress("rank", total=2, stream=stream) as shown:
        shown.update(1)
        shown.update(2)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r") == 3


@pytest.mark.parametrize(("variable", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_ci_and_dumb_terminals_get_plain_lines(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv(variable, value)
    assert not progress.is_live(Terminal())
