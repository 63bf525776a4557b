"""Documents from Python source: one for each docstring, and the code without its docstrings."""

import ast
import inspect
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from stages.text.public_names import Surface, statements, surface

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# At the margin of the docstring: an indented mark dates a parameter, not the object.
_VERSION_ADDED = re.compile(r"^\.\. versionadded:: *v?(\d[\w.]*)", re.MULTILINE)


@dataclass(frozen=True)
class Documented:
    """An object with a docstring."""

    name: str
    """Dotted, relative to its module; empty for the module itself."""
    signature: str
    """Parameters in parentheses, without annotations; empty where there are none to give."""
    docstring: str
    """Without its indentation."""

    @property
    def version_added(self) -> str | None:
        """The version that introduced the object, if the docstring states it."""
        found = _VERSION_ADDED.search(self.docstring)
        return found[1].rstrip(".") if found else None


@dataclass(frozen=True)
class ModuleReading:
    """What one source file gives."""

    documented: list[Documented]
    surface: Surface


def parse(text: str) -> ast.Module:
    """The syntax tree; raises SyntaxError or ValueError where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(text)


def read_module(text: str, module: str, is_package: bool) -> ModuleReading:
    """Docstrings and top level of a module."""
    tree = parse(text)
    return ModuleReading(list(_documented(tree)), surface(tree, module, is_package))


def _documented(tree: ast.Module) -> Iterator[Documented]:
    docstring = _docstring(tree)
    if docstring:
        yield Documented("", "", docstring)
    yield from _documented_in(tree.body, prefix="")


def _documented_in(body: list[ast.stmt], prefix: str) -> Iterator[Documented]:
    seen = set()
    for statement in statements(body):
        if not isinstance(statement, Definition):
            continue
        # A later definition of the same name is a setter or a fallback; an overload before it has no docstring.
        if statement.name in seen:
            continue
        docstring = _docstring(statement)
        if docstring:
            seen.add(statement.name)
            yield Documented(prefix + statement.name, _signature(statement, is_method=bool(prefix)), docstring)
        if isinstance(statement, ast.ClassDef):
            seen.add(statement.name)
            yield from _documented_in(statement.body, f"{prefix}{statement.name}.")


def _docstring(node: Definition | ast.Module) -> str | None:
    docstring = ast.get_docstring(node, clean=False)
    return inspect.cleandoc(docstring) if docstring else None


def _decorators(definition: Definition) -> set[str]:
    nodes = [node.func if isinstance(node, ast.Call) else node for node in definition.decorator_list]
    return {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in nodes}


def _signature(definition: Definition, is_method: bool) -> str:
    if isinstance(definition, ast.ClassDef):
        methods = (node for node in definition.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
        constructor = next(methods, None)
        return _signature(constructor, is_method=True) if constructor else ""
    decorators = _decorators(definition)
    if any("property" in decorator for decorator in decorators):
        return ""
    arguments = definition.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if argument is not None:
            argument.annotation = None
    leading = arguments.posonlyargs or arguments.args
    if is_method and leading and "staticmethod" not in decorators:
        del leading[0]
    # More defaults than arguments are left if the first argument had one.
    room = len(arguments.posonlyargs) + len(arguments.args)
    arguments.defaults = arguments.defaults[-room:] if room else []
    return f"({ast.unparse(arguments)})"


def without_docstrings(text: str) -> str:
    """The code with its docstrings cut out: they are documents of their own."""
    lines = text.splitlines(keepends=True)
    for node in ast.walk(parse(text)):
        if isinstance(node, Definition | ast.Module) and ast.get_docstring(node, clean=False) is not None:
            _blank_docstring(lines, node)
    return re.sub(r"\n{4,}", "\n\n\n", "".join(lines)).strip()


def _blank_docstring(lines: list[str], node: Definition | ast.Module) -> None:
    expression = node.body[0]
    first, last = expression.lineno - 1, (expression.end_lineno or expression.lineno) - 1
    indentation = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    shares_a_line = len(indentation) != expression.col_offset or lines[last].rstrip()[-1:] not in "\"'"
    if shares_a_line:
        return
    for number in range(first, last + 1):
        lines[number] = ""
    if len(node.body) == 1 and not isinstance(node, ast.Module):
        lines[first] = f"{indentation}pass\n"


def module_name(path: str) -> str:
    """Dotted name of the module in the file at a relative path."""
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def reference_text(name: str, documented: Documented) -> str:
    """A docstring under the line that names its object."""
    return f"{name}{documented.signature}\n\n{documented.docstring}"
