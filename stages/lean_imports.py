"""Keeps imports short, above all Lightning's, from which the metrics of torchmetrics and all that they import are kept.

Lightning needs two base classes of torchmetrics, but the package's own `__init__` loads every metric, and with them
transformers, scipy.signal and matplotlib: two to four seconds. Here the package is left unexecuted until a name other
than those two is asked of it; then it loads as usual, into the same module, around the submodules already there.
"""

import gc
import importlib
import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

PACKAGE = "torchmetrics"

NEW_OBJECTS = 50_000
"""After which Python looks for garbage in cycles: after its usual 700 it spends a quarter of an import of PyTorch and
Lightning on looking through what stays."""


def _without_plots(search: Sequence[str]) -> None:
    """Load the submodule that says which optional packages are there, and have it say that matplotlib is not."""
    name = f"{PACKAGE}.utilities.imports"
    spec = PathFinder.find_spec(name, [f"{folder}/utilities" for folder in search])
    if spec is not None and spec.loader is not None:
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        vars(module)["_MATPLOTLIB_AVAILABLE"] = False


class DeferredLoader(Loader):
    """Loads the base classes at once and the rest of the package when it is first asked for."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the making of the module to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill in what Lightning reads; `__getattr__` (PEP 562) does the rest."""

        def load_rest(attribute: str) -> Any:
            if attribute.startswith("__"):  # probes such as __wrapped__ are answered without loading
                raise AttributeError(attribute)
            del vars(module)["__getattr__"]
            self.loader.exec_module(module)
            return getattr(module, attribute)

        names = vars(module)
        names["_logger"] = logging.getLogger(PACKAGE)
        names["__version__"] = importlib.metadata.version(PACKAGE)
        _without_plots(module.__path__)
        # In this order: the submodules import each other in a circle that only opens here.
        importlib.import_module(f"{PACKAGE}.utilities")
        names["Metric"] = importlib.import_module(f"{PACKAGE}.metric").Metric
        names["MetricCollection"] = importlib.import_module(f"{PACKAGE}.collections").MetricCollection
        names["__getattr__"] = load_rest


class DeferringFinder(MetaPathFinder):
    """Finds torchmetrics once, for the deferred loader, and takes itself out of the import system."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The package's own spec with the deferred loader in place of its loader."""
        if name != PACKAGE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = DeferredLoader(spec.loader)
        return spec


def install() -> None:
    """Defer torchmetrics and look for garbage less often in this process; nothing is imported now, and a second call
    does nothing."""
    gc.set_threshold(NEW_OBJECTS)
    if PACKAGE not in sys.modules and not any(isinstance(finder, DeferringFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, DeferringFinder())
