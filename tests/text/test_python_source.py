from textwrap import dedent

import pytest

from stages.text.python_source import Documented, module_name, read_module, reference_text, without_docstrings

MODULE = dedent(
    '''
    """What the module is for."""
    import os

    def area(width: float, height: float = 2.0, *rest: int, unit: str = "m") -> float:
        """Return width times height.

        .. versionadded:: 1.4
        """
        return width * height

    def undocumented(x):
        return x

    class Shape:
        """A thing with edges."""

        def __init__(self, edges: int, name=None):
            self.edges = edges

        def scale(self, factor):
            """Make it larger.

            Parameters
            ----------
            factor : float
                How much.

                .. versionadded:: 2.0
            """

        @property
        def corners(self):
            """As many as edges."""
            return self.edges

        @corners.setter
        def corners(self, value):
            """Set them."""

        @classmethod
        def square(cls, side):
            """Four edges."""

        @staticmethod
        def unit(side=1):
            """One."""
    '''
)


def documented() -> dict[str, Documented]:
    return {item.name: item for item in read_module(MODULE, "shapes", is_package=False).documented}


def test_every_docstring_is_found_once_under_its_name():
    assert list(documented()) == ["", "area", "Shape", "Shape.scale", "Shape.corners", "Shape.square", "Shape.unit"]
    assert documented()["Shape.corners"].docstring == "As many as edges."


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("", ""),
        ("area", "(width, height=2.0, *rest, unit='m')"),
        ("Shape", "(edges, name=None)"),
        ("Shape.scale", "(factor)"),
        ("Shape.corners", ""),
        ("Shape.square", "(side)"),
        ("Shape.unit", "(side=1)"),
    ],
)
def test_signatures_leave_out_annotations_and_the_object_itself(name, signature):
    assert documented()[name].signature == signature


def test_a_version_mark_at_the_margin_dates_the_object_and_an_indented_one_does_not():
    assert documented()["area"].version_added == "1.4"
    assert documented()["Shape.scale"].version_added is None


def test_methods_of_undocumented_classes_are_found():
    text = 'class C:\n    def m(self):\n        """Do it."""\n'
    assert [item.name for item in read_module(text, "m", is_package=False).documented] == ["C.m"]


def test_a_default_of_the_first_argument_goes_with_it():
    text = 'class C:\n    def m(self=None, a=1):\n        """Do it."""\n'
    assert read_module(text, "m", is_package=False).documented[0].signature == "(a=1)"


def test_reference_text_is_name_and_signature_then_docstring():
    assert reference_text("p.area", Documented("area", "(w)", "Return it.")) == "p.area(w)\n\nReturn it."


def test_code_without_docstrings_still_runs_and_holds_none():
    code = without_docstrings(MODULE)
    namespace: dict = {}
    exec(compile(code, "shapes", "exec"), namespace)
    assert namespace["area"](3.0) == 6.0
    assert namespace["area"].__doc__ is None
    assert namespace["Shape"](4).corners == 4
    assert '"""' not in code


def test_a_docstring_on_the_line_of_its_definition_stays():
    assert without_docstrings('def f(): "doc"') == 'def f(): "doc"'


@pytest.mark.parametrize(("path", "name"), [("p/q/m.py", "p.q.m"), ("p/q/__init__.py", "p.q"), ("six.py", "six")])
def test_module_name_follows_the_path(path, name):
    assert module_name(path) == name


def test_what_is_not_python_raises():
    with pytest.raises(SyntaxError):
        read_module("def f(:\n", "m", is_package=False)
