"""The house rules: what dvc.yaml, params.yaml, the stages, the packages and the README say of each other is true."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from flows.graph import read_graph
from flows.promotion import SECTION, read_rule
from stages.command import parameters_class, path_arguments
from stages.parameters import Section, read_parameters, read_section

ROOT = Path(__file__).parents[1]
PIPELINE: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
STAGES = list(PIPELINE)
PARAMETER_FILES = [ROOT / "params.yaml", ROOT / "tests/tiny_params.yaml"]

# They decide where a stage runs and what is said about it, never what it computes.
NO_DEPENDENCIES = (
    "environment.py",
    "stages/command.py",
    "stages/cluster/",
    "stages/execution/",
    "stages/lean_imports.py",
    "stages/progress.py",
    "stages/tracking/",
    "stages/training/launch.py",
)


def entries(stage: str, kind: str) -> dict[str, dict[str, Any]]:
    """The paths that dvc.yaml lists under `kind`, with their settings."""
    pairs = [entry if isinstance(entry, dict) else {entry: {}} for entry in PIPELINE[stage].get(kind, [])]
    return {path: settings for pair in pairs for path, settings in pair.items()}


def options(stage: str) -> dict[str, str]:
    """The options of a stage's command with their values."""
    words = shlex.split(PIPELINE[stage]["cmd"])
    assert words[:3] == ["python", "-m", f"stages.{stage}"]
    return dict(zip(words[3::2], words[4::2], strict=True))


def keys(content: Any) -> Any:
    """The shape of nested mappings: names without values."""
    return {name: keys(value) for name, value in content.items()} if isinstance(content, dict) else None


def tracked_files() -> list[str]:
    """Every file of the repository: committed, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted({name for name in listed if (ROOT / name).is_file()})


@pytest.mark.parametrize("stage", STAGES)
def test_the_command_gives_every_path_argument_of_the_stage_and_nothing_else(stage: str) -> None:
    module = importlib.import_module(f"stages.{stage}")
    assert set(options(stage)) == {f"--{name.replace('_', '-')}" for name in path_arguments(module.run)}
    assert options(stage)["--output"] == f"data/{stage}"
    assert f'command("{stage}", run)' in Path(str(module.__file__)).read_text()


def test_every_module_that_is_a_command_is_a_stage_and_no_other() -> None:
    commands = {path.stem for path in (ROOT / "stages").glob("*.py") if "\n    command(" in path.read_text()}
    assert commands == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_its_own_section_alone(stage: str) -> None:
    assert PIPELINE[stage]["params"] == [stage]


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=lambda path: path.name)
def test_sections_are_the_stages_in_pipeline_order_and_the_rule_of_the_flow(path: Path) -> None:
    assert list(read_parameters(path)) == [*STAGES, SECTION]


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=lambda path: path.name)
def test_the_rule_of_the_flow_decodes(path: Path) -> None:
    read_rule(path)


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("stage", STAGES)
def test_every_section_decodes(stage: str, path: Path) -> None:
    read_section(path, stage, parameters_class(importlib.import_module(f"stages.{stage}").run))


@pytest.mark.parametrize("stage", STAGES)
def test_the_tiny_parameters_have_the_same_keys(stage: str) -> None:
    full, tiny = (keys(read_parameters(path)[stage]) for path in PARAMETER_FILES)
    assert full == tiny


def nested_sections(annotation: Any) -> list[type[Section]]:
    """The sections inside a field's type: itself, or the items of a list, mapping or union."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for argument in get_args(annotation) for section in nested_sections(argument)]


def fields(section: type[Section]) -> Iterator[tuple[str, FieldInfo]]:
    """Every field that holds a value, in this section or in one inside it."""
    for name, field in section.model_fields.items():
        inner = nested_sections(field.annotation)
        if not inner:
            yield f"{section.__name__}.{name}", field
        for nested in inner:
            yield from fields(nested)


@pytest.mark.parametrize("stage", STAGES)
def test_every_parameter_says_what_it_is_and_has_no_default(stage: str) -> None:
    section = parameters_class(importlib.import_module(f"stages.{stage}").run)
    assert [name for name, field in fields(section) if not field.description] == []
    assert [name for name, field in fields(section) if not field.is_required()] == []


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_lie_in_the_stage_s_own_folder_and_metrics_stay_in_git(stage: str) -> None:
    outputs = [path for kind in ("outs", "metrics", "plots") for path in entries(stage, kind)]
    assert all(PurePosixPath(path).is_relative_to(f"data/{stage}") for path in outputs)
    assert entries(stage, "metrics") == {f"data/{stage}/metrics.json": {"cache": False}}


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_in_the_command_is_a_dependency_and_every_input_is_in_the_command(stage: str) -> None:
    inputs = {value for name, value in options(stage).items() if name != "--output"}
    code = {path for path in entries(stage, "deps") if path.startswith("stages/")}
    # The report draws the pipeline, but DVC refuses its own file as a dependency.
    assert inputs - {"dvc.yaml"} == set(entries(stage, "deps")) - code


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """The files of this project that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    files = {ROOT / (name.replace(".", "/") + ".py") for name in names}
    return frozenset(file for file in files if file.is_file())


def closure(path: Path) -> set[str]:
    """A stage's file and all that it imports, directly or not, which decides what it computes."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        name = file.relative_to(ROOT).as_posix()
        if name not in found and not name.startswith(NO_DEPENDENCIES):
            found.add(name)
            waiting += imported_files(file)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_the_dependencies_cover_all_code_that_the_stage_imports(stage: str) -> None:
    listed = [PurePosixPath(path) for path in entries(stage, "deps")]
    used = closure(ROOT / f"stages/{stage}.py")
    missing = {name for name in used if not any(PurePosixPath(name).is_relative_to(path) for path in listed)}
    assert missing == set()


