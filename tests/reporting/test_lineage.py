import json

from stages.hashing import file_hash, folder_hash
from stages.reporting.lineage import links


def write_model(folder, weights: bytes, inputs: dict[str, str]):
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "run.json").write_text(json.dumps({"inputs": inputs}))
    return folder


def test_an_input_is_matched_to_the_model_that_has_its_hash(tmp_path):
    base = write_model(tmp_path / "base", b"one", {"train": "t" * 64})
    by_folder = write_model(tmp_path / "by_folder", b"two", {"model": folder_hash(base)})
    by_weights = write_model(tmp_path / "by_weights", b"three", {"policy": file_hash(by_folder / "model.safetensors")})
    chain = links({"pretrain": base, "finetune": by_folder, "ppo": by_weights})
    assert [[stage for _, _, stage in link.inputs] for link in chain] == [[""], ["pretrain"], ["finetune"]]


def test_a_model_made_from_other_weights_is_not_matched(tmp_path):
    base = write_model(tmp_path / "base", b"one", {})
    other = write_model(tmp_path / "other", b"two", {"model": "0" * 64})
    assert links({"pretrain": base, "finetune": other})[1].inputs == (("model", "0" * 64, ""),)
