"""Check the sections of `params.yaml`, each against the class of the stage that will read it.

`python -m stages.check` names all that is wrong, of all stages, in one line, and then ends with code 2. The flow asks
it before any stage starts, so that a slip in the last section does not show after the work of all the others.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from ruamel.yaml import YAML

from stages.command import PARAMETERS, PIPELINE, parameters_class
from stages.errors import StageError
from stages.parameters import Section, bad_parameters, problems, read_parameters

OF_FLOWS = {"registry"}
"""Sections that the flow reads, and checks itself."""


def classes(stages: Iterable[str]) -> dict[str, type[Section]]:
    """The class of each stage's section."""
    return {stage: parameters_class(import_module(f"stages.{stage}").run) for stage in stages}


def wrong(parameters: Mapping[str, Any], stages: Sequence[str], checked: Iterable[str]) -> list[str]:
    """Sections that are missing or no stage's, and all that is wrong with those of the stages to be checked."""
    found = [f"{name}: no stage has this section" for name in parameters if name not in {*stages, *OF_FLOWS}]
    found += [f"{name}: section missing" for name in stages if name not in parameters]
    present = (stage for stage in checked if stage in parameters)
    return found + [one for name, kind in classes(present).items() for one in problems(name, parameters[name], kind)]


def main() -> None:
    """Read the command line, check, and end with the code of the error if there is one."""
    stages = list(YAML(typ="safe").load(PIPELINE)["stages"])
    parser = argparse.ArgumentParser(prog="python -m stages.check", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="default: every stage")
    checked = parser.parse_args().stages or stages
    if unknown := set(checked) - set(stages):
        parser.error(f"no stage of {PIPELINE}: {', '.join(sorted(unknown))}")
    try:
        if found := wrong(read_parameters(PARAMETERS), stages, checked):
            raise bad_parameters(PARAMETERS, found)
    except StageError as error:
        print(" ".join(f"check: {error}".split()), file=sys.stderr)
        sys.exit(error.code)


if __name__ == "__main__":
    main()
