"""Typed parameters: a value stands in `params.yaml` alone and is checked in its stage's `Params` alone."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import ExitCode, StageError

Metrics = dict[str, float | int | str]
"""What a stage returns: flat, with stable keys; written to its `metrics.json`."""


class Section(BaseModel):
    """Part of `params.yaml`: frozen, without defaults, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def read_parameters(path: Path) -> dict[str, Any]:
    """Every section of a parameter file, read as YAML 1.2 as DVC does (so that `3e-4` is a number)."""
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except (OSError, YAMLError) as error:
        raise StageError(
            ExitCode.CONFIGURATION, "cannot read parameters", str(path), f"Mend the file: {error}"
        ) from error
    return content or {}


SectionType = TypeVar("SectionType", bound=Section)


def read_section(path: Path, name: str, section: type[SectionType]) -> SectionType:
    """The section `name` of the file at `path` as `section`; all that is wrong with it is reported at once."""
    parameters = read_parameters(path)
    if name not in parameters:
        raise StageError(
            ExitCode.CONFIGURATION, "section missing", f"{path}: {name}", "Copy it back from the committed file."
        )
    try:
        return section.model_validate(parameters[name])
    except ValidationError as error:
        problems = "; ".join(
            f"{name}.{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise StageError(ExitCode.CONFIGURATION, "bad parameters", problems, f"Edit {path}.") from error
