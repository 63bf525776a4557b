import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stages.report import Params, run
from stages.text.ledger import Entry
from stages.text.records import write_records
from tests import results
from tests.specimens import demonstration, prompt
from tests.tables import write_ledger

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'
CURVES = """\
step,loss,validation_loss,validation_bits_per_byte,validation_accuracy,reward,kl
1,3,3,2,0.5,0,0
2,2,2,1,0.7,1,3
"""
PIPELINE = "stages:\n  collect:\n    deps: [data/sources.json]\n    outs: [data/collect/documents]\n"


class Tags(HTMLParser):
    """Collects the names of all tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def write_inputs(folder: Path, simulated_share: float) -> dict[str, Path]:
    paths: dict[str, Path] = {}

    def write(name: str, content: object, suffix: str = "json") -> None:
        paths[name] = folder / f"{name}.{suffix}"
        paths[name].write_text(content if isinstance(content, str) else json.dumps(content))

    write("collected", results.collected())
    write("validation", results.gate())
    write("encoded", results.encoded())
    write("agreement", results.agreement(simulated_share))
    write("evaluation", results.evaluation(answer=HOSTILE))
    write("probe", results.probe(answer=HOSTILE))
    write(
        "ppo_samples", json.dumps({"update": 1, "prompt": HOSTILE, "text": HOSTILE, "reward": 1.0, "kl": 0.1}), "jsonl"
    )
    write("dag", PIPELINE, "yaml")
    write("parameters", "collect:\n  seed: 1\n", "yaml")
    for stage in ("pretrain", "finetune", "instruct", "reward", "ppo"):
        write(f"{stage}_curves", CURVES, "csv")
    for stage in ("pretrain", "finetune", "instruct", "reward", "ppo", "exported"):
        paths[stage] = folder / stage
        paths[stage].mkdir()
        (paths[stage] / "model.safetensors").write_text(stage)
        (paths[stage] / "run.json").write_text(json.dumps({"inputs": {"train": "0" * 64}}))
    for stage, rule in (("clean", "min_words"), ("deduplicate", None), ("decontaminate", None)):
        paths[f"{stage}_ledger"] = folder / f"{stage}.parquet"
        dropped = [Entry("d2", "notes", "prose", 100, 0, rule, 3, 50)] if rule else []
        write_ledger(paths[f"{stage}_ledger"], [Entry("d1", "networkx", "reference", 100, 90, masked=2), *dropped])
    shown = demonstration("s", HOSTILE, HOSTILE, author="ann", source_ids=("d1",))
    asked = prompt("a", HOSTILE, source_ids=("d1",))
    paths["demonstrations"], paths["prompts"] = folder / "demonstrations.jsonl", folder / "prompts.jsonl"
    write_records(paths["demonstrations"], [shown])
    write_records(paths["prompts"], [asked])
    return paths


def report(folder: Path, simulated_share: float = 1.0) -> dict:
    paths = write_inputs(folder, simulated_share)
    params = Params(title="A run", curve_points=10, table_rows=5)
    return run(params, output=folder / "report", **paths)


@pytest.fixture
def page(tmp_path) -> str:
    report(tmp_path)
    return (tmp_path / "report" / "index.html").read_text()


def test_text_of_models_and_documents_is_shown_and_never_obeyed(page):
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.tags
    assert "img" not in tags.tags
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page


def test_the_page_loads_nothing(page):
    tags = Tags()
    tags.feed(page)
    targets = [value for name, value in tags.attributes if name in ("src", "href")]
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert "url(" not in page
    assert "@import" not in page


def test_every_link_leads_to_a_section(page):
    tags = Tags()
    tags.feed(page)
    ids = {value for name, value in tags.attributes if name == "id"}
    assert {value.removeprefix("#") for name, value in tags.attributes if name == "href"} <= ids


def test_claims_that_do_not_hold_are_said_to(page):
    assert "1 of 4 claims hold" in page
    assert page.count("✕ NOT met") == 2
    assert page.count("not measured<span") == 1


def test_simulated_annotators_are_announced_and_people_are_not(tmp_path):
    for name, share, announced in (("simulated", 1.0, True), ("people", 0.0, False)):
        folder = tmp_path / name
        folder.mkdir()
        report(folder, share)
        for file in ("index.html", "data_card.md"):
            assert ("SIMULATED ANNOTATORS" in (folder / "report" / file).read_text()) is announced


def test_the_ledger_and_the_gates_are_shown(page):
    assert "1 dropped:" in page
    assert "min_words 1" in page
    assert "2 pieces of personal data were masked" in page
    assert "enough documents" in page


def test_the_data_card_counts_what_people_wrote(tmp_path):
    report(tmp_path)
    card = (tmp_path / "report" / "data_card.md").read_text()
    assert "written by people 1" in card
    assert "| networkx | 3.6.1 | BSD-3-Clause | 4 | 1 | 90 |" in card
    assert HOSTILE not in card


def test_equal_inputs_give_equal_pages(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        metrics = report(tmp_path / name)
    assert metrics == {"claims": 4, "claims_held": 1, "claims_failed": 2}
    pages = [(tmp_path / name / "report" / "index.html").read_bytes() for name in ("first", "second")]
    assert pages[0] == pages[1]
