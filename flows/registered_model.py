"""What a registered version does when MLflow loads it: answer, with the exported folder and transformers alone.

MLflow keeps this file beside the folder and runs it from there, so it imports nothing of ours; what takes seconds to
import waits until a version is loaded.
"""

import json
import threading
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

ROLES = ("system", "user", "assistant")
SEED = 1
"""Of every answer: the same question has the same answer, whatever is asked beside it."""
PLACE = "\0"
"""Stands for a message's words while the chat template is filled in."""


class Assistant(PythonModel):
    """Answers questions, each alone, sampled as the exported folder says."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the folder."""
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

        folder = Path(context.artifacts["model"])
        defaults = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
        greedy = {"do_sample": False, "temperature": 1.0, "top_p": 1.0}
        # Where top_k is not said, transformers narrows the choice to 50 tokens.
        self.decoding = GenerationConfig(**defaults | ({"top_k": 0} if defaults["temperature"] else greedy))
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True).eval()
        self.lock = threading.Lock()

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[str]:
        """The answer to each row of a table with a column `prompt`, a text, or `messages`, each a role and content."""
        # The server asks from several threads, which share one tokenizer and one random generator.
        with self.lock:
            rows = enumerate(conversations(model_input))
            prompts = [self.token_ids(conversation, f"row {number}") for number, conversation in rows]
            return [self.answer(ids) for ids in prompts]

    def token_ids(self, conversation: list[dict[str, str]], where: str) -> list[int]:
        """The ids that the model continues: control tokens are the template's alone, whatever a message spells."""
        check(conversation, where)
        places = [{"role": message["role"], "content": PLACE} for message in conversation]
        layout = self.tokenizer.apply_chat_template(places, add_generation_prompt=True, tokenize=False)
        first, *others = str(layout).split(PLACE)
        ids = self.tokenizer.encode(first, add_special_tokens=False)
        for message, after in zip(conversation, others, strict=True):
            ids += self.tokenizer.encode(message["content"], add_special_tokens=False, split_special_tokens=True)
            ids += self.tokenizer.encode(after, add_special_tokens=False)
        room = self.model.config.max_position_embeddings - self.decoding.max_new_tokens
        if len(ids) > room:
            raise refusal(f"{where}: {len(ids)} tokens; at most {room} leave room for an answer. Ask in fewer words.")
        return ids

    def answer(self, ids: list[int]) -> str:
        """The text that the model writes after these ids."""
        import torch

        prompt = torch.tensor([ids])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            written = self.model.generate(
                prompt, attention_mask=torch.ones_like(prompt), generation_config=self.decoding
            )
        return str(self.tokenizer.decode(written[0, len(ids) :], skip_special_tokens=True))


def refusal(text: str) -> MlflowException:
    """A question that cannot be answered; the server says so with status 400."""
    return MlflowException.invalid_parameter_value(text)


def conversations(table: pd.DataFrame) -> list[list[dict[str, str]]]:
    """The conversation of each row, from the table's one column of the two."""
    columns = [name for name in ("prompt", "messages") if name in table.columns]
    if len(columns) != 1:
        raise refusal("give one column, prompt or messages.")
    if columns == ["messages"]:
        return [list(cell) for cell in table["messages"]]
    return [[{"role": "user", "content": cell}] for cell in table["prompt"]]


def check(conversation: list[dict[str, str]], where: str) -> None:
    """Refuse what is no conversation. The template makes control tokens of roles: only its own may come through."""
    if not conversation:
        raise refusal(f"{where}: messages is empty. Give at least one.")
    for message in conversation:
        if message["role"] not in ROLES:
            raise refusal(f"{where}: no role {message['role']!r}. Use {', '.join(ROLES)}.")
        if not isinstance(message["content"], str):
            raise refusal(f"{where}: {type(message['content']).__name__} where text should be.")


set_model(Assistant())
