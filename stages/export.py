"""Write the final model as a folder that transformers and llama.cpp open without our code, the same model in both."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from stages.command import command
from stages.errors import ExitCode, StageError
from stages.model.checkpoint import load_model
from stages.model.export import SamplingDefaults, write_export
from stages.model.gguf import GGUF_FILE, UnknownToLlamaCppError, write_gguf
from stages.model.transformer import Transformer
from stages.parameters import Metrics, Section
from stages.reporting.model_card import Evidence, model_card
from stages.seeding import key_hash
from stages.text.conversations import CHAT_TEMPLATE, render_prompt
from stages.text.demonstrations import Prompt
from stages.text.records import read_records
from stages.text.tokenizer import SPECIAL_TOKENS, Tokenizer


class Params(Section):
    """What the folder says of itself, and how exactly it must match."""

    seed: int
    """Chooses the prompts that the two implementations are compared on."""
    name: str
    """The model's name in its card."""
    licence: str
    """Of the weights: an identifier of the Hugging Face hub, for example `apache-2.0`."""
    checked_prompts: int = Field(gt=0)
    """Prompts that the two implementations are compared on."""
    max_logit_difference: float = Field(ge=0)
    """Largest absolute difference between a logit of ours and of transformers."""
    temperature: float = Field(ge=0)
    """Default of tools that open the folder."""
    top_p: float = Field(gt=0, le=1)
    """Default of tools that open the folder."""
    max_new_tokens: int = Field(gt=0)
    """Default of tools that open the folder."""

    @property
    def sampling(self) -> SamplingDefaults:
        """The sampling defaults."""
        return SamplingDefaults(self.temperature, self.top_p, self.max_new_tokens)


def comparable(prompts: Sequence[Prompt], count: int, seed: int) -> list[Prompt]:
    """So many prompts by a hash of their ids; none that spells a control token, which a text template would obey."""
    plain = [
        prompt
        for prompt in prompts
        if not any(token in message.content for message in prompt.messages for token in SPECIAL_TOKENS)
    ]
    return sorted(plain, key=lambda prompt: key_hash(seed, "export", prompt.id))[:count]


@torch.inference_mode()
def logit_difference(model: Transformer, exported: Any, rows: Sequence[Sequence[int]]) -> float:
    """The largest absolute difference between the two models' logits over all places of all rows."""
    largest = 0.0
    for row in rows:
        tokens = torch.tensor([row])
        ours = model.logits(model(tokens, None))
        largest = max(largest, (ours - exported(tokens).logits).abs().max().item())
    return largest


def check_chat_template(exported: Path, prompts: Sequence[Prompt], tokenizer: Tokenizer) -> None:
    """StageError where the exported chat template gives other ids than training saw."""
    from transformers import AutoTokenizer  # seconds to import, and needed nowhere else

    theirs = AutoTokenizer.from_pretrained(exported)
    for prompt in prompts:
        messages = [message.model_dump(include={"role", "content"}) for message in prompt.messages]
        ids = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        if ids != render_prompt(prompt.messages, tokenizer):
            raise StageError(
                ExitCode.DATA,
                "chat template gives other ids than training",
                f"prompt {prompt.id}",
                "Compare the version of transformers with requirements.lock.",
            )


def check_logits(exported: Path, model: Transformer, rows: Sequence[Sequence[int]], limit: float) -> float:
    """The largest difference between our logits and those of transformers, to three digits; StageError if too large."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    theirs = AutoModelForCausalLM.from_pretrained(exported, dtype=torch.float32).eval()
    difference = logit_difference(model, theirs, rows)
    if difference > limit:
        raise StageError(
            ExitCode.DATA,
            "transformers computes other logits",
            f"largest difference {difference:.3g}, limit {limit:.3g}",
            "Compare the version of transformers with requirements.lock.",
        )
    return float(f"{difference:.3g}")


def write_for_llama_cpp(exported: Path, name: str) -> bool:
    """Whether the folder got a GGUF too; a line says why not."""
    try:
        write_gguf(exported, exported / GGUF_FILE, name)
    except UnknownToLlamaCppError as error:
        print(f"NO GGUF: {error}.", file=sys.stderr)
        return False
    return True


def run(
    params: Params,
    model: Path,
    prompts: Path,
    evaluation: Path,
    probe: Path,
    collected: Path,
    encoded: Path,
    agreement: Path,
    output: Path,
) -> Metrics:
    """Write the folder, open it with transformers, compare, and write the GGUF and the model card."""
    target = output / "model"
    write_export(model, target, CHAT_TEMPLATE, params.sampling)
    tokenizer, network = Tokenizer.load(model / "tokenizer"), load_model(model)
    chosen = comparable(read_records(prompts, Prompt), params.checked_prompts, params.seed)
    check_chat_template(target, chosen, tokenizer)
    rows = [render_prompt(prompt.messages, tokenizer)[: network.config.context_length] for prompt in chosen]
    difference = check_logits(target, network, rows, params.max_logit_difference)
    has_gguf = write_for_llama_cpp(target, params.name)
    weights = sum(parameter.numel() for parameter in network.parameters())
    sources = {
        "config": target / "config.json",
        "collected": collected,
        "encoded": encoded,
        "evaluation": evaluation,
        "probe": probe,
        "agreement": agreement,
    }
    documents = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in sources.items()}
    evidence = Evidence(**documents, largest_logit_difference=difference, parameters=weights, has_gguf=has_gguf)
    (target / "README.md").write_text(model_card(evidence, params.name, params.licence), encoding="utf-8")
    return {
        "parameters": weights,
        "prompts_checked": len(chosen),
        "largest_logit_difference": difference,
        "gguf": int(has_gguf),
        "megabytes": round(sum(path.stat().st_size for path in target.iterdir()) / 1e6, 3),
    }


if __name__ == "__main__":
    command("export", run)