@pytest.mark.parametrize("stage", STAGES)
def test_every_listed_file_of_code_is_there_and_used(stage: str) -> None:
    used = closure(ROOT / f"stages/{stage}.py")
    for path in (path for path in entries(stage, "deps") if path.startswith("stages/")):
        assert (ROOT / path).exists(), path
        is_read = PurePosixPath(path).suffix not in ("", ".py")  # a template, which no import shows
        assert is_read or any(PurePosixPath(name).is_relative_to(path) for name in used), f"{path} is not imported"


def test_packages_hold_no_code_of_their_own() -> None:
    """So that `__init__.py` needs no place among the dependencies; `stages/__init__.py` sets the environment alone."""
    for path in (ROOT / "stages").glob("*/**/__init__.py"):
        (statement,) = ast.parse(path.read_text()).body
        assert isinstance(statement, ast.Expr), path


def test_no_stage_imports_another() -> None:
    stages = {ROOT / f"stages/{stage}.py" for stage in STAGES}
    importers = [path for path in (ROOT / "stages").rglob("*.py") if imported_files(path) & (stages - {path})]
    assert importers == []


def test_there_is_no_way_around_the_gate() -> None:
    upstream = read_graph(ROOT / "dvc.yaml").upstream
    before_pretrain, waiting = set[str](), ["pretrain"]
    while waiting:
        stage = waiting.pop()
        before_pretrain.add(stage)
        waiting += upstream[stage]
    readers = [
        stage
        for stage in STAGES
        if stage in before_pretrain - {"validate"}
        and any(path.startswith("data/decontaminate/") for path in entries(stage, "deps"))
    ]
    assert readers == ["train_tokenizer", "encode"]
    for stage in readers:
        assert "data/validate/passed.json" in entries(stage, "deps")
        assert "require_passed(passed, documents)" in (ROOT / f"stages/{stage}.py").read_text()


def test_stages_stand_in_running_order() -> None:
    upstream = read_graph(ROOT / "dvc.yaml").upstream
    assert list(upstream) == STAGES
    assert all(STAGES.index(before) < STAGES.index(stage) for stage in STAGES for before in upstream[stage])


def test_layers_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


def test_compiled_loops_stand_in_files_that_import_none_of_ours() -> None:
    """numba keeps what it has compiled until the file of the loop changes, whatever has changed in those it imports."""
    using = [
        path for path in (ROOT / "stages").rglob("*.py") if re.search(r"^(from|import) numba", path.read_text(), re.M)
    ]
    assert sorted(path.relative_to(ROOT).as_posix() for path in using) == [
        "stages/text/kernels.py",
        "stages/text/token_kernels.py",
    ]
    assert not any(re.search(r"^(from|import) stages", path.read_text(), re.M) for path in using)


def third_party(folders: tuple[str, ...]) -> set[str]:
    """The distributions that the code of these folders imports."""
    names: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    ours = {"stages", "flows", "environment", "benchmarks", "tests"}
    where = packages_distributions()
    return {
        canonicalize_name(min(where[name], key=len)) for name in names - ours - sys.stdlib_module_names if name in where
    }


def declared() -> set[str]:
    """What pyproject.toml says is needed to run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    assert third_party(("stages", "flows")) | {"dvc"} == declared()


def test_the_lock_pins_everything_declared_at_one_exact_version() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    locked = [canonicalize_name(line.partition("==")[0]) for line in lines]
    assert len(locked) == len(set(locked))
    assert declared() <= set(locked)


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=lambda path: path.name)
def test_the_packages_read_as_text_are_in_the_lock(path: Path) -> None:
    sources = read_parameters(path)["collect"]["sources"]
    read = {canonicalize_name(name) for source in sources for name in source.get("packages", [])}
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert read <= {canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}


def listed_in_readme() -> tuple[set[str], set[str]]:
    """The files of the README's tree, and the folders that it names without going into them.

    A line of the tree is indented by two spaces a level; names stand before the first double space, several to a line
    if they share a phrase, and a folder's name ends with a slash.
    """
    (tree,) = re.findall(r"^## The tree\n.*?^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    files, folders, opened = set[str](), set[str](), list[str]()
    for line in tree.splitlines():
        level = (len(line) - len(line.lstrip())) // 2
        names = re.split(r" {2,}", line.strip())[0].split()
        for name in names:
            path = "".join([*opened[:level], name])
            (folders if name.endswith("/") else files).add(path)
        opened[level:] = [names[-1]]
    closed = {folder for folder in folders if not any(path.startswith(folder) and path != folder for path in files)}
    return files, closed


def test_the_tree_in_the_readme_lists_every_file_and_only_those() -> None:
    files, folders = listed_in_readme()
    existing = tracked_files()
    assert {path for path in files if not (ROOT / path).is_file()} == set()
    assert {path for path in folders if not (ROOT / path).is_dir()} == set()
    unlisted = [
        name
        for name in existing
        if name not in files and not name.startswith(tuple(folders)) and Path(name).name != "__init__.py"
    ]
    assert unlisted == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
