import subprocess
import sys

HEAVY = ("matplotlib", "scipy", "transformers", "sklearn", "torchvision")


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_lightning_comes_without_what_a_text_model_never_uses():
    code = f"""
import sys, stages, lightning.pytorch
from stages.lean_imports import DeferringFinder
print([name for name in {HEAVY} if name in sys.modules])
print([finder for finder in sys.meta_path if isinstance(finder, DeferringFinder)])
"""
    assert python(code).splitlines() == ["[]", "[]"]


def test_the_metrics_are_all_there_when_one_is_asked_for():
    """The whole package loads into the module that Lightning holds, around the same base class."""
    code = """
import stages, lightning.pytorch, torch, torchmetrics
base = torchmetrics.Metric
from torchmetrics import Accuracy
from torchmetrics.text import Perplexity
print(torchmetrics.Metric is base, issubclass(Perplexity, base), torchmetrics.__version__.count(".") > 0)
print(Accuracy(task="binary")(torch.tensor([1, 0]), torch.tensor([1, 1])).item())
"""
    assert python(code).splitlines() == ["True True True", "0.5"]
