"""Make one page of the whole run, and the data card, from what the stages before it wrote."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import Field
from ruamel.yaml import YAML

from stages.command import command
from stages.parameters import Metrics, Section, read_parameters
from stages.reporting import page
from stages.reporting.curves import panels, read_curves
from stages.reporting.lineage import links
from stages.reporting.pipeline import nodes
from stages.text.demonstrations import Demonstration, Prompt
from stages.text.records import read_records


class Params(Section):
    """How much is shown."""

    title: str
    """Heads the page."""
    curve_points: int = Field(ge=2)
    """Points drawn of a curve."""
    table_rows: int = Field(ge=2)
    """Rows of the table under a curve."""


def sections(parameters: dict[str, Any]) -> dict[str, str]:
    """Each section of the parameters as YAML."""
    writer = YAML()
    texts = {}
    for name, values in parameters.items():
        stream = StringIO()
        writer.dump(values, stream)
        texts[name] = stream.getvalue()
    return texts


def run(
    params: Params,
    collected: Path,
    clean_ledger: Path,
    deduplicate_ledger: Path,
    decontaminate_ledger: Path,
    validation: Path,
    demonstrations: Path,
    prompts: Path,
    encoded: Path,
    pretrain: Path,
    pretrain_curves: Path,
    finetune: Path,
    finetune_curves: Path,
    instruct: Path,
    instruct_curves: Path,
    agreement: Path,
    reward: Path,
    reward_curves: Path,
    ppo: Path,
    ppo_curves: Path,
    ppo_samples: Path,
    evaluation: Path,
    probe: Path,
    exported: Path,
    dag: Path,
    parameters: Path,
    output: Path,
) -> Metrics:
    """Read the results, render the page and the card."""
    ledgers = {"clean": clean_ledger, "deduplicate": deduplicate_ledger, "decontaminate": decontaminate_ledger}
    models = {"pretrain": pretrain, "finetune": finetune, "instruct": instruct, "train_reward": reward, "ppo": ppo}
    curves = {
        "pretrain": pretrain_curves,
        "finetune": finetune_curves,
        "instruct": instruct_curves,
        "train_reward": reward_curves,
        "ppo": ppo_curves,
    }
    made = page.Run(
        collected=_json(collected),
        ledgers={stage: pq.read_table(path).to_pandas() for stage, path in ledgers.items()},
        validation=_json(validation),
        demonstrations=read_records(demonstrations, Demonstration),
        prompts=read_records(prompts, Prompt),
        encoded=_json(encoded),
        agreement=_json(agreement),
        panels={
            stage: panels(stage, read_curves(path), params.curve_points, params.table_rows)
            for stage, path in curves.items()
        },
        ppo_samples=[json.loads(line) for line in ppo_samples.read_text(encoding="utf-8").splitlines()],
        evaluation=_json(evaluation),
        probe=_json(probe),
        models=links({**models, "export": exported}),
        nodes=nodes(dag),
        parameters=sections(read_parameters(parameters)),
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / "index.html").write_text(page.page(made, params.title), encoding="utf-8")
    (output / "data_card.md").write_text(page.data_card(made, params.title), encoding="utf-8")
    claims = [claim["holds"] for claim in made.evaluation["claims"]]
    return {"claims": len(claims), "claims_held": claims.count(True), "claims_failed": claims.count(False)}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    command("report", run)
