"""Kill the pipeline at random moments, start it again, and compare with a run that nobody disturbed.

`python -m tests.campaign --kills 1000` runs the tiny pipeline once and then as many kills as asked for, drawn from a
seed that it prints. A kill takes one process: a stage's, DVC, DVC's whole group, the flow or the Prefect server.
"""

import argparse
import itertools
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.disturbance import Disturbed, Kill
from tests.projects import Project, copy_of_this

STAGES = ("collect", "clean", "pretrain", "finetune", "instruct", "train_reward", "ppo")
TARGETS = ("stage", "dvc", "group", "flow", "server")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
LATEST = 1.2
"""Of a stage's seconds at work: what DVC does after them is a moment to be killed at too."""
MOST_IN_A_ROW = 10


@dataclass(frozen=True)
class Episode:
    """One stage, run from nothing until it is done, and what interrupts it."""

    stage: str
    kills: tuple[Kill, ...]


def in_turn(names: tuple[str, ...], draw: random.Random) -> Iterator[str]:
    """All names in a drawn order, then all in another: a short campaign misses none."""
    while True:
        yield from draw.sample(names, len(names))


def drawn_kill(target: str, draw: random.Random) -> Kill:
    """A kill of `target`; of what can do without the flow, one in four is started by it all the same."""
    by_flow = target in ("flow", "server") or draw.randrange(4) == 0
    return Kill(target, draw.choice(SIGNALS), draw.uniform(0, LATEST), by_flow)


def plan(seed: int) -> Iterator[Episode]:
    """Episodes without end; a function of the seed."""
    draw = random.Random(seed)
    stages, targets = in_turn(STAGES, draw), in_turn(TARGETS, draw)
    while True:
        in_a_row = itertools.islice(targets, draw.randint(1, MOST_IN_A_ROW))
        kills = [drawn_kill(target, draw) for target in in_a_row]
        # Those that DVC starts come first: behind a killed flow only another flow may go on, and it takes longer.
        yield Episode(next(stages), tuple(sorted(kills, key=lambda kill: kill.by_flow)))


def campaign(folder: Path, finished: Project, kills: int, seed: int) -> Counter[tuple[str, str]]:
    """Carry out at least so many kills in a copy of a finished run; how often each target of each stage was killed.

    A process that had ended before its moment came is not counted. DisturbedError at the first difference.
    """
    print(f"campaign: seed {seed}, {kills} kills", flush=True)
    disturbed = Disturbed.copy(finished, folder)
    done: Counter[tuple[str, str]] = Counter()
    with disturbed.kept_tidy():
        for episode in plan(seed):
            for kill, came_in_time in disturbed.run(episode.stage, episode.kills):
                done[episode.stage, kill.target] += came_in_time
                print(f"{done.total():5} {episode.stage}: {kill}{'' if came_in_time else ' (too late)'}", flush=True)
            if done.total() >= kills:
                disturbed.require_all_closed()
                return done
    raise AssertionError("a plan has no end")


def table(done: Counter[tuple[str, str]]) -> str:
    """Kills by stage and target, with their sums."""
    rows = [["stage", *TARGETS, "all"]]
    for stage in STAGES:
        counts = [done[stage, target] for target in TARGETS]
        rows.append([stage, *map(str, counts), str(sum(counts))])
    sums = [sum(done[stage, target] for stage in STAGES) for target in TARGETS]
    rows.append(["all", *map(str, sums), str(done.total())])
    return "\n".join(f"{row[0]:14}" + "".join(f"{cell:>8}" for cell in row[1:]) for row in rows)


def main() -> None:
    """Run the tiny pipeline undisturbed, then the campaign in a copy of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--seed", type=int, help="of what is killed and when; default: one drawn, and printed")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        finished = copy_of_this(Path(folder, "undisturbed"))
        code, output = finished.flow()
        if code:
            raise SystemExit(output)
        print(table(campaign(Path(folder, "disturbed"), finished, options.kills, seed)))


if __name__ == "__main__":
    main()
