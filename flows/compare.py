"""Run a list of settings through DVC's queue, each in a folder of its own, and print one table of them from MLflow.

A setting is one or more parameters: `python -m flows.compare pretrain.depth=2 pretrain.depth=4,finetune.passes=1`.
One that has already run is found by its hash, among DVC's experiments and in this checkout, and is not run again.
Edits of what git tracks go along; a new file has to be added to git first. What settings share is restored from DVC's
cache where the checkout has run it, so bring that up to date before.
Workers side by side share the cores, and fewer threads round otherwise: a later `dvc repro` of such a setting takes its
outputs from DVC's cache of runs. For the bytes of `make run`, compare with one worker, or `dvc repro --no-run-cache`.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import environment
from flows.chain import BrokenLinkError, printable
from flows.comparison import Result, as_page, as_text, stage_runs, table
from flows.lineage import LOCK, PIPELINE, read_yaml
from flows.reproduction import (
    CONFIGURATION,
    FAILED,
    INTERRUPTED,
    dvc_command,
    dvc_environment,
    stale_stages,
)
from flows.settings import PREFIX, Setting, SettingError, read_settings, sources, split
from flows.tracking import is_tracked
from stages.tracking.entries import git
from stages.tracking.store import StoreError, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE = Path("runs/comparison.html")


def dvc(*arguments: str) -> str:
    """What a DVC command says; a failure is the setting's."""
    finished = subprocess.run(
        dvc_command(*arguments), env=dvc_environment(), capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise SettingError(f"dvc {' '.join(arguments)}: {(finished.stderr or finished.stdout).strip()}")
    return finished.stdout


def experiments(refs: str) -> dict[str, str]:
    """The commit of each setting among lines of `commit name`."""
    pairs = [line.split() for line in refs.splitlines()]
    return {name: commit for commit, name in pairs if name.startswith(PREFIX)}


def read_experiments() -> dict[str, str]:
    """The commit of each setting that DVC has run from any commit of this repository."""
    return experiments(git("for-each-ref", "--format=%(objectname) %(refname:lstrip=-1)", "refs/exps/"))


def queue_states(listing: str) -> dict[str, str]:
    """The state of each setting in what `dvc queue status` prints: task, name, time, state."""
    rows = [line.split() for line in listing.splitlines()]
    return {row[1]: row[-1] for row in rows if len(row) > 2 and row[1].startswith(PREFIX)}


def worker_environment(workers: int) -> dict[str, str]:
    """The environment of DVC's workers: the cores are shared out, unless the user grants each process fewer."""
    threads = min(int(os.environ["OMP_NUM_THREADS"]), environment.available_cores() // workers)
    return dvc_environment() | {"OMP_NUM_THREADS": str(max(1, threads))}


def ignored_by_git(paths: Iterable[str]) -> list[str]:
    """Those of some paths that git does not carry into another folder."""
    return [path for path in git("check-ignore", "--", *paths).splitlines() if Path(path).exists()]


def run_all(settings: Sequence[Setting], workers: int) -> None:
    """Have DVC run settings, at most `workers` side by side; on Ctrl-C those that are under way are stopped.

    Each runs in a folder that holds what git has and what has been edited of it since.
    """
    states = queue_states(dvc("queue", "status"))
    names = [setting.name for setting in settings]
    if ended := [name for name in names if states.get(name) in ("Failed", "Success")]:
        dvc("queue", "remove", *ended)  # else two of a name stand in the queue
    copied = ignored_by_git(sources(read_yaml(PIPELINE)["stages"]))
    try:
        for setting in settings:
            if states.get(setting.name) not in ("Queued", "Running"):
                options = [f"--set-param={override}" for override in split(setting.text)]
                options += [f"--copy-paths={path}" for path in copied]
                dvc("exp", "run", "--queue", "--name", setting.name, "--message", setting.text, *options)
            print(f"{setting.text}: {setting.name}, queued", file=sys.stderr, flush=True)
        command = dvc_command("exp", "run", "--run-all", "--jobs", str(workers))
        # A session of its own: Ctrl-C would make DVC say that it goes on in the background.
        subprocess.run(command, env=worker_environment(workers), stdout=sys.stderr, start_new_session=True, check=False)
    except BaseException:
        with contextlib.suppress(SettingError):
            stop(names)
        raise


def stop(names: Sequence[str]) -> None:
    """Take settings out of the queue, and interrupt those that are under way."""
    states = queue_states(dvc("queue", "status"))
    for state, action in (("Queued", "remove"), ("Running", "kill")):
        if found := [name for name in names if states.get(name) == state]:
            dvc("queue", action, *found)


def missing(settings: Iterable[Setting], known: dict[str, str]) -> list[Setting]:
    """The settings that have not run, each once."""
    unknown = {setting.name: setting for setting in settings if setting.name not in known}
    return list(unknown.values())


def read_lock(commit: str) -> str:
    """The text of `dvc.lock` in a commit, or in the checkout for none."""
    if not commit:
        return LOCK.read_text()
    command = ["git", "show", f"{commit}:{LOCK}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def keep(client: "MlflowClient", experiment: str, settings: Iterable[Setting]) -> None:
    """Keep the page as a run of its own."""
    tags = {"mlflow.runName": "comparison", "mlflow.source.name": "flows.compare"}
    run_id = client.create_run(experiment, tags=tags | {one.name: one.text for one in settings}).info.run_id
    client.log_artifact(run_id, str(PAGE))
    client.set_terminated(run_id)


def compare(texts: Sequence[str], workers: int, patterns: Sequence[str]) -> int:
    """Run what has not run, show all, and leave the page in `runs/` and in MLflow; the exit code."""
    settings, current = read_settings(texts)
    before = read_experiments()
    if current.name in (one.name for one in missing(settings, before)) and not stale_stages():
        before[current.name] = ""
    if to_run := missing(settings, before):
        run_all(to_run, workers)
    commits = read_experiments() | before
    failed = missing(settings, commits)
    client, experiment = open_store()
    results = []
    for one in settings:
        lock = read_lock(commits[one.name]) if one.name in commits else ""
        runs = stage_runs(client, experiment, lock, one.name)
        results.append(Result(one, commits.get(one.name, ""), lock, one.name not in before, runs))
    head, rows = table(results, patterns)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(as_page(head, rows), encoding="utf-8")
    keep(client, experiment, settings)
    print(*map(printable, as_text(head, rows).splitlines()), PAGE.resolve().as_uri(), sep="\n")
    for one in failed:
        print(f"{printable(one.text)} failed; `dvc queue logs {one.name}` says why", file=sys.stderr)
    return FAILED if failed else 0


def main() -> None:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m flows.compare", description=__doc__)
    parser.add_argument("settings", nargs="+", metavar="name=value,...", help="parameters other than in params.yaml")
    parser.add_argument("--workers", type=int, default=1, help="settings that run side by side")
    parser.add_argument("--metrics", action="append", default=[], metavar="PATTERN", help="also show, as 'pretrain.*'")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers: at least 1")
    if not is_tracked():
        parser.error("the table comes from MLflow: unset HEADWATER_TRACKING")
    try:
        sys.exit(compare(options.settings, options.workers, options.metrics))
    except (SettingError, BrokenLinkError, StoreError) as error:
        print(error, file=sys.stderr)
        sys.exit(CONFIGURATION)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
