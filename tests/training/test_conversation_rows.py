import numpy as np

from stages.text.conversations import render
from stages.text.demonstrations import Message
from stages.training.conversation_rows import conversation_rows, fitting


def conversation(question: str, answer: str) -> list[Message]:
    return [Message(role="user", content=question), Message(role="assistant", content=answer)]


def test_only_the_words_of_assistants_and_their_ends_are_targets(tokenizer):
    spoken = [("What is the answer?", "The answer is 42."), ("Is it?", "I do not know."), ("And?", "No.")]
    rendered = {turns[0]: render(conversation(*turns), tokenizer) for turns in spoken}
    rows = conversation_rows(rendered, 64, tokenizer.pad, seed=1)
    learnt = rows.tokens[:, 1:][rows.targets(range(len(rows)))]
    texts = sorted(tokenizer.decode(part) for part in split_at(learnt.tolist(), tokenizer.end))
    assert texts == sorted(answer for _, answer in spoken)


def split_at(ids: list[int], end: int) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in ids:
        if token == end:
            parts.append([])
        else:
            parts[-1].append(token)
    assert parts[-1] == []
    return parts[:-1]


def test_a_conversation_longer_than_a_row_is_left_out_and_one_that_just_fits_is_not(tokenizer):
    rendered = {str(repeats): render(conversation("Is it?", "No." * repeats), tokenizer) for repeats in (1, 5, 30)}
    context = len(rendered["5"][0]) - 1
    assert fitting(rendered, context) == {name: rendered[name] for name in ("1", "5")}


def test_rows_know_the_conversations_they_hold(tokenizer):
    rendered = {str(length): render(conversation("Is it?", "No." * length), tokenizer) for length in range(1, 6)}
    rows = conversation_rows(rendered, 32, tokenizer.pad, seed=1)
    assert sorted(rows.names(np.arange(len(rows)))) == sorted(rendered)
    for row in range(len(rows)):
        for name in rows.names(np.array([row])):
            assert tokenizer.decode(rendered[name][0]) in tokenizer.decode(rows.tokens[row].tolist())
