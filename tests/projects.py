"""Copies of this project in folders of their own, and the real tools run in them."""

import http
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numba.core.caching import UserProvidedCacheLocator
from ruamel.yaml import YAML

import environment

environment.apply()  # for caches to share

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
# Compiled code is shared with the checkout: it saves minutes and changes nothing.
SHARED_CACHES = {"NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"}
# Ours belong to the checkout that the tests run in; a copy has to set its own.
OF_THIS_SHELL = {"PREFECT_API_URL", "PYTEST_CURRENT_TEST", "PYTHONDONTWRITEBYTECODE"}
NOT_INHERITED = set(environment.variables()) - SHARED_CACHES | OF_THIS_SHELL


def hear_requests_to_end() -> None:
    """Take back what a test run in the background ignores, and would hand on: Ctrl-C and a closed terminal."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def share_compiled_loops(folder: Path) -> None:
    """Let a copy find the loops that the checkout has compiled, which numba keeps by the path of their source."""
    kept = Path(os.environ["NUMBA_CACHE_DIR"])
    ours, theirs = (
        kept / UserProvidedCacheLocator.get_suitable_cache_subpath(str(root / "stages/text/kernels.py"))
        for root in (ROOT, folder)
    )
    ours.mkdir(parents=True, exist_ok=True)
    if not theirs.exists():
        theirs.unlink(missing_ok=True)
        theirs.symlink_to(ours.name)


@dataclass(frozen=True)
class Project:
    """A copy of the project and how to run commands in it."""

    folder: Path

    def environment(self, **variables: str) -> dict[str, str]:
        """This process's environment as a shell in the copy would have it, one thread to a process."""
        share_compiled_loops(self.folder)
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
        return inherited | {"PATH": path, "OMP_NUM_THREADS": "1"} | variables

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command in the copy, its output to be read from one pipe."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=hear_requests_to_end,
        )

    def run(self, *command: str, **variables: str) -> tuple[int, str]:
        """Run a command in the copy; its exit code and output."""
        process = self.start(*command, **variables)
        output, _ = process.communicate()
        return process.returncode, output

    def flow(self, *options: str, **variables: str) -> tuple[int, str]:
        """Run the pipeline as `make run` does after its set-up."""
        return self.run("python", "-m", "flows.pipeline", *options, **variables)

    def lock(self) -> dict[str, Any]:
        """The stages of `dvc.lock`."""
        return YAML(typ="safe", pure=True).load(self.folder / "dvc.lock")["stages"]

    def output_hashes(self) -> dict[str, str]:
        """The hash of every output that DVC has on record, by path."""
        return {out["path"]: out["md5"] for stage in self.lock().values() for out in stage["outs"]}

    def stages(self) -> list[str]:
        """The stages of `dvc.yaml` in its order."""
        return list(YAML(typ="safe", pure=True).load(self.folder / "dvc.yaml")["stages"])

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one passage of a file."""
        path = self.folder / file
        content = path.read_text()
        assert content.count(old) == 1
        path.write_text(content.replace(old, new))

    def commit(self) -> None:
        """Make the copy a git repository with everything in one commit."""
        person = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
        for arguments in (("init", "--quiet"), ("add", "--all"), (*person, "commit", "--quiet", "--message", "Copy")):
            subprocess.run(["git", *arguments], cwd=self.folder, check=True)


def copy_of_this(folder: Path) -> Project:
    """The project as it stands, without results of earlier runs, set to the tiny parameters."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in sorted(set(listed.stdout.splitlines())):
        is_result = name == "dvc.lock" or (name.startswith("data/") and name.endswith("/metrics.json"))
        if (ROOT / name).is_file() and not is_result:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    shutil.copyfile(ROOT / "tests/tiny_params.yaml", folder / "params.yaml")
    project = Project(folder)
    project.commit()
    return project


class Server:
    """Questions to a project's Prefect server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, question: dict[str, Any]) -> Any:
        """The answer to a POST request, asked again while the server's database is busy, as Prefect itself does."""
        request = urllib.request.Request(
            f"{self.url}/{path}", json.dumps(question).encode(), {"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for wait in (0, 1, 2, 4, 8):
            time.sleep(wait)
            try:
                with opener.open(request, timeout=30) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code != http.HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
        raise TimeoutError(f"{self.url}/{path}")

    def flow_run(self) -> dict[str, Any]:
        """The newest run of the flow."""
        (run,) = self.ask("flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
        return run

    def tasks(self) -> dict[str, dict[str, Any]]:
        """The task runs of the newest flow run, by name."""
        runs = self.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [self.flow_run()["id"]]}}})
        return {"sources" if run["name"].startswith("sources") else run["name"]: run for run in runs}

    def states(self) -> dict[str, str]:
        """The state of every stage's task in the newest flow run."""
        return {name: run["state_name"] for name, run in self.tasks().items() if name != "sources"}
