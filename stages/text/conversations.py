"""Conversations as tokens: the one layout that training, sampling and the chat template share."""

from collections.abc import Sequence

from stages.text.demonstrations import Message
from stages.text.tokenizer import Tokenizer

CHAT_TEMPLATE = (
    "{{ '<|bos|>' }}"
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""The layout of `render` for tools that render text first; text that spells a control token differs there."""


def _role_id(role: str, tokenizer: Tokenizer) -> int:
    return {"system": tokenizer.system, "user": tokenizer.user, "assistant": tokenizer.assistant}[role]


def render(messages: Sequence[Message], tokenizer: Tokenizer) -> tuple[list[int], list[bool]]:
    """The ids of a conversation and, for each, whether it is to be learnt: an assistant's words and their end.

    `<|bos|>`, then for each turn `<|role|>`, its content and `<|end|>`. The header of an assistant's turn is not
    learnt, because it is given when the model answers.
    """
    ids, learnt = [tokenizer.bos], [False]
    for message in messages:
        turn = [*tokenizer.encode(message.content), tokenizer.end]
        ids += [_role_id(message.role, tokenizer), *turn]
        learnt += [False, *[message.role == "assistant"] * len(turn)]
    return ids, learnt


def render_answered(
    messages: Sequence[Message], answer: Sequence[int], tokenizer: Tokenizer, context_length: int
) -> list[int]:
    """The ids of a conversation and an answer to it; the last that a model can read, for an answer may outlive one."""
    return [*render_prompt(messages, tokenizer), *answer][-context_length:]


def render_prompt(messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
    """The ids that a model continues: the conversation so far and the header of the assistant's turn."""
    return [*render(messages, tokenizer)[0], tokenizer.assistant]
