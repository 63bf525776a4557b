"""The model registry: what export wrote becomes a version in MLflow, and one version is the champion.

`python -m flows.registry` lists the versions. A version that is registered becomes the candidate; the rule in
`params.yaml` makes it the champion if its figures allow, once, and a person may make any version the champion at any
time. A folder that has a version is not registered again.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flows.chain import BrokenLinkError, UnknownError, printable
from flows.comparison import as_text
from flows.lineage import Checkout
from flows.logged_model import MODEL, store
from flows.promotion import LOW, Rule, looked_at, objections, read_figures, read_rule
from flows.record import text
from flows.server import HOST, free_port
from flows.tracking import is_tracked
from stages.errors import ExitCode, StageError
from stages.tracking.entries import git_tags, reason
from stages.tracking.store import StoreError, open_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

NAME = "headwater"
"""Of the registered model: a version's address is `models:/headwater@champion` or `models:/headwater/3`."""
CANDIDATE, CHAMPION = "candidate", "champion"
STAGE = "export"
HASH, VERDICT, REASON, FIGURE = "dvc.hash", "rule.verdict", "rule.reason", "figure."
"""Tags of a version: DVC's hash of the folder, what the rule made of it and why, and the figures that it looked at."""
PROMOTED, NOT_PROMOTED = "promoted", "not promoted"
COMMIT, DIRTY = "git.commit", "git.dirty"
SHOWN = 8
PORT = 5001


class RegistryError(Exception):
    """What a user can mend, in one line, with the exit code of its kind."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"registry: {printable(message)}")
        self.code = code


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Give every error that a user can cause in the body its exit code."""
    try:
        yield
    except (UnknownError, StoreError) as error:
        raise RegistryError(ExitCode.CONFIGURATION, str(error)) from error
    except StageError as error:
        raise RegistryError(error.code, str(error)) from error
    except BrokenLinkError as error:
        raise RegistryError(ExitCode.DATA, f"does not hold: {error}") from error


def run_of(client: "MlflowClient", experiment: str, digest: str) -> str | None:
    """The newest pipeline run that ended with this folder, if MLflow has one."""
    runs = client.search_runs([experiment], f"tags.`output/{MODEL}` = '{digest}'", max_results=1)
    return runs[0].info.run_id if runs else None


def versions(client: "MlflowClient") -> "list[ModelVersion]":
    """Every version, the newest first."""
    found = client.search_model_versions(f"name = '{NAME}'")
    return sorted(found, key=lambda version: int(version.version), reverse=True)


def aliases(client: "MlflowClient") -> dict[str, str]:
    """The version that each alias stands for."""
    models = client.search_registered_models(f"name = '{NAME}'")
    return {alias: str(version) for model in models for alias, version in model.aliases.items()}


def create_version(client: "MlflowClient", experiment: str, run_id: str | None, tags: dict[str, str]) -> "ModelVersion":
    """A version of the export as it is on disk."""
    run_id = run_id or run_of(client, experiment, tags[HASH])
    model_id = store(client, experiment, NAME, run_id)
    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
    return client.create_model_version(NAME, f"models:/{model_id}", run_id, tags, model_id=model_id)


def tagged_figures(version: "ModelVersion") -> dict[str, float]:
    """The figures that a version's tags hold."""
    tags = version.tags.items()
    return {name.removeprefix(FIGURE): float(value) for name, value in tags if name.startswith(FIGURE)}


def apply_rule(client: "MlflowClient", version: "ModelVersion", rule: Rule, figures: Mapping[str, float]) -> str:
    """Make a version the champion or leave it, and tag it with the verdict; what was decided and why."""
    champion = aliases(client).get(CHAMPION)
    standing = tagged_figures(client.get_model_version(NAME, champion)) if champion else None
    against = objections(rule, figures, standing)
    verdict = NOT_PROMOTED if against else PROMOTED
    reason = "; ".join(against) or f"the rule holds, against {f'version {champion}' if champion else 'no champion'}"
    if not against:
        client.set_registered_model_alias(NAME, CHAMPION, version.version)
    client.set_model_version_tag(NAME, version.version, REASON, reason)
    # Last: without it, after a kill, the rule is applied again.
    client.set_model_version_tag(NAME, version.version, VERDICT, verdict)
    return f"{verdict}: {reason}"


def checked_figures(checkout: Checkout, rule: Rule) -> dict[str, float]:
    """The figures that the rule looks at, from files that are as their stages wrote them."""
    figures = looked_at(rule, read_figures(checkout.stages))
    for stage in {name.partition(".")[0] for name in figures}:
        for path in (f"data/{stage}/metrics.json", f"data/{stage}/results.json"):
            if checkout.output(path):
                checkout.verified(path)
    return figures


