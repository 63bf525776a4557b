"""A request to end, made to one of several ranks, which go on until all of them know."""

import signal
import threading
from types import FrameType

REQUESTS: list[int] = []
"""The signals that this process was sent and has not acted upon; 0 for a request in another form."""


def note(number: int, frame: FrameType | None = None) -> None:
    """Note a request down; a second Ctrl-C ends the process wherever it is."""
    if REQUESTS and number == signal.SIGINT:
        raise KeyboardInterrupt
    REQUESTS.append(number)


def is_asked_to_end() -> bool:
    """Whether there was a request."""
    return bool(REQUESTS)


def note_requests() -> None:
    """From here on, until other handlers are put back, signals to end are noted down."""
    if threading.current_thread() is threading.main_thread():  # no other may say so; in a cluster's worker none is sent
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, note)
