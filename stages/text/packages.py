"""Documents from an installed package, read in place: docstrings, code, its description and its change logs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

from pydantic import Field

from stages.errors import ExitCode, StageError
from stages.parameters import Section
from stages.seeding import key_hash
from stages.text.contents import file_content
from stages.text.encodings import declared_encoding, decode
from stages.text.files import PROSE_SUFFIXES, markdown_text, pieces
from stages.text.public_names import PublicNames
from stages.text.python_source import ModuleReading, module_name, read_module, reference_text, without_docstrings
from stages.text.reading import RawDocument, Reading, UnreadableError

_DESCRIPTION = "METADATA"


class PackagesSource(Section):
    """Installed packages, one source each."""

    packages: tuple[str, ...]
    """Names as on the package index; each must be installed and state an allowed licence."""
    exclude: tuple[str, ...]
    """Globs of files that are not read, relative to the folder that packages are installed in."""
    reference_bytes: int = Field(ge=0)
    """Most text of docstrings from one package: whole modules, in an order drawn from the seed."""
    code_bytes: int = Field(ge=0)
    """Most text of code from one package: whole files, in an order drawn from the seed."""
    prose_bytes: int = Field(ge=0)
    """Most text of description and change logs from one package, the description first."""


def find_package(name: str) -> Distribution:
    """The installed package of that name."""
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise StageError(
            ExitCode.CONFIGURATION, "package not installed", name, "Take it out of collect.sources or install it."
        ) from error


def read_package(
    package: Distribution, source: PackagesSource, most_characters: int, seed: int, reading: Reading
) -> Iterator[RawDocument]:
    """The documents of one package, ordered by path; code and prose are cut into `pieces`.

    The package is in memory as a whole, for names are looked up all over it before any document is known.
    """
    name = reading.source
    texts = _read_texts(package, source.exclude, reading)
    code = {path: text for path, text in texts.items() if path.endswith(".py")}
    prose = {path: text for path, text in texts.items() if path not in code}
    modules = _read_modules(code, reading)

    def cut(path: str, kind: str, text: str) -> list[RawDocument]:
        return [
            RawDocument(name, path, None, kind, reading.licence, None, piece) for piece in pieces(text, most_characters)
        ]

    in_order = sorted(modules, key=lambda path: key_hash(seed, name, path))
    reference = _reference(modules, reading)
    groups = [
        _take((reference[path] for path in in_order), source.reference_bytes),
        _take(
            (cut(path, "code", without_docstrings(code[path])) for path in in_order),
            source.code_bytes,
        ),
        _take((cut(path, "prose", text) for path, text in prose.items()), source.prose_bytes),
    ]
    yield from sorted(chain.from_iterable(groups), key=lambda document: document.path)


def _read_texts(package: Distribution, exclude: Sequence[str], reading: Reading) -> dict[str, str]:
    """Text of the description and of every Python and prose file, by path."""
    texts = {_DESCRIPTION: markdown_text(str(package.metadata.json.get("description", "")))}
    for file in sorted(package.files or [], key=str):
        path = file.as_posix()
        outside = path.startswith("..") or file.parts[0].endswith(".dist-info")
        if outside or not path.endswith((".py", *PROSE_SUFFIXES)) or _matches(path, exclude):
            continue
        try:
            content = file_content(Path(str(file.locate())))
            if not content.strip():
                continue  # an empty __init__ file is no failure
            text, is_recoded = decode(content, declared_encoding(content, file.suffix))
            texts[path] = markdown_text(text) if path.endswith(".md") else text
            reading.files_read += 1
            reading.files_recoded += is_recoded
        except UnreadableError as error:
            reading.skip(path, str(error))
    return texts


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _read_modules(code: Mapping[str, str], reading: Reading) -> dict[str, ModuleReading]:
    modules = {}
    for path, text in code.items():
        try:
            modules[path] = read_module(text, module_name(path), is_package=path.endswith("__init__.py"))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last for deep nesting
            reading.skip(path, f"not Python: {error}")
            reading.files_read -= 1
    return modules


def _reference(modules: Mapping[str, ModuleReading], reading: Reading) -> dict[str, list[RawDocument]]:
    """The documents of each module's docstrings, under the names that users of the package import."""
    names = PublicNames({module_name(path): module.surface for path, module in modules.items()})
    documents = {}
    for path, module in modules.items():
        documents[path] = [
            RawDocument(
                reading.source,
                path,
                name := names.qualified(module_name(path), documented.name),
                "reference",
                reading.licence,
                documented.version_added,
                reference_text(name, documented),
            )
            for documented in module.documented
        ]
    return documents


def _take(groups: Iterable[list[RawDocument]], most_bytes: int) -> list[RawDocument]:
    """Whole groups in the order given, as long as they fit."""
    taken: list[RawDocument] = []
    room = most_bytes
    for group in groups:
        size = sum(len(document.text.encode()) for document in group)
        if size > room:
            break
        room -= size
        taken += group
    return taken
