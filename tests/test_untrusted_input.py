"""Nothing in the code runs what it reads: no pickle, no evaluated text, no shell, no code that comes with weights."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import ROOT

CODE = [ROOT / "environment.py", *(path for name in ("stages", "flows") for path in (ROOT / name).rglob("*.py"))]

UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "runpy", "shelve"}
UNSAFE_CALLS = {
    "compile",
    "eval",
    "exec",
    "os.popen",
    "os.system",
    "pandas.read_pickle",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "torch.hub.load",
    "yaml.full_load",
    "yaml.load",
    "yaml.unsafe_load",
}
REQUIRED = {"torch.load": {"weights_only": True}}
"""Arguments that a call must give, with their value."""
ALLOWED = {"allow_pickle": [False], "shell": [False], "trust_remote_code": [False], "typ": ["safe", "rt"]}
"""The values, written out, that an argument of this name may have in any call."""


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def called(function: ast.expr, names: dict[str, str]) -> str:
    """The dotted name of what is called, as far as it is written out."""
    if isinstance(function, ast.Attribute):
        return f"{called(function.value, names)}.{function.attr}"
    return names.get(function.id, function.id) if isinstance(function, ast.Name) else ""


def unsafe_calls(source: str) -> Iterator[str]:
    """Each call that could run what it reads, with its line."""
    tree = ast.parse(source)
    names = imported_names(tree)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = called(call.func, names)
        given = {word.arg: getattr(word.value, "value", ...) for word in call.keywords if word.arg}
        is_unsafe = (
            name in UNSAFE_CALLS
            or name.partition(".")[0] in UNSAFE_MODULES
            or any(given.get(argument) is not value for argument, value in REQUIRED.get(name, {}).items())
            or any(given[argument] not in values for argument, values in ALLOWED.items() if argument in given)
        )
        if is_unsafe:
            yield f"line {call.lineno}: {ast.unparse(call)}"


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_call_runs_what_it_reads(path: Path) -> None:
    assert list(unsafe_calls(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "exec(text)",
        "import pickle\npickle.load(file)",
        "from pickle import loads as read\nread(text)",
        "import pandas as pd\npd.read_pickle(path)",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "from torch import load\nload(path, weights_only=choice)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "from ruamel.yaml import YAML\nYAML(typ='unsafe').load(text)",
        "import subprocess\nsubprocess.run(f'cat {name}', shell=True)",
        "import os\nos.system(command)",
        "AutoModel.from_pretrained(folder, trust_remote_code=True)",
    ],
)
def test_a_call_that_does_is_found(source: str) -> None:
    assert len(list(unsafe_calls(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "import re\nre.compile(text)",
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path, mmap_mode='r')",
        "from ruamel.yaml import YAML\nYAML(typ='safe', pure=True).load(path)",
        "import subprocess\nsubprocess.run(['cat', name])",
    ],
)
def test_a_call_that_does_not_is_left_alone(source: str) -> None:
    assert list(unsafe_calls(source)) == []
