"""The name under which a package offers an object, found from its import statements without importing it."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Home = tuple[str, str]
"""Where an object is defined: module and name."""


@dataclass
class Surface:
    """The top level of a module: what it defines, imports and declares as public."""

    is_package: bool
    defined: list[str] = field(default_factory=list)
    imported: dict[str, Home] = field(default_factory=dict)
    starred: list[str] = field(default_factory=list)
    declared: set[str] | None = None
    """Names in `__all__`; null if there is none, or if it cannot be read without running the module."""


def statements(body: Iterable[ast.stmt]) -> Iterable[ast.stmt]:
    """The statements of a body, those under `if` and `try` included, because imports and definitions hide there."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If):
            yield from statements([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from statements([*statement.body, *statement.orelse, *statement.finalbody])


def surface(tree: ast.Module, module: str, is_package: bool) -> Surface:
    """The top level of `module`, whose syntax tree is `tree`."""
    found = Surface(is_package)
    augmented = False
    for statement in statements(tree.body):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.defined.append(statement.name)
        elif isinstance(statement, ast.ImportFrom):
            _add_import(found, statement, module)
        elif isinstance(statement, ast.Assign) and _assigns_all(statement.targets):
            found.declared = _string_list(statement.value)
        else:
            augmented |= isinstance(statement, ast.AugAssign) and _assigns_all([statement.target])
    if augmented:
        found.declared = None
    return found


def _assigns_all(targets: Iterable[ast.expr]) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def _string_list(value: ast.expr) -> set[str] | None:
    try:
        return set(ast.literal_eval(value))
    except (ValueError, TypeError):
        return None


def _add_import(found: Surface, statement: ast.ImportFrom, module: str) -> None:
    origin = _absolute(statement, module, found.is_package)
    for alias in statement.names:
        if alias.name == "*":
            found.starred.append(origin)
        else:
            found.imported[alias.asname or alias.name] = (origin, alias.name)


def _absolute(statement: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not statement.level:
        return statement.module or ""
    parts = module.split(".")
    # One dot means the package itself, which is the module where it is an __init__ file.
    parts = parts[: len(parts) - statement.level + is_package]
    return ".".join([*parts, statement.module] if statement.module else parts)


class PublicNames:
    """The shortest public path to each object of a package, after its `__init__` files."""

    def __init__(self, surfaces: Mapping[str, Surface]) -> None:
        self._surfaces = surfaces
        self._exposed: dict[str, dict[str, Home]] = {}
        self._paths = self._shortest_paths()

    def qualified(self, module: str, name: str) -> str:
        """Dotted name of an object (`name` is relative to the module): where it is offered, else where it is defined.

        An empty name stands for the module itself.
        """
        outermost, _, rest = name.partition(".")
        offered = self._paths.get((module, outermost), f"{module}.{outermost}") if name else module
        return f"{offered}.{rest}" if rest else offered

    def _exposes(self, module: str) -> dict[str, Home]:
        """Every name that can be imported from `module`, with the place of its definition."""
        if module in self._exposed:
            return self._exposed[module]
        names = self._exposed[module] = {}  # set before the recursion, so that circular imports end
        here = self._surfaces.get(module)
        if here is None:
            return names
        for origin in here.starred:
            names.update(self._offered(origin))
        for alias, (origin, name) in here.imported.items():
            if name in self._exposes(origin):
                names[alias] = self._exposes(origin)[name]
        names.update((name, (module, name)) for name in here.defined)
        return names

    def _offered(self, module: str) -> dict[str, Home]:
        """What a star import takes: the declared names, or all without a leading underscore."""
        declared = self._surfaces[module].declared if module in self._surfaces else None
        exposed = self._exposes(module)
        return {
            name: home
            for name, home in exposed.items()
            if (name in declared if declared is not None else not name.startswith("_"))
        }

    def _shortest_paths(self) -> dict[Home, str]:
        paths: dict[Home, str] = {}
        public = (module for module in self._surfaces if not is_private(module))
        for module in sorted(public, key=lambda module: (module.count("."), module)):
            for name, home in sorted(self._offered(module).items()):
                # An ordinary module does not offer what it imports for its own use.
                if self._surfaces[module].is_package or home[0] == module:
                    paths.setdefault(home, f"{module}.{name}")
        return paths


def is_private(dotted_name: str) -> bool:
    """Whether a part of the name starts with an underscore; names such as `__call__` do not count."""
    return any(
        part.startswith("_") and not (part.startswith("__") and part.endswith("__")) for part in dotted_name.split(".")
    )
