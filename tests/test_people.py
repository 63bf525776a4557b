"""What people wrote outlives whatever git and DVC do around it, and rank reads it as it was at one moment."""

import shlex
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.preferences.records import RESPONSE_SCHEMA, Judgement, Ratings
from stages.text.documents import write_table
from stages.text.records import read_records
from tests.projects import Project, copy_of_this
from tests.specimens import demonstration, judgement, write_sample

JUDGEMENTS = "data/people/judgements.jsonl"
DEMONSTRATIONS = "data/people/demonstrations.jsonl"
RESPONSES = "data/sample/responses.parquet"
PROMPTS = "data/decontaminate/prompts.jsonl"
TOKENIZER = "data/train_tokenizer/tokenizer"
SAMPLE = "given/responses.parquet"
UNRATED = Ratings(helpfulness=None, accuracy=None, tone=None, safety=None)


def judged(name: str) -> Judgement:
    """A person's judgement of two answers to the prompt of split rank."""
    texts = {"prompt-rank-0": "Return it.", "prompt-rank-1": "No."}
    return judgement(name, texts, (1, 2), [UNRATED] * 2, prompt_id="prompt-rank")


def write_down(project: Project, *names: str) -> None:
    """Append to the snapshot, as an export would leave it."""
    with (project.folder / JUDGEMENTS).open("a") as file:
        file.writelines(judged(name).line() + "\n" for name in names)


def people_s_files(project: Project) -> dict[str, bytes]:
    """The content of both snapshots."""
    return {name: (project.folder / name).read_bytes() for name in (JUDGEMENTS, DEMONSTRATIONS)}


def given(path: str) -> dict[str, object]:
    """A stage that writes an output from a copy of it that git holds, in the place of those that compute it."""
    source = f"given/{Path(path).name}"
    command = f"mkdir -p {Path(path).parent} && cp -r {source} {Path(path).parent}"
    return {"cmd": command, "deps": [source], "outs": [path]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tokenizer, tokenizer_folder) -> Project:
    """The stage rank of this project, of which people are the judges, behind outputs that are given."""
    project = copy_of_this(tmp_path_factory.mktemp("people"))
    yaml, pipeline = YAML(typ="safe"), project.folder / "dvc.yaml"
    stages = {Path(path).parent.name: given(path) for path in (RESPONSES, PROMPTS, TOKENIZER)}
    yaml.dump({"stages": stages | {"rank": yaml.load(pipeline)["stages"]["rank"]}}, pipeline)
    project.edit("params.yaml", "judges: simulated  #", "judges: people  #")
    project.edit("params.yaml", "fewest_judgements: 5", "fewest_judgements: 1")
    shutil.copytree(tokenizer_folder, project.folder / "given" / Path(TOKENIZER).name)
    write_sample(project.folder / SAMPLE, project.folder / "given/prompts.jsonl", ("Return it.", "No."), tokenizer)
    (project.folder / DEMONSTRATIONS).write_text(demonstration("written").line() + "\n")
    write_down(project, "anna", "ben")
    rank(project)
    project.commit()
    write_down(project, "carla")  # and not committed yet
    return project


def rank(project: Project) -> dict[str, float]:
    """Bring rank up to date; its metrics."""
    code, output = project.run("dvc", "repro", HEADWATER_TRACKING="off")
    assert code == 0, output
    return YAML(typ="safe").load(project.folder / "data/rank/metrics.json")


@pytest.mark.parametrize(
    "command",
    [
        "dvc checkout",
        "dvc checkout -f",
        "dvc repro",
        "dvc repro --force",
        "dvc exp run --temp --set-param rank.seed=7",
        "dvc commit --force",
        "dvc gc --workspace --force",
        "git clean -fd",
        "git clean -fdx data/rank",
    ],
)
def test_no_command_of_git_or_dvc_changes_what_people_wrote(project: Project, command: str) -> None:
    before = people_s_files(project)
    code, output = project.run(*shlex.split(command), HEADWATER_TRACKING="off")
    assert code == 0, output
    assert people_s_files(project) == before


def test_a_fresh_clone_holds_what_was_committed(project: Project, tmp_path: Path) -> None:
    assert project.run("git", "clone", "--quiet", str(project.folder), str(tmp_path / "clone"))[0] == 0
    clone = Project(tmp_path / "clone")
    assert [one.id for one in read_records(clone.folder / JUDGEMENTS, Judgement)] == ["anna", "ben"]
    assert people_s_files(clone)[DEMONSTRATIONS] == people_s_files(project)[DEMONSTRATIONS]


def test_old_judgements_count_after_the_answers_were_drawn_again_and_rank_says_so(project: Project) -> None:
    """By another model: other ids. With other settings: other texts under the same ids."""
    before, table = people_s_files(project), pd.read_parquet(project.folder / SAMPLE)
    current = rank(project)
    assert (current["judgements"], current["current_sample_share"]) == (3, 1.0)
    for changes in ({"id": "new-" + table["id"]}, {"text": table["text"] + " Or so."}):
        write_table(project.folder / SAMPLE, table.assign(**changes), RESPONSE_SCHEMA)
        metrics = rank(project)
        assert (metrics["judgements"], metrics["current_sample_share"]) == (3, 0.0)
        used = read_records(project.folder / "data/rank/people/judgements.jsonl", Judgement)
        assert [one.id for one in used] == ["anna", "ben", "carla"]
        assert people_s_files(project) == before


def test_a_judgement_that_is_written_while_rank_runs_fails_it(project: Project) -> None:
    project.edit("params.yaml", "bootstrap_draws: 100\n", "bootstrap_draws: 300000\n")
    before = project.lock()
    running = project.start("dvc", "repro", HEADWATER_TRACKING="off")
    deadline = time.monotonic() + 120
    while not (project.folder / "data/rank/unfinished").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    write_down(project, "dora")
    output, _ = running.communicate()
    assert running.returncode != 0, output
    assert f"rank: changed while running: {JUDGEMENTS}. " in output
    assert project.lock() == before
    project.edit("params.yaml", "bootstrap_draws: 300000\n", "bootstrap_draws: 100\n")
    assert rank(project)["judgements"] == 4
