import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.text import archives
from stages.text.sources import FilesSource, Unit
from tests.text.portion_reading import Read, read_all

TEXTS = {"a.txt": "Ay", "sub/b.md": "Bee"}


def zstandard(content: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return packed.getvalue().to_pybytes()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard,
}


def zipped(texts: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return packed.getvalue()


def tarred(texts: dict[str, str], *others: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        for other in others:
            archive.addfile(other)
    return packed.getvalue()


def read(folder: Path) -> Read:
    return read_all(Unit("mine", FilesSource(name="mine", path=str(folder), licence="MIT"), 1_000, 10.0, seed=1))


def read_one(folder: Path, name: str, content: bytes) -> Read:
    (folder / name).write_bytes(content)
    return read(folder)


def found(reading: Read) -> dict[str, str]:
    return {document.path: document.text for document in reading.documents}


def reasons(reading: Read) -> dict[str, str]:
    return {item.path: item.reason for item in reading.skipped}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_is_read_under_its_name_without_the_suffix(tmp_path: Path, suffix: str) -> None:
    reading = read_one(tmp_path, f"a.txt{suffix}", COMPRESS[suffix](b"Ay"))
    assert found(reading) == {"a.txt": "Ay"}


@pytest.mark.parametrize("suffix", ["", *COMPRESS])
def test_the_files_of_a_tar_are_read_in_their_place(tmp_path: Path, suffix: str) -> None:
    pack = COMPRESS.get(suffix, bytes)
    reading = read_one(tmp_path, f"all.tar{suffix}", pack(tarred(TEXTS | {"c.png": "no", ".hidden/d.txt": "no"})))
    assert found(reading) == {f"all.tar{suffix}/{name}": text for name, text in TEXTS.items()}
    assert (reading.files_read, reading.files_ignored, reading.skipped) == (2, 1, [])


@pytest.mark.parametrize(("name", "suffix"), [("all.tgz", ".gz"), ("all.TBZ2", ".bz2"), ("all.txz", ".xz")])
def test_short_names_of_compressed_tars_are_known(tmp_path: Path, name: str, suffix: str) -> None:
    assert found(read_one(tmp_path, name, COMPRESS[suffix](tarred(TEXTS)))) == {
        f"{name}/{path}": text for path, text in TEXTS.items()
    }


def test_the_files_of_a_zip_are_read_in_their_place(tmp_path: Path) -> None:
    reading = read_one(tmp_path, "all.zip", zipped(TEXTS | {"c.png": "no"}))
    assert found(reading) == {f"all.zip/{name}": text for name, text in TEXTS.items()}
    assert reading.files_ignored == 1


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    reading = read_one(tmp_path, "all.zip", zipped({"inner.zip": "no", "inner.txt.gz": "no"}))
    assert (found(reading), reading.files_ignored) == ({}, 2)


@pytest.mark.parametrize("name", ["../a.txt", "/etc/a.txt", "sub/../../a.txt", "..\\a.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_name_that_leads_out_of_the_archive_is_listed_and_not_read(
    tmp_path: Path, pack: Callable[[dict[str, str]], bytes], name: str
) -> None:
    reading = read_one(tmp_path, "all.zip" if pack is zipped else "all.tar", pack({name: "no", "b.txt": "Bee"}))
    assert list(found(reading).values()) == ["Bee"]
    assert set(reasons(reading).values()) == {"its name leads out of the archive"}


def test_links_and_devices_of_a_tar_are_not_followed(tmp_path: Path) -> None:
    link, device = tarfile.TarInfo("link.txt"), tarfile.TarInfo("device.txt")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    assert found(read_one(tmp_path, "all.tar", tarred(TEXTS, link, device))) == {
        f"all.tar/{name}": text for name, text in TEXTS.items()
    }


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_of_one_name_the_first_is_read(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "first")
        archive.writestr("a.txt", "second")
    reading = read_one(tmp_path, "all.zip", packed.getvalue())
    assert found(reading) == {"all.zip/a.txt": "first"}
    assert reasons(reading) == {"all.zip/a.txt": "another file of the archive has its name"}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_that_ends_early_or_is_not_compressed_is_listed(tmp_path: Path, suffix: str) -> None:
    whole = COMPRESS[suffix](bytes(range(256)) * 4_000)
    for name, content in {"cut": whole[:-20], "other": b"no archive at all", "torn": whole[:30] + b"?" * 30}.items():
        (tmp_path / f"{name}.txt{suffix}").write_bytes(content)
    reading = read(tmp_path)
    assert found(reading) == {}
    assert set(reasons(reading)) == {"cut.txt", "other.txt", "torn.txt"}
    assert all(reason.startswith("cannot be unpacked") for reason in reasons(reading).values())


def test_of_a_tar_that_ends_early_the_files_before_are_read_and_the_rest_is_listed(tmp_path: Path) -> None:
    whole = tarred({"a.txt": "Ay", "b.txt": "Bee" * 1_000, "c.txt": "Sea"})
    reading = read_one(tmp_path, "all.tar", whole[:2_000])
    assert found(reading) == {"all.tar/a.txt": "Ay"}
    assert "cannot be unpacked" in " ".join(reasons(reading).values())
    assert set(reasons(reading)) <= {"all.tar", "all.tar/b.txt"}


@pytest.mark.parametrize("name", ["all.zip", "all.tar", "all.tar.gz", "all.tar.zst"])
@pytest.mark.parametrize("content", [b"", b"no archive at all"])
def test_what_only_has_the_name_of_an_archive_is_listed(tmp_path: Path, name: str, content: bytes) -> None:
    reading = read_one(tmp_path, name, content)
    assert found(reading) == {}
    assert list(reasons(reading)) == [name]


def test_a_file_of_a_zip_that_asks_for_a_password_is_listed(tmp_path: Path) -> None:
    content = bytearray(zipped({"a.txt": "Ay"}, zipfile.ZIP_STORED))
    for place in (6, content.index(b"PK\x01\x02") + 8):  # the flag of encryption, in both of the headers
        content[place] |= 1
    reading = read_one(tmp_path, "all.zip", bytes(content))
    assert "password" in reasons(reading)["all.zip/a.txt"]


def test_what_unpacks_to_more_than_is_read_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.text.contents.LARGEST_FILE", 2**21)
    huge = "0" * 2**22
    (tmp_path / "huge.txt.gz").write_bytes(gzip.compress(huge.encode()))
    (tmp_path / "huge.zip").write_bytes(zipped({"huge.txt": huge, "a.txt": "Ay"}))
    reading = read(tmp_path)
    assert found(reading) == {"huge.zip/a.txt": "Ay"}
    assert [reason.partition(":")[0] for reason in reasons(reading).values()] == ["too large", "too large"]


def test_an_archive_that_holds_more_than_is_read_is_listed_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 5)
    reading = read_one(tmp_path, "all.tar", tarred({"a.txt": "four", "b.txt": "four"}))
    assert found(reading) == {"all.tar/a.txt": "four"}
    assert reasons(reading)["all.tar/b.txt"].startswith("too large: its archive holds more than 5 bytes")


def test_a_small_file_that_unpacks_to_no_end_is_cut_off_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 2**21)
    reading = read_one(tmp_path, "bomb.jsonl.gz", gzip.compress(b'{"text": "x"}\n' * 2**18))
    assert 0 < len(found(reading)) < 2**18
    assert reasons(reading)["bomb.jsonl"].startswith("too large: it unpacks to more than 2,097,152 bytes")


@pytest.mark.parametrize("suffix", COMPRESS)
def test_of_lines_that_end_early_those_before_are_read(tmp_path: Path, suffix: str) -> None:
    lines = b"".join(b'{"text": "%s"}\n' % os.urandom(500).hex().encode() for _ in range(8_000))
    reading = read_one(tmp_path, f"cut.jsonl{suffix}", COMPRESS[suffix](lines)[:-100])
    assert 1_000 < len(reading.documents) < 8_000
    assert reasons(reading).popitem()[1].startswith(("cannot be unpacked", "no field"))


def test_a_file_beside_its_compressed_self_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ay")
    reading = read_one(tmp_path, "a.txt.gz", gzip.compress(b"Ay"))
    assert found(reading) == {"a.txt": "Ay"}
    assert reasons(reading) == {"a.txt.gz": "another file of the source has its name once it is unpacked"}


def test_parquet_in_an_archive_or_compressed_is_read(tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["one", "two"]}), sink)
    content = sink.getvalue().to_pybytes()
    (tmp_path / "d.parquet.gz").write_bytes(gzip.compress(content))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("e.parquet", content)
    reading = read(tmp_path)
    assert list(found(reading)) == ["all.zip/e.parquet#1", "all.zip/e.parquet#2", "d.parquet#1", "d.parquet#2"]
