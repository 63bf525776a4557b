"""Importing a library without what it loads for work that is never asked of it."""

import gc
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class LazyFinder(MetaPathFinder):
    """Finds some modules so that they run when something is first asked of them."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module's own spec with a lazy loader around its loader."""
        spec = PathFinder.find_spec(name, path, target) if name in self.names else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def bare(absent: Collection[str], deferred: Collection[str]) -> Iterator[None]:
    """A context for imports: `absent` packages count as not installed, `deferred` modules wait until they are used.

    What this process has loaded before stays. Cyclic garbage is not searched for: new classes are none, and the search
    takes a quarter of a long import.
    """
    hidden = [name for name in absent if name not in sys.modules]
    finder = LazyFinder(deferred)
    collects = gc.isenabled()
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None stands for a module that is not there
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        sys.meta_path.remove(finder)
        for name in hidden:
            del sys.modules[name]
