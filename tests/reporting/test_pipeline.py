from stages.reporting.pipeline import edges, nodes

PIPELINE = """
stages:
  train:
    cmd: python -m stages.train
    deps: [stages/train.py, data/clean/documents]
    outs: [data/train/model]
    plots:
      - data/train/curves.csv:
          x: step
  clean:
    cmd: python -m stages.clean
    deps: [data/sources.json]
    outs: [data/clean/documents, data/clean/ledger.parquet]
"""


def test_stages_come_after_what_they_read(tmp_path):
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    found = nodes(tmp_path / "dvc.yaml")
    assert [node.name for node in found] == ["clean", "train"]
    assert found[1].outputs == ("model", "curves.csv")
    assert edges(found) == [(0, 1)]
