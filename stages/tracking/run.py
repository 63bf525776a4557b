"""A stage's side of its MLflow run: messages go to a process of their own, so that MLflow never holds up the work."""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from stages.tracking.messages import Begin, End, Message, Point, pack

ARTIFACT_SUFFIXES = {".csv", ".html", ".json", ".jsonl", ".md", ".png", ".svg"}
MAX_ARTIFACT_BYTES = 2_000_000
WRITER_SECONDS = 60.0


def small_files(folder: Path, leave_out: set[str]) -> list[str]:
    """The tables, pages and pictures directly in a stage's output that are small enough to keep beside its run."""
    return [
        str(path)
        for path in sorted(folder.iterdir())
        if path.suffix in ARTIFACT_SUFFIXES
        and path.name not in leave_out
        and path.is_file()
        and path.stat().st_size <= MAX_ARTIFACT_BYTES
    ]


class StageRun:
    """The run of one executed stage. No method raises: a run that cannot be written fails no stage.

    None waits either, but for the last in a DVC experiment, which may be in a folder that DVC removes after it.
    """

    def __init__(self, begin: Begin) -> None:
        # A session of its own: Ctrl-C and the end of the stage reach it as the end of its input, and it closes the run.
        self._writer = subprocess.Popen(
            [sys.executable, "-m", "stages.tracking.writer"], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        # A pipe holds 64 kB and MLflow takes seconds to start: without the thread a busy stage would wait for it.
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()
        self._messages.put(begin)

    def _send(self) -> None:
        pipe = self._writer.stdin
        assert pipe is not None
        try:
            while (message := self._messages.get()) is not None:
                pipe.write(pack(message))
                pipe.flush()
            pipe.close()
        except (OSError, ValueError):
            return  # the writer has ended and has said why

    def log(self, values: dict[str, float], step: int) -> None:
        """Add points to curves, one for each value."""
        self._messages.put(Point({name: float(value) for name, value in values.items()}, step, int(time.time() * 1000)))

    def finish(self, state: str, metrics: dict[str, Any], artifacts: list[str], cost: dict[str, Any]) -> None:
        """Hand over how the stage ended; the writer closes the run by itself, after this process if need be."""
        self._messages.put(End(state, metrics, artifacts, cost))
        self._messages.put(None)
        self._sender.join(timeout=10)
        if "DVC_EXP_NAME" in os.environ:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._writer.wait(timeout=WRITER_SECONDS)
