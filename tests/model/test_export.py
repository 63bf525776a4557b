import json

from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from stages.hashing import folder_hash
from stages.model.export import SamplingDefaults, write_export

SAMPLING = SamplingDefaults(temperature=0.5, top_p=0.9, max_new_tokens=7)
TEMPLATE = "{{ messages[0]['content'] }}"


def test_transformers_finds_the_configuration_and_the_sampling_defaults(tmp_path, model_folder):
    write_export(model_folder, tmp_path / "export", TEMPLATE, SAMPLING)
    assert AutoConfig.from_pretrained(tmp_path / "export").hidden_size == 32
    defaults = GenerationConfig.from_pretrained(tmp_path / "export")
    assert (defaults.temperature, defaults.top_p, defaults.max_new_tokens) == (0.5, 0.9, 7)
    assert (defaults.bos_token_id, defaults.eos_token_id, defaults.pad_token_id) == (0, 1, 2)


def test_the_chat_template_in_the_folder_is_the_one_given(tmp_path, model_folder):
    write_export(model_folder, tmp_path / "export", TEMPLATE, SAMPLING)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "export")
    assert tokenizer.apply_chat_template([{"role": "user", "content": "Hello."}], tokenize=False) == "Hello."


def test_an_older_export_leaves_nothing_behind(tmp_path, model_folder):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "old.txt").write_text("old")
    write_export(model_folder, tmp_path / "export", TEMPLATE, SAMPLING)
    first = folder_hash(tmp_path / "export")
    write_export(model_folder, tmp_path / "export", TEMPLATE, SAMPLING)
    assert not (tmp_path / "export" / "old.txt").exists()
    assert folder_hash(tmp_path / "export") == first
    assert json.loads((tmp_path / "export" / "run.json").read_text()) == {"stage": "ppo"}
