import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from stages.errors import ExitCode, StageError
from stages.hashing import folder_hash
from stages.model.checkpoint import load_model, save_model
from stages.model.scalar import ScalarModel
from stages.model.transformer import ModelConfig, Transformer
from stages.parameters import problems
from stages.training.acceleration import Acceleration, accelerate
from stages.training.batches import all_batches
from stages.training.lora import AdapterSettings, LoraSettings, insert_adapter, merge_adapter, save_and_merge
from stages.training.objectives import next_token_loss
from stages.training.optimizer import build_optimizers
from tests.specimens import PLAN, small_config, uneven_model
from tests.training.test_loop import Interrupted, run, same_weights

SETTINGS = LoraSettings(
    rank=4, alpha=6, targets=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
)
CLOSE = 1e-5
"""Of logits near 1: W x + B A x is rounded otherwise than (W + B A) x."""


def adapted(model: Any, settings: LoraSettings = SETTINGS) -> Any:
    """The model with an adapter that has learnt something."""
    insert_adapter(model, settings, seed=1)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1, generator=draw)
    return model


def base(vocabulary_size: int = 40, **changes) -> ModelConfig:
    return small_config(vocabulary_size, context_length=16, **changes)


def random_tokens(vocabulary_size: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, vocabulary_size, shape, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def logits(model: Transformer, tokens: torch.Tensor) -> torch.Tensor:
    return model.logits(model(tokens))


def test_a_new_adapter_changes_nothing_and_alone_learns():
    model, plain = uneven_model(base(tied=False)), uneven_model(base(tied=False))
    figures = insert_adapter(model, SETTINGS, seed=1)
    # In two blocks: rank * (inputs + outputs) of q and o, of k and v with half the heads, of three of 24 by 16.
    assert figures == {"trained_parameters": 2 * 4 * (2 * (16 + 16) + 2 * (16 + 8) + 3 * (16 + 24))}
    assert torch.equal(logits(model, random_tokens(40, 2, 16)), logits(plain, random_tokens(40, 2, 16)))
    assert {name.split(".")[-3] for name, one in model.named_parameters() if one.requires_grad} == {"lora_A", "lora_B"}


def test_only_the_targets_are_adapted():
    model = uneven_model(base())
    insert_adapter(model, SETTINGS.model_copy(update={"targets": ["q_proj", "down_proj"]}), seed=1)
    learning = {name for name, one in model.named_parameters() if one.requires_grad}
    assert {name.split(".lora_")[0].split(".", 3)[3] for name in learning} == {"self_attn.q_proj", "mlp.down_proj"}
    assert len(learning) == 2 * 2 * 2


def test_the_draw_is_of_the_seed_alone_and_takes_nothing_from_other_draws():
    states = []
    before = torch.get_rng_state()
    for seed, noise in ((1, 0), (1, 5), (2, 0)):
        torch.rand(noise)
        states.append(uneven_model(base()))
        now = torch.get_rng_state()
        insert_adapter(states[-1], SETTINGS, seed)
        assert torch.equal(torch.get_rng_state(), now)
    torch.set_rng_state(before)
    assert same_weights(states[0], states[1])
    assert not same_weights(states[0], states[2])


def test_merged_weights_are_the_formula_and_compute_what_the_adapted_model_does():
    model, plain = adapted(uneven_model(base())), uneven_model(base()).state_dict()
    tokens = random_tokens(40, 3, 16)
    before = logits(model, tokens)
    adapter = {name: weight.clone() for name, weight in model.state_dict().items() if "lora_" in name}
    merge_adapter(model)
    assert list(model.state_dict()) == list(plain)
    name = "model.layers.1.mlp.down_proj"
    a, b = (adapter[f"{name}.lora_{one}.default.weight"].double().numpy() for one in "AB")
    expected = plain[f"{name}.weight"].double().numpy() + 6 / 4 * b @ a
    np.testing.assert_allclose(model.state_dict()[f"{name}.weight"].numpy(), expected, rtol=0, atol=1e-7)
    assert torch.equal(model.state_dict()["model.norm.weight"], plain["model.norm.weight"])
    torch.testing.assert_close(logits(model, tokens), before, atol=CLOSE, rtol=0)
    changed = uneven_model(base())
    assert (before - logits(changed, tokens)).abs().max() > 1000 * CLOSE


@pytest.fixture
def base_folder(tmp_path: Path, tokenizer_folder: Path) -> Path:
    save_model(tmp_path / "base", uneven_model(base(400, family="qwen2", tied=False)), tokenizer_folder, {})
    return tmp_path / "base"


def test_peft_puts_the_adapter_on_the_base_model_in_transformers(base_folder, tmp_path):
    """The same logits, and merged by peft the weights that are in the merged model."""
    model = adapted(load_model(base_folder))
    tokens = random_tokens(400, 2, 16)
    expected = logits(model, tokens)
    save_and_merge(tmp_path / "adapter", model, {"inputs": {"model": folder_hash(base_folder)}})
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_folder), tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, expected, atol=CLOSE, rtol=0)
    merged = theirs.merge_and_unload().state_dict()
    assert merged.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, merged[name], atol=0, rtol=0)


