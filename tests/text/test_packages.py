from pathlib import Path

import pytest

from stages.errors import ExitCode, StageError
from stages.text.packages import PackagesSource, find_package
from stages.text.sources import Unit
from tests.text.portion_reading import Read, read_all

DOCUMENTED = '"""{}"""\n\n\ndef {}(x):\n    """Return x, the only thing that there is to return."""\n    return x\n'


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `waterwheel` 1.2 as an installer would leave it."""
    files = {
        "waterwheel/__init__.py": "from ._turn import turn\n",
        "waterwheel/_turn.py": DOCUMENTED.format("How it turns.", "turn"),
        "waterwheel/stop.py": DOCUMENTED.format("How it stops.", "stop"),
        "waterwheel/broken.py": "def (:\n",
        "waterwheel/CHANGES.md": "# Changes\n\n[Faster](https://x) now.\n",
        "waterwheel/tests/test_turn.py": DOCUMENTED.format("Tests.", "test_turn"),
        "waterwheel-1.2.dist-info/METADATA": (
            "Metadata-Version: 2.4\nName: waterwheel\nVersion: 1.2\nLicense-Expression: MIT\n\nIt turns in the water.\n"
        ),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    record = "".join(f"{name},,\n" for name in [*files, "../../bin/waterwheel"])
    (tmp_path / "waterwheel-1.2.dist-info/RECORD").write_text(record)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def source(**limits: int) -> PackagesSource:
    bytes_of_kind = {"reference_bytes": 10_000, "code_bytes": 10_000, "prose_bytes": 10_000} | limits
    return PackagesSource(packages=("waterwheel",), exclude=("*/tests/*",), **bytes_of_kind)


def read(packages: PackagesSource, seed: int = 1) -> Read:
    return read_all(Unit("waterwheel", packages, 1_000, 10.0, seed))


@pytest.mark.usefixtures("installed")
def test_a_package_gives_reference_code_and_prose_in_order_of_path():
    reading = read(source())
    assert (reading.version, reading.licence, reading.files_read) == ("1.2", "MIT", 4)
    assert [(document.path, document.kind, document.name) for document in reading.documents] == [
        ("METADATA", "prose", None),
        ("waterwheel/CHANGES.md", "prose", None),
        ("waterwheel/__init__.py", "code", None),
        ("waterwheel/_turn.py", "reference", "waterwheel._turn"),
        ("waterwheel/_turn.py", "reference", "waterwheel.turn"),
        ("waterwheel/_turn.py", "code", None),
        ("waterwheel/stop.py", "reference", "waterwheel.stop"),
        ("waterwheel/stop.py", "reference", "waterwheel.stop.stop"),
        ("waterwheel/stop.py", "code", None),
    ]


@pytest.mark.usefixtures("installed")
def test_excluded_files_are_not_read_and_broken_ones_are_listed():
    reading = read(source())
    assert [item.path for item in reading.skipped] == ["waterwheel/broken.py"]
    assert not any("tests" in document.path for document in reading.documents)


@pytest.mark.usefixtures("installed")
def test_links_of_markdown_are_left_out():
    documents = read(source()).documents
    assert documents[1].text == "# Changes\n\nFaster now."


@pytest.mark.usefixtures("installed")
def test_a_limit_takes_whole_modules_and_the_seed_decides_which():
    def modules(seed: int) -> set[str]:
        documents = read(source(reference_bytes=130), seed).documents
        return {document.path for document in documents if document.kind == "reference"}

    assert all(len(modules(seed)) <= 1 for seed in range(8))
    assert {path for seed in range(8) for path in modules(seed)} == {"waterwheel/_turn.py", "waterwheel/stop.py"}


def test_a_package_that_is_not_installed_is_a_configuration_error():
    with pytest.raises(StageError, match="no-such-package") as caught:
        find_package("no-such-package")
    assert caught.value.code == ExitCode.CONFIGURATION
