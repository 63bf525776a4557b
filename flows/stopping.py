"""Stop a run of the flow on Ctrl-C, on a request to end, and when it is cancelled from outside."""

import contextlib
import contextvars
import signal
import threading
from collections.abc import Iterator
from typing import Any

from prefect import get_client
from prefect.runtime import flow_run

from flows.reproduction import Reproducer

CANCEL_POLL_SECONDS = 2.0
REQUESTS_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heard_requests() -> list[signal.Signals]:
    """The requests to end that this process does not ignore, as it does a closed terminal under nohup."""
    return [number for number in REQUESTS_TO_END if signal.getsignal(number) not in (signal.SIG_IGN, None)]


@contextlib.contextmanager
def stopping(reproducer: Reproducer) -> Iterator[None]:
    """Stop DVC and the stages when the body is left early, on Ctrl-C, and when the flow is cancelled from outside.

    A flow that is run as a script has nobody who tells it that it was cancelled: it asks. A request to end and a
    terminal that is closed are taken for Ctrl-C.
    """
    left = threading.Event()

    def is_cancelled() -> bool:
        try:
            with get_client(sync_client=True) as client:
                state = client.read_flow_run(flow_run_id).state
        except Exception:  # the server is away: it may be starting again
            return False
        return state is not None and (state.is_cancelling() or state.is_cancelled())

    def watch() -> None:
        while not left.wait(CANCEL_POLL_SECONDS):
            if is_cancelled():
                reproducer.stop()
                return

    def interrupt(number: int, frame: Any) -> None:
        threading.Thread(target=reproducer.stop).start()

    flow_run_id = flow_run.id
    # A new thread does not inherit the settings that name the server.
    threading.Thread(target=contextvars.copy_context().run, args=(watch,), daemon=True).start()
    is_main = threading.current_thread() is threading.main_thread()
    previous = {number: signal.signal(number, interrupt) for number in heard_requests()} if is_main else {}
    try:
        yield
    except BaseException:
        reproducer.stop()
        raise
    finally:
        left.set()
        for number, handler in previous.items():
            signal.signal(number, handler)
