import ast
from textwrap import dedent

import pytest

from stages.text.public_names import PublicNames, Surface, is_private, surface


def read(modules: dict[str, str]) -> dict[str, Surface]:
    """Surfaces of modules given as text; a name that ends in `/` is a package."""
    return {
        name.rstrip("/"): surface(ast.parse(dedent(text)), name.rstrip("/"), name.endswith("/"))
        for name, text in modules.items()
    }


def qualified(modules: dict[str, str], module: str, name: str) -> str:
    return PublicNames(read(modules)).qualified(module, name)


def test_an_object_is_named_where_the_package_offers_it():
    modules = {"p/": "from ._impl import solve", "p._impl": "def solve(): ..."}
    assert qualified(modules, "p._impl", "solve") == "p.solve"


def test_methods_follow_their_class_and_modules_keep_their_name():
    modules = {"p/": "from ._impl import Graph", "p._impl": "class Graph: ..."}
    assert qualified(modules, "p._impl", "Graph.add.deep") == "p.Graph.add.deep"
    assert qualified(modules, "p._impl", "") == "p._impl"


def test_star_imports_are_followed_through_packages_and_take_what_is_declared():
    modules = {
        "p/": "from p.sub import *",
        "p.sub/": "from .deep import *",
        "p.sub.deep": "__all__ = ['shown']\ndef shown(): ...\ndef kept_back(): ...",
    }
    assert qualified(modules, "p.sub.deep", "shown") == "p.shown"
    assert qualified(modules, "p.sub.deep", "kept_back") == "p.sub.deep.kept_back"


def test_without_a_declaration_a_star_import_leaves_underscores_out():
    modules = {"p/": "from .m import *", "p.m": "def open_(): ...\ndef _hidden(): ..."}
    assert qualified(modules, "p.m", "open_") == "p.open_"
    assert qualified(modules, "p.m", "_hidden") == "p.m._hidden"


def test_an_ordinary_module_does_not_offer_what_it_imports_for_itself():
    modules = {"p/": "", "p.a": "from p.long.b import f", "p.long/": "", "p.long.b": "def f(): ..."}
    assert qualified(modules, "p.long.b", "f") == "p.long.b.f"


def test_an_alias_is_the_public_name():
    modules = {"p/": "from ._impl import _Graph as Graph", "p._impl": "class _Graph: ..."}
    assert qualified(modules, "p._impl", "_Graph") == "p.Graph"


def test_two_dots_reach_the_package_above():
    modules = {"p/": "", "p.a/": "from ..b import f", "p.b": "def f(): ..."}
    assert read(modules)["p.a"].imported == {"f": ("p.b", "f")}


def test_circular_imports_end():
    modules = {"p/": "from p.a import *", "p.a": "from p import *\ndef f(): ..."}
    assert qualified(modules, "p.a", "f") == "p.f"


def test_definitions_under_conditions_count():
    text = "if True:\n    def f(): ...\ntry:\n    from q import g\nexcept ImportError:\n    def g(): ..."
    found = read({"p": text})["p"]
    assert found.defined == ["f"]
    assert found.imported == {"g": ("q", "g")}


def test_a_declaration_that_is_added_to_is_not_trusted():
    assert read({"p": "__all__ = ['a']\n__all__ += other"})["p"].declared is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("p.f", False), ("p._f", True), ("p._m.f", True), ("p.C.__call__", False), ("p.C.__mangled", True)],
)
def test_private_names_start_with_an_underscore_and_are_not_special_methods(name, expected):
    assert is_private(name) is expected
