"""This checkout's Prefect server on loopback: started when it is first needed, stopped when its last user leaves.

`python -m flows.server` opens its pages and MLflow's until Ctrl-C.
"""

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from flows.process_groups import has_ended
from flows.reproduction import CONFIGURATION

HOST = "127.0.0.1"
PREFECT_PORT = 4200
MLFLOW_PORT = 5000
START_SECONDS = 120.0
PATIENCE_SECONDS = 60.0
"""For a server that another process is just starting, or a busy machine."""
WATCH_SECONDS = 1.0
ANSWER_SECONDS = 5.0


class ServerError(Exception):
    """A server that cannot be had, with the place to look."""


def free_port(preferred: int) -> int:
    """`preferred`, or another port where something else listens on it."""
    for port in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise ServerError(f"no free port on {HOST}: close what listens on some")


def answers(url: str) -> bool:
    """Whether a request to `url` succeeds within two seconds."""
    # A proxy that the machine is set up with must not be asked for a loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def listens(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process, or one below it, waits for connections: what answers on its port may be another's server."""
    try:
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
        return any(c.status == psutil.CONN_LISTEN for one in family for c in one.net_connections(kind="tcp"))
    except psutil.Error:
        return False  # one has just ended


def require_answer(url: str) -> None:
    """ServerError if nothing answers at the address that the user has set; Prefect itself would go on trying.

    It may be far away, behind a proxy, or ask for a key or a certificate: whatever answers is left to Prefect.
    """
    try:
        urllib.request.urlopen(url.rstrip("/") + "/health", timeout=ANSWER_SECONDS).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if not isinstance(reason, ssl.SSLError):
            remedy = "Start that server, or unset PREFECT_API_URL for this checkout's own."
            raise ServerError(f"PREFECT_API_URL does not answer: {url}: {reason}. {remedy}") from error


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a server to answer; ServerError with the place of its log if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not (condition() and listens(process)):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise ServerError(f"a server did not start: its output is in {log}")
        time.sleep(0.1)


def stop(process: psutil.Process, seconds: float = 15.0) -> None:
    """End a server and its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*process.children(recursive=True), process]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=seconds)
        for straggler in alive:
            straggler.kill()


class PrefectServer:
    """The server whose home is `home`; several processes may use it at once, each inside `use`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.users = home / "users"
        self.record = home / "server.json"
        self.log = home / "server.log"
        self.users.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.home / "server.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _recorded(self) -> tuple[str, psutil.Process] | None:
        """The address and process of the server on record, if that process is alive; it may not answer yet."""
        try:
            content = json.loads(self.record.read_text())
            process = psutil.Process(content["pid"])
            is_same = abs(process.create_time() - content["started"]) < 2
            is_alive = is_same and not has_ended(process.pid)
        except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):  # none, or a record that was cut off
            return None
        return (content["url"], process) if is_alive else None

    def _running(self) -> tuple[str, psutil.Process] | None:
        """The same once it answers; one that hangs is stopped."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (recorded := self._recorded()) and not answers(recorded[0] + "/health"):
            if time.monotonic() > deadline:
                stop(recorded[1])
                return None
            time.sleep(0.1)
        return recorded

    def _start(self, port: int) -> str:
        url = f"http://{HOST}:{port}/api"
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
        # Its pages ask the second address, whatever port it is.
        places = {"PREFECT_API_URL": url, "PREFECT_UI_API_URL": url, "PREFECT_HOME": str(self.home)}
        environment = os.environ | places
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        started = psutil.Process(process.pid).create_time()
        self.record.write_text(json.dumps({"url": url, "pid": process.pid, "started": started}))
        wait_until(lambda: answers(url + "/health"), process, self.log)
        return url

    def _start_where_free(self) -> str:
        port = free_port(PREFECT_PORT)
        try:
            return self._start(port)
        except ServerError:
            if free_port(port) == port:
                raise
            return self._start(free_port(0))  # another checkout's server was there first

    def _keep_up(self, url: str, left: threading.Event) -> None:
        """Start a server that has ended again under the same address, until `left`: Prefect asks again for a minute."""
        port = urllib.parse.urlsplit(url).port
        assert port is not None
        while not left.wait(WATCH_SECONDS):
            if self._recorded() is None:
                with self._alone():
                    if not left.is_set() and self._running() is None:
                        print("the Prefect server has ended: started again", file=sys.stderr)
                        with contextlib.suppress(ServerError):
                            self._start(port)

    def _others(self) -> bool:
        """Whether another live process uses the server; the marks of dead ones are removed."""
        for mark in self.users.iterdir():
            if not psutil.pid_exists(int(mark.name)):
                mark.unlink()
        return any(int(mark.name) != os.getpid() for mark in self.users.iterdir())

    @contextlib.contextmanager
    def use(self) -> Iterator[str]:
        """The server's API address for the body: the one that runs, or one that is started for it."""
        with self._alone():
            running = self._running()
            url = running[0] if running else self._start_where_free()
            mark = self.users / str(os.getpid())
            mark.touch()
        left = threading.Event()
        threading.Thread(target=self._keep_up, args=(url, left), daemon=True).start()
        try:
            yield url
        finally:
            left.set()
            with self._alone():
                mark.unlink(missing_ok=True)
                server = None if self._others() else self._recorded()
                if server is not None:
                    stop(server[1])
                    self.record.unlink(missing_ok=True)


@contextlib.contextmanager
def prefect_server() -> Iterator[str]:
    """The API address of the server that the user has set, or else of this checkout's own for the body."""
    if url := os.environ.get("PREFECT_API_URL"):
        require_answer(url)
        yield url
        return
    with PrefectServer(Path(os.environ["PREFECT_HOME"])).use() as url:
        yield url


@contextlib.contextmanager
def mlflow_pages() -> Iterator[str]:
    """The address of MLflow's pages over this checkout's runs, served for the body."""
    port = free_port(MLFLOW_PORT)
    url = f"http://{HOST}:{port}"
    log = Path(os.environ["PREFECT_HOME"]) / "mlflow.log"
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--serve-artifacts", "--artifacts-destination", "mlartifacts"]
    # Every user of the machine sees the command, and the address of a database may hold a password.
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": os.environ["MLFLOW_TRACKING_URI"]}
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
        )
    try:
        wait_until(lambda: answers(url + "/health"), process, log)
        yield url
    finally:
        stop(psutil.Process(process.pid))


def main() -> None:
    """Serve both until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt), prefect_server() as api, mlflow_pages() as runs:
            pages = f"flow    {api.removesuffix('/api')}/runs\nruns    {runs}/#/experiments\nCtrl-C closes both"
            print(pages, flush=True)
            signal.pause()
    except ServerError as error:
        print(f"ui: {error}", file=sys.stderr)
        sys.exit(CONFIGURATION)


if __name__ == "__main__":
    main()
