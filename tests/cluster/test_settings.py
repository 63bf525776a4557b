"""What `cluster.yaml` may say of training, and what it comes to for SLURM."""

from pathlib import Path

import pytest

from stages.cluster.settings import ALONE, read_launch_settings
from stages.cluster.slurm import job_script, submission
from stages.errors import ExitCode, StageError

COMMITTED = Path(__file__).parents[2] / "cluster.yaml"


def test_the_committed_file_says_what_holds_without_one(tmp_path: Path) -> None:
    assert read_launch_settings(COMMITTED) == read_launch_settings(tmp_path / "absent.yaml") == ALONE


def test_local_ranks_stay_on_one_machine(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(COMMITTED.read_text().replace("nodes: 1", "nodes: 2"))
    with pytest.raises(StageError, match=r"training: .*nodes must be 1 with launcher local") as caught:
        read_launch_settings(path)
    assert caught.value.code == ExitCode.CONFIGURATION
    path.write_text(path.read_text().replace("launcher: local", "launcher: slurm"))
    assert read_launch_settings(path).ranks == 2


def test_the_user_says_what_the_job_asks_for_but_not_how_many_ranks_it_has() -> None:
    options = {"gpus-per-node": 4, "no-requeue": None, "nodes": 3}
    settings = ALONE.model_copy(update={"nodes": 2, "processes": 4, "slurm": options})
    words = submission("pretrain", Path("job.sh"), Path("job.log"), settings)
    assert words[:2] == ["sbatch", "--wait"]
    assert words[-1] == "job.sh"
    assert {"--gpus-per-node=4", "--nodes=2", "--ntasks-per-node=4", "--open-mode=append"} <= set(words)
    assert words.index("--requeue") < words.index("--no-requeue")  # the last counts
    assert "--nodes=3" not in words


def test_a_job_runs_the_command_as_it_stands() -> None:
    assert job_script(["python", "-m", "stages.pretrain", "--train", "a b"]).endswith(
        "python -m stages.pretrain --train 'a b'\n"
    )
