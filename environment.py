"""The environment variables that every process of this checkout starts with: the one place where they are set.

`stages/__init__.py` and `flows/__init__.py` call `apply` before anything heavy is imported. A variable that the user
has set wins. None of them changes a result, but that another number of threads may round its last digits otherwise.
"""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",  # read by Prefect, MLflow and Hugging Face
    "DVC_NO_ANALYTICS": "1",
    "DVC_STUDIO_OFFLINE": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ITERATIVE_DO_NOT_TRACK": "do-not-track",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def available_cores() -> int:
    """Cores this process may use; a container or a scheduler may grant fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def variables(checkout: Path = CHECKOUT) -> dict[str, str]:
    """Every variable with the value it has unless the user sets another."""
    return {
        **NO_TELEMETRY,
        # A thread that waits for another, which something else keeps from its core, sleeps early and leaves its own.
        # Tokens/s of 1M weights on two cores, alone and beside a busy process: 21,800 and 9,900 with 2,000 turns of
        # waiting, 21,600 and 4,600 with 20,000, 22,500 and 5,600 with libgomp's own 300,000.
        "GOMP_SPINCOUNT": "2000",
        "HF_HUB_OFFLINE": "1",  # set it to 0 for a source or for weights that come from the hub
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",  # a model is loaded from safetensors and code, or not at all
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_TRACKING_URI": f"sqlite:///{checkout / 'mlflow.db'}",
        "NUMBA_CACHE_DIR": str(checkout / ".compile/numba"),
        "OMP_NUM_THREADS": str(available_cores()),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the flow prints its own lines; the page has the log
        "PREFECT_HOME": str(checkout / ".prefect"),
        # What is compiled holds a gradient of our own; the key of the cache holds both of its passes.
        "TORCHINDUCTOR_AUTOGRAD_CACHE_ALLOW_CUSTOM_AUTOGRAD": "1",
        "TORCHINDUCTOR_CACHE_DIR": str(checkout / ".compile"),
        # A processor's word on its vector instructions is taken; else each process tries them before its first step,
        # for 0.6 s, and 10 s where nothing is cached yet.
        "TORCHINDUCTOR_VEC_ISA_OK": "1",
    }


def apply() -> None:
    """Set what the user has not set."""
    for name, value in variables().items():
        os.environ.setdefault(name, value)