def test_a_reward_model_s_adapter_is_one_of_a_classifier(base_folder, tmp_path):
    """The head learns, and is in the adapter as peft's `modules_to_save`; a classifier of theirs has no bias."""
    model = ScalarModel(load_model(base_folder).config, outputs=3)
    model.initialise(load_model(base_folder), torch.Generator().manual_seed(1))
    torch.nn.init.normal_(model.head.bias)
    adapted(model)
    learning = {name for name, one in model.named_parameters() if one.requires_grad and "lora_" not in name}
    assert learning == {"head.weight", "head.bias"}
    tokens = random_tokens(400, 2, 16)
    with torch.no_grad():
        expected = model(tokens)[:, -1]
    save_and_merge(tmp_path / "adapter", model, {})
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[:, -1], expected, atol=CLOSE, rtol=0)
    plain = AutoModelForSequenceClassification.from_pretrained(base_folder, num_labels=3)
    theirs = PeftModel.from_pretrained(plain, tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens[:1]).logits + model.head.bias, expected[:1], atol=CLOSE, rtol=0)


def test_the_adapter_names_no_path_and_equal_ones_are_equal_bytes(base_folder, tmp_path):
    record = {"inputs": {"model": folder_hash(base_folder)}}
    for name in "ab":
        save_and_merge(tmp_path / name, adapted(load_model(base_folder)), record)
    assert folder_hash(tmp_path / "a") == folder_hash(tmp_path / "b")
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "run.json"}
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert not config["base_model_name_or_path"]
    assert str(tmp_path) not in json.dumps(config)
    assert config["target_modules"] == sorted(SETTINGS.targets)  # in a set of peft's: the order of another process
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (4, 6, "LORA")
    assert json.loads((tmp_path / "a" / "run.json").read_text()) == record
    weights = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert len(weights) == 2 * 7 * 2
    assert weights["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"].shape == (4, 16)


def test_without_an_adapter_there_is_the_record_alone_and_the_model_is_untouched(tmp_path):
    model = uneven_model(base())
    assert insert_adapter(model, None, seed=1) == {}
    save_and_merge(tmp_path / "adapter", model, {"steps": 3})
    assert [path.name for path in (tmp_path / "adapter").iterdir()] == ["run.json"]
    assert json.loads((tmp_path / "adapter" / "run.json").read_text()) == {"steps": 3}
    assert same_weights(model, uneven_model(base()))
    assert all(weight.requires_grad for weight in model.parameters())


def test_in_bf16_factors_stay_fp32_and_multiply_as_all_else_does(rows):
    exact, rounded = (adapted(uneven_model(base(), deviation=0.02)) for _ in range(2))
    rounded.compute_dtype = torch.bfloat16
    tokens = random_tokens(40, 2, 16)
    expected = logits(exact, tokens)
    assert (logits(rounded, tokens) - expected).abs().max() < 0.02 * expected.abs().max()
    types = set()
    for name, module in rounded.named_modules():
        if name.endswith(("lora_A.default", "lora_B.default")):
            module.register_forward_hook(lambda module, inputs, output: types.add((inputs[0].dtype, output.dtype)))
    rounded.logits(rounded(tokens)).logsumexp(-1).sum().backward()
    assert types == {(torch.bfloat16, torch.bfloat16)}
    assert {one.grad.dtype for one in rounded.parameters() if one.requires_grad} == {torch.float32}
    assert {one.dtype for one in rounded.parameters()} == {torch.float32}