def register(run_id: str | None = None) -> str:
    """Make the export a version, unless it is one, and the candidate; a line on what became of it.

    `run_id` is the pipeline's run, looked for where it is not given. StageError for a rule that cannot be applied,
    BrokenLinkError for a folder or figures that `dvc.lock` does not know.
    """
    rule, checkout = read_rule(), Checkout()
    checkout.verified(MODEL)
    digest, figures = checkout.writers[MODEL].writes[MODEL], checked_figures(checkout, rule)
    client, experiment = open_store()
    found = [version for version in versions(client) if version.tags.get(HASH) == digest]
    tags = {HASH: digest, **git_tags(), **{FIGURE + name: repr(value) for name, value in figures.items()}}
    version = found[0] if found else create_version(client, experiment, run_id, tags)
    client.set_registered_model_alias(NAME, CANDIDATE, version.version)
    if VERDICT in version.tags:
        return f"registry: version {version.version} is this model already, and the candidate"
    verdict = apply_rule(client, version, rule, figures)
    return f"registry: version {version.version} is the candidate; {verdict}"


def promote(number: str) -> str:
    """Make a version the champion because a person says so; a line on what changed."""
    client, _ = open_store()
    if number not in (str(version.version) for version in versions(client)):
        raise UnknownError(f"no version {number}; `python -m flows.registry` lists them.")
    before = aliases(client).get(CHAMPION)
    client.set_registered_model_alias(NAME, CHAMPION, number)
    return f"registry: version {number} is the champion; before: {f'version {before}' if before else 'none'}"


def listing() -> str:
    """The newest versions, and those with an alias, side by side: origin, figures, and what the rule made of each."""
    client, _ = open_store()
    named, found = aliases(client), versions(client)
    if not found:
        return f"registry: no version yet; `python -m flows.registry register` makes one of {MODEL}"
    shown = [version for place, version in enumerate(found) if place < SHOWN or str(version.version) in named.values()]
    figures = {name: None for version in shown for name in tagged_figures(version) if not name.endswith(LOW)}
    numbers = [str(version.version) for version in shown]
    rows = [
        ("", *(" ".join(alias for alias in named if named[alias] == number) for number in numbers)),
        *((tag, *(version.tags.get(tag, "")[:12] for version in shown)) for tag in (HASH, COMMIT, DIRTY, VERDICT)),
        *((name, *(text(tagged_figures(version).get(name)) for version in shown)) for name in figures),
    ]
    reasons = [f"{version.version}: {version.tags.get(REASON, '')}" for version in shown]
    return "\n".join([as_text(("version", *numbers), rows), *reasons])


def serve(alias: str, port: int) -> None:
    """Become MLflow's server of a version, on loopback, in this environment."""
    if alias not in aliases(open_store()[0]):
        raise UnknownError(f"no version is the {alias}; `python -m flows.registry` lists them.")
    if free_port(port) != port:
        raise UnknownError(f"port {port} is in use; choose another with --port.")
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/{NAME}@{alias}"]
    command += ["--env-manager", "local", "--host", HOST, "--port", str(port)]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.execv(sys.executable, command)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.registry", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("register", help="register data/export/model; the pipeline does it at its end")
    by_hand = commands.add_parser("promote", help="make a version the champion, or a former one again")
    by_hand.add_argument("version")
    server = commands.add_parser("serve", help="answer questions on loopback until Ctrl-C")
    server.add_argument("--alias", choices=(CHAMPION, CANDIDATE), default=CHAMPION)
    server.add_argument("--port", type=int, default=PORT)
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    """Do what the command line says."""
    if not is_tracked():
        raise UnknownError("the versions are in MLflow: unset HEADWATER_TRACKING.")
    if options.command == "serve":
        serve(options.alias, options.port)
    elif options.command == "promote":
        print(promote(options.version))
    elif options.command == "register":
        print(register())
    else:
        print("\n".join(map(printable, listing().splitlines())))


def check_rule() -> None:
    """RegistryError where the rule is missing or not well formed: a pipeline should not learn of it at its end."""
    if is_tracked():
        with one_line_errors():
            read_rule()


def register_run(run_id: str | None) -> None:
    """Register what a pipeline's run has exported, and say so; RegistryError where the user must mend something.

    A failure of MLflow is one loud line and never the pipeline's.
    """
    try:
        with one_line_errors():
            print(register(run_id), flush=True)
    except RegistryError:
        raise
    except Exception as error:
        print(f"WARNING: the model is not registered; the next run tries again: {reason(error)}", file=sys.stderr)


def main() -> None:
    """Run, or say in one line why not."""
    try:
        with one_line_errors():
            run(parsed())
    except RegistryError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)


if __name__ == "__main__":
    main()
