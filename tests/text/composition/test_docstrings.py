"""The three usual styles of documentation strings give the same parts."""

from stages.text.composition.docstrings import Argument, Example, Field, parse, parse_arguments

NUMPY = """pkg.Graph.paths(self, source, weight=None, *, cutoff: Dict[str, int]={'a': 1, 'b': 2}, **options)

Return the paths that start at a node. More is said here.

And in a second paragraph.

.. versionadded:: 1.2
    With a note.

Parameters
----------
source : node
    The node that all paths start at.
weight : string, optional (default=None)
    Name of the edge attribute. If None, all are equal.

Returns
-------
paths : list
    The paths as lists of nodes.

Examples
--------
>>> paths(3)
[3]
>>> for path in paths(4):
...     print(path)
4
"""


def test_numpy_style():
    docstring = parse(NUMPY)
    assert docstring.name == "pkg.Graph.paths"
    assert (docstring.last_name, docstring.owner, docstring.short_name) == ("paths", "Graph", "Graph.paths")
    assert docstring.arguments == (
        Argument("source", None),
        Argument("weight", "None"),
        Argument("cutoff", "{'a': 1, 'b': 2}"),
    )
    assert docstring.summary == "Return the paths that start at a node."
    assert docstring.details == "More is said here. And in a second paragraph."
    assert docstring.parameters == (
        Field("source", "node", "The node that all paths start at."),
        Field("weight", "string, optional (default=None)", "Name of the edge attribute."),
    )
    assert docstring.returns == Field("paths", "list", "The paths as lists of nodes.")
    assert docstring.examples == (Example("paths(3)", "[3]"),)


def test_google_style():
    docstring = parse(
        "pkg.load(path)\n\nLoad a table from a file.\n\n"
        "Args:\n    path (str): Where the file\n        lies on the disk.\n\n"
        "Returns:\n    A table with all rows.\n\nRaises:\n    ValueError: If it is empty.\n"
    )
    assert docstring.parameters == (Field("path", "str", "Where the file lies on the disk."),)
    assert docstring.returns == Field("", "", "A table with all rows.")


def test_sphinx_style():
    docstring = parse(
        "pkg.load(path)\n\nLoad a table from a file.\n\n:param str path: where the file lies,\n    or a\n"
        "    :class:`Path` to it.\n:returns: the table with all rows.\n:raises ValueError: if empty.\n"
    )
    assert docstring.summary == "Load a table from a file."
    assert docstring.parameters == (Field("path", "str", "Where the file lies, or a `Path` to it."),)
    assert docstring.returns == Field("return", "", "The table with all rows.")


def test_a_document_without_a_dotted_name_is_no_docstring():
    assert parse("Some prose here.\n\nMore prose.") is None


def test_signatures_are_split_outside_brackets_and_quotes():
    assert parse_arguments("(self, a: tuple[int, str] = (1, 'x, y'), *args, b=', ')") == (
        Argument("a", "(1, 'x, y')"),
        Argument("b", "', '"),
    )


def test_special_methods_are_not_public():
    assert not parse("pkg.Graph.__len__(self)\n\nReturn the number of nodes.").public
    assert parse("pkg.Graph.size(self)\n\nReturn the number of edges.").public
