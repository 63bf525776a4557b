"""From any artifact back to its sources, re-hashing whatever is passed: `python -m flows.trace data/ppo/model`."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from flows.chain import BrokenLinkError, Line, Step, UnknownError, as_json, first_broken, printable, shown
from flows.graph import overlap
from flows.lineage import Checkout, Stage, relative, stage_step

CONFIGURATION, DATA = 2, 3
"""Exit codes of a bad argument and of a link that does not hold, as the stages have them."""
EXAMPLES = """
examples:
  python -m flows.trace data/ppo/model              where does this model come from?
  python -m flows.trace --document 616c3b04e1bc9652 what became of this document?
  python -m flows.trace --text "edge weights"       which documents and answers say this, and where are they from?
  python -m flows.trace --judgement f3dad8f8e76bd13c who judged which answers of which model? (or a preference, prompt)
  python -m flows.trace --all                       does every link of the pipeline hold?

Every line that stands on a hash says `ok`, or what differs. Exit codes: 0 all holds, 2 there is nothing of that name,
3 a link does not hold (the last line names the first one).
"""


def path_steps(checkout: Checkout, path: str) -> list[Step]:
    """The stages behind a file or folder, the last first, published weights and the sources."""
    readers = [stage for stage in checkout.stages.values() if any(overlap(path, read) for read in stage.reads)]
    is_input = Path(path).exists() and any(path in stage.reads for stage in readers)
    behind = checkout.behind([path])
    if not behind and not is_input:
        raise UnknownError(f"{path}: no stage in dvc.lock has written or read it.")
    lines = [
        Line("read", f"by {stage.name}", (checkout.check(stage, path),)) for stage in readers if path in stage.reads
    ]
    steps = [Step(path, tuple(lines))] if is_input and not behind else []
    steps += [stage_step(checkout, stage, outs) for stage, outs in behind]
    if not Path(path).exists() and first_broken(steps) is None:
        raise UnknownError(f"{path}: no such file.")
    return [*steps, *_sources(checkout, behind)]


def _sources(checkout: Checkout, behind: Sequence[tuple[Stage, tuple[str, ...]]]) -> list[Step]:
    from flows.origins import sources_step, weights_step  # Parquet takes half a second to load

    stages = [stage for stage, _ in behind]
    found: list[Callable[[Checkout], Step]] = [
        partial(weights_step, stage=stage) for stage in stages if stage.section.get("init_from")
    ]
    if any(stage.name == "collect" for stage in stages):
        found.append(sources_step)
    return [followed(step, checkout) for step in found]


def followed(step: Callable[[Checkout], Step], checkout: Checkout) -> Step:
    """A step, or in its place the broken file that it would have read."""
    try:
        return step(checkout)
    except BrokenLinkError as error:
        return Step("not followed further", (Line("", error.check.what, (error.check,)),))


def all_steps(checkout: Checkout) -> list[Step]:
    """Every output of every stage, every source, every document's id and every judgement."""
    from flows.document_trace import identities_step
    from flows.judgement_trace import preferences_step

    behind = checkout.behind(checkout.writers)
    steps = [stage_step(checkout, stage, outs) for stage, outs in behind] + _sources(checkout, behind)
    if {"collect", "rank"} <= checkout.stages.keys():
        steps += [followed(identities_step, checkout), followed(preferences_step, checkout)]
    return steps


def steps_of(checkout: Checkout, arguments: argparse.Namespace) -> list[Step]:
    """The trace that was asked for."""
    if arguments.document:
        from flows.document_trace import document_steps

        return document_steps(checkout, arguments.document)
    if arguments.judgement:
        from flows.judgement_trace import judgement_steps

        return judgement_steps(checkout, arguments.judgement)
    if arguments.text is not None:
        from flows.text_trace import text_steps

        return text_steps(checkout, arguments.text)
    return all_steps(checkout) if arguments.all else path_steps(checkout, relative(arguments.path))


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        "python -m flows.trace",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("path", nargs="?", help="a file or folder that the pipeline wrote or read, or one inside it")
    what.add_argument("--document", metavar="ID", help="what became of a document, and where it is from")
    what.add_argument("--text", help="what holds these words, whatever white space is between them")
    what.add_argument("--judgement", metavar="ID", help="a judgement, or all of a preference or prompt")
    what.add_argument("--all", action="store_true", help="verify every link of the pipeline")
    parser.add_argument("--json", action="store_true", help="the chain for machines, with every hash")
    return parser.parse_args(words)


def run(words: Sequence[str] | None = None) -> int:
    """Print a trace; the exit code."""
    arguments = parsed(words)
    steps: list[Step] = []
    try:
        steps = steps_of(Checkout(), arguments)
        broken = first_broken(steps)
        problem = f"{broken}" if broken else None
    except UnknownError as error:
        print(printable(str(error)), file=sys.stderr)
        return CONFIGURATION
    except BrokenLinkError as error:
        problem = str(error)
    checks = sum(len(line.checks) for step in steps for line in step.lines)
    if arguments.json:
        print(as_json(steps, problem))
    else:
        print("\n".join(printable(line) for line in shown(steps)))
    if problem:
        print(printable(f"does not hold: {problem}"), file=sys.stderr)
        return DATA
    if not arguments.json:
        print(f"all holds: {checks} checks")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no error
    sys.exit(run())