def test_adamw_moves_the_factors_even_where_muon_moves_matrices(rows, tmp_path):
    model = adapted(uneven_model(base()))
    (adamw,) = build_optimizers(model, PLAN.optimizer)
    assert isinstance(adamw, torch.optim.AdamW)
    assert PLAN.optimizer.matrices == "muon"
    taken = {id(one) for group in adamw.param_groups for one in group["params"]}
    assert taken == {id(one) for one in model.parameters() if one.requires_grad}


def new_adapter() -> Transformer:
    model = uneven_model(base())
    insert_adapter(model, SETTINGS, seed=1)
    return model.train()


def figure(model: Transformer) -> dict[str, float]:
    """A validation that the factors decide, worst in the end."""
    return {"validation_loss": model.model.layers[0].mlp.up_proj.lora_B.default.weight.abs().sum().item()}


@pytest.mark.parametrize("choose_by", [None, "validation_loss"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_run_continues_to_the_same_bits(rows, tmp_path, error, choose_by):
    plan = replace(PLAN, choose_by=choose_by)
    expected = run(whole := new_adapter(), rows, tmp_path / "whole", plan, validate=figure)
    with pytest.raises(error):
        run(new_adapter(), rows, tmp_path / "cut", plan, lambda batches: Interrupted(batches, 13, error), figure)
    result = run(continued := new_adapter(), rows, tmp_path / "cut", plan, validate=figure)
    assert result == expected
    assert same_weights(continued, whole)
    moved = {name for name, weight in new_adapter().state_dict().items() if not weight.equal(whole.state_dict()[name])}
    assert moved == (set() if choose_by else {name for name in whole.state_dict() if "lora_" in name})


def test_a_state_holds_the_adapter_and_nothing_of_what_is_frozen(rows, tmp_path):
    run(new_adapter(), rows, tmp_path, replace(PLAN, choose_by="validation_loss"), validate=figure)
    state = torch.load(tmp_path / "00000020.pt", weights_only=True)
    learning = {name for name, weight in new_adapter().named_parameters() if weight.requires_grad}
    assert state["model"].keys() == state["best"].keys() == learning


@pytest.mark.slow
def test_compiled_blocks_compute_the_same_with_one_program_for_all_but_the_first(rows):
    """The first has an input that needs no gradient; the final norm has a program of its own."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    config = base(layers=12)
    eager, compiled = (adapted(uneven_model(config, deviation=0.02)) for _ in range(2))
    accelerate(compiled, Acceleration("fp32", True, 1))
    tokens = random_tokens(40, 2, 16)
    for model in (eager, compiled):
        model.logits(model(tokens)).logsumexp(-1).sum().backward()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 3
    assert not torch._dynamo.utils.counters["graph_break"]
    for one, other in zip(eager.parameters(), compiled.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4)


def test_frozen_output_weights_take_no_gradient_and_change_no_other(rows):
    losses, gradients = list[float](), list[list[torch.Tensor]]()
    (batch,) = all_batches(rows, np.arange(4), 4)
    for frozen in (True, False):
        model = adapted(uneven_model(base()))
        model.output_weight.requires_grad_(not frozen)
        loss = next_token_loss(model, batch)
        loss.backward()
        losses.append(loss.item())
        assert (model.output_weight.grad is None) == frozen
        gradients.append([one.grad for name, one in model.named_parameters() if "lora_" in name])
    assert losses[0] == losses[1]
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_a_rank_above_a_target_s_is_refused_with_its_name():
    with pytest.raises(StageError) as caught:
        insert_adapter(uneven_model(base()), SETTINGS.model_copy(update={"rank": 9}), seed=1)
    assert caught.value.code == ExitCode.CONFIGURATION
    assert str(caught.value) == (
        "rank of the adapter too high: 9, and layers.0.self_attn.k_proj is 8 by 16. Lower lora.rank to 8 or less."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": ["q_proj", "query"]}, "finetune.lora.targets.1: Input should be 'q_proj', 'k_proj'"),
        ({"targets": []}, "finetune.lora.targets: List should have at least 1 item"),
        ({"rank": 0}, "finetune.lora.rank: Input should be greater than 0"),
        ({"alpha": -1}, "finetune.lora.alpha: Input should be greater than 0"),
        ({"dropout": 0.1}, "finetune.lora.dropout: Extra inputs are not permitted"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, words):
    (found,) = problems("finetune", {"lora": SETTINGS.model_dump() | changes}, AdapterSettings)
    assert found.startswith(words)


def test_peft_is_loaded_only_for_an_adapter():
    code = "import sys, stages.finetune; print([name for name in ('peft', 'accelerate') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
