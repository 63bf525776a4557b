"""A setting: parameters other than those in `params.yaml`, and a hash of all that decides what it gives."""

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.graph import OUTPUTS, declared, overlap
from flows.lineage import ignored_by_dvc, path_md5, read_yaml

PREFIX = "setting-"
"""Of the name of a DVC experiment that holds a setting; its hash follows."""
HASH_CHARACTERS = 16

_NEXT_NAME = re.compile(r",(?=[A-Za-z_][\w.]*=)")


class SettingError(Exception):
    """A setting that cannot be tried: what is wrong with it, and what to do."""


@dataclass(frozen=True)
class Setting:
    """A setting as the user wrote it, and the name of its experiment."""

    text: str
    name: str


def split(text: str) -> list[str]:
    """The overrides of a setting, `name=value` each; a comma inside a value does not end it."""
    return _NEXT_NAME.split(text)


def values(text: str) -> dict[str, Any]:
    """The value of each parameter that a setting names."""
    found: dict[str, Any] = {}
    for override in split(text):
        name, equals, value = override.partition("=")
        try:
            found[name] = YAML(typ="safe").load(value)
        except YAMLError as error:
            raise SettingError(f"{override}: the value cannot be read; write it as in params.yaml.") from error
        if not (name and equals):
            raise SettingError(f"{override!r}: not a setting; write name=value,name=value.")
        if isinstance(found[name], str) and "," in found[name]:  # DVC would make several experiments of it
            raise SettingError(f"{override}: one value only; write each as a setting of its own.")
    return found


def applied(parameters: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Nested parameters with values replaced by dotted name; a name that is not there is an error."""
    result = copy.deepcopy(dict(parameters))
    for name, value in overrides.items():
        *sections, last = name.split(".")
        place: Any = result
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise SettingError(f"{name}: no such parameter in params.yaml.")
        place[last] = value
    return result


def sources(stages: Mapping[str, Any]) -> list[str]:
    """What stages of `dvc.yaml` depend on and none of them writes: code and data from outside."""
    outputs = [output for stage in stages.values() for output in declared(stage, *OUTPUTS)]
    paths = {path for stage in stages.values() for path in declared(stage, "deps")}
    return sorted(path for path in paths if not any(overlap(path, output) for output in outputs))


def fingerprint(stages: Mapping[str, Any], parameters: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """A hash of every stage's command, parameters and sources: equal settings give equal outputs."""
    content = {
        name: [
            stage["cmd"],
            {section: parameters.get(section.partition(".")[0]) for section in declared(stage, "params")},
            {path: hashes[path] for path in declared(stage, "deps") if path in hashes},
        ]
        for name, stage in stages.items()
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:HASH_CHARACTERS]


def read_settings(texts: Iterable[str]) -> tuple[list[Setting], Setting]:
    """The settings of a command line, and that of this checkout as it stands."""
    stages, parameters = read_yaml(Path("dvc.yaml"))["stages"], read_yaml(Path("params.yaml"))
    ignored = ignored_by_dvc()
    hashes = {path: path_md5(Path(path), ignored) for path in sources(stages)}

    def setting(text: str, overrides: Mapping[str, Any]) -> Setting:
        return Setting(text, PREFIX + fingerprint(stages, applied(parameters, overrides), hashes))

    return [setting(text, values(text)) for text in texts], setting("", {})
