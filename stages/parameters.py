"""Typed parameters: a value stands in `params.yaml` alone and is checked in its stage's `Params` alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import ExitCode, StageError

Metrics = dict[str, float | int | str]
"""What a stage returns: flat, with stable keys; written to its `metrics.json`."""


class Section(BaseModel):
    """Part of `params.yaml`: frozen, without defaults, closed to unknown keys; no number is `.nan`, `.inf` or huge."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def fits_a_machine(cls, value: Any) -> Any:
        """The value; ValueError for a whole number, alone or in a collection, of more than 64 bits."""
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        if any(isinstance(part, int) and not -(2**63) <= part < 2**63 for part in parts):
            raise ValueError("a whole number must fit into 64 bits")
        return value


def read_parameters(path: Path) -> dict[str, Any]:
    """Every section of a parameter file, read as YAML 1.2 as DVC does (so that `3e-4` is a number)."""
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except (OSError, YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        raise StageError(
            ExitCode.CONFIGURATION, "cannot read parameters", str(path), f"Mend the file: {error}"
        ) from error
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        remedy = f"It holds {found} where sections belong: copy them back from the committed file."
        raise StageError(ExitCode.CONFIGURATION, "no sections", str(path), remedy)
    return content


SectionType = TypeVar("SectionType", bound=Section)


def problems(name: str, content: Any, section: type[Section]) -> list[str]:
    """All that is wrong with what a parameter file holds under `name`, each with its dotted place."""
    try:
        section.model_validate(content)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, (name, *found['loc'])))}: "
            f"{'must hold names and values' if found['type'] == 'model_type' else found['msg']}"
            for found in error.errors()
        ]
    return []


def bad_parameters(path: Path, found: Sequence[str]) -> StageError:
    """The error that names all of `problems`."""
    return StageError(ExitCode.CONFIGURATION, "bad parameters", "; ".join(found), f"Edit {path}.")


def read_section(path: Path, name: str, section: type[SectionType]) -> SectionType:
    """The section `name` of the file at `path` as `section`; all that is wrong with it is reported at once."""
    parameters = read_parameters(path)
    if name not in parameters:
        raise StageError(
            ExitCode.CONFIGURATION, "section missing", f"{path}: {name}", "Copy it back from the committed file."
        )
    if found := problems(name, parameters[name], section):
        raise bad_parameters(path, found)
    return section.model_validate(parameters[name])
