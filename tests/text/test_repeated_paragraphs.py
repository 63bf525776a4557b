import re
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text import repeated_paragraphs
from stages.text.code_points import Texts
from stages.text.repeated_paragraphs import Paragraphs, find_cuts, without
from tests.tables import write_documents
from tests.text.plain_measures import lower

NOTICE = "All rights are reserved by the harbour office"
OTHER = "Read on in the next part of this long tale"


def plain_paragraphs(text: str, least_words: int) -> list[tuple[tuple[str, ...], str]]:
    """Words and characters of each run of lines that are not blank."""
    runs = groupby(text.split("\n"), key=lambda line: bool(line.strip()))
    found = ["\n".join(lines) for is_filled, lines in runs if is_filled]
    words = [tuple(re.findall(r"\w+", lower(paragraph))) for paragraph in found]
    return [(some, paragraph) for some, paragraph in zip(words, found, strict=True) if len(some) >= least_words]


@given(st.lists(st.text("aB \t\n.", max_size=30), max_size=4), st.integers(1, 3))
def test_paragraphs_are_what_blank_lines_part(texts: list[str], least_words: int) -> None:
    found = Paragraphs.of(Texts.of(texts), least_words)
    expected = [(row, *each) for row, text in enumerate(texts) for each in plain_paragraphs(text, least_words)]
    assert found.texts.tolist() == [row for row, _, _ in expected]
    stretches = zip(found.texts, found.begins, found.ends, strict=True)
    assert [texts[row][begin:end] for row, begin, end in stretches] == [paragraph for _, _, paragraph in expected]
    words = [some for _, some, _ in expected]
    hashes = found.hashes.tolist()
    assert [hashes.index(each) for each in hashes] == [words.index(each) for each in words]


def cut(folder: Path, parts: list[list[str]], most_documents: int, kinds: str = "prose") -> list[list[str]]:
    """The texts of each part after the cut."""
    firsts, paths = 0, []
    for number, texts in enumerate(parts):
        table = pd.DataFrame({"text": texts}).assign(id="x", source="s", path="p", kind=kinds, licence="MIT")
        write_documents(folder / f"{number}", table)
        paths.append(folder / f"{number}" / "part-00000.parquet")
    everything = np.ones(sum(map(len, parts)), dtype=bool)
    cuts = find_cuts(paths, everything, folder, least_words=4, most_documents=most_documents)
    result = []
    for path in paths:
        documents = repeated_paragraphs.pq.read_table(path)
        result.append(cuts.applied(documents, np.arange(firsts, firsts + len(documents)))["text"].to_pylist())
        firsts += len(documents)
    return result


@pytest.mark.parametrize("joined", [2**21, 8])
def test_a_paragraph_stays_in_the_first_documents_alone(
    tmp_path: Path, joined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated_paragraphs, "JOINED_PARAGRAPHS", joined)
    parts = [
        [f"One\n\n{NOTICE}\n\nend", f"{NOTICE.upper()}!\n\n{NOTICE}\n\n  two"],
        [],
        [f"Three\n \n{NOTICE}\n\t\n  four", f"{OTHER}\n\nfive", NOTICE.replace(" ", "\n")],
    ]
    assert cut(tmp_path / "1", parts, most_documents=1) == [
        [parts[0][0], "  two"],
        [],
        ["Three\n \n  four", parts[2][1], ""],
    ]
    assert cut(tmp_path / "2", parts, most_documents=2) == [parts[0], [], ["Three\n \n  four", parts[2][1], ""]]
    assert cut(tmp_path / "4", parts, most_documents=4) == parts


def test_short_paragraphs_and_code_stay(tmp_path: Path) -> None:
    assert cut(tmp_path / "short", [["see you soon\n\na"], ["see you soon\n\nb"]], 1) == [
        ["see you soon\n\na"],
        ["see you soon\n\nb"],
    ]
    assert cut(tmp_path / "code", [[NOTICE], [NOTICE]], 1, kinds="code") == [[NOTICE], [NOTICE]]


def test_what_is_cut_leaves_no_blank_end() -> None:
    assert without("a\n\nb\n\nc", [(6, 7)]) == "a\n\nb"
    assert without("a\n\nb\n\nc", [(0, 1), (6, 7)]) == "b"
    assert without("a\n\nb\n", []) == "a\n\nb\n"
