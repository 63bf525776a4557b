"""A real SLURM of one node on this machine: its packages, its configuration and its daemons."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CORES = 2
# Nothing of it is the machine's own: not the key, not the ports, not a folder. A job that is put back into the queue
# starts again once the credentials of its former start are no longer valid, which is two minutes by default.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={controller}
SlurmdPort={worker}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=60
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=only Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def install() -> None:
    """Install what is missing; skips loudly where that cannot be."""
    if os.geteuid() != 0:
        pytest.skip("NO SLURM TESTS: root alone can start its daemons")
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch"))):
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "slurm-wlm", "munge"]
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        offline = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20")
        for words in (["apt-get", "update", "-qq"], command):
            done = subprocess.run([*words, *offline], env=quiet, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"NO SLURM TESTS: its packages cannot be installed: {done.stderr.strip()[-200:]}")


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens at."""
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def start(folder: Path) -> None:
    """Start the three daemons, and wait until the node takes jobs."""
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    controller, worker = free_ports()
    names = {"host": socket.gethostname(), "folder": folder, "cores": CORES, "controller": controller, "worker": worker}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**names))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    files = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
    logs = {"log-file": folder / "munged.log", "seed-file": folder / "munge.seed"}
    subprocess.run(["munged", *(f"--{name}={path}" for name, path in (files | logs).items())], check=True)
    for daemon in ("slurmctld", "slurmd"):
        subprocess.run([daemon], check=True)
    deadline = time.monotonic() + 60
    while "idle" not in subprocess.run(["sinfo"], capture_output=True, text=True, check=False).stdout:
        assert time.monotonic() < deadline, (folder / "slurmctld.log").read_text()
        time.sleep(0.2)


@contextlib.contextmanager
def running() -> Iterator[None]:
    """The cluster, which SLURM_CONF names until its end."""
    install()
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # munge wants its socket to be reached by all
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        start(folder)
        yield
    finally:
        subprocess.run(["scancel", "--me", "--signal=KILL", "--full"], check=False)
        for daemon in ("slurmd", "slurmctld", "munged"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((folder / f"{daemon}.pid").read_text()), signal.SIGTERM)
        del os.environ["SLURM_CONF"]
        shutil.rmtree(folder, ignore_errors=True)
