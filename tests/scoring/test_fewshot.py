from stages.scoring.fewshot import answer_of, example_pools, examples, request
from stages.text.demonstrations import Message
from tests.specimens import demonstration


def shown(name, question="What is it?", answer="A graph.", **changes):
    return demonstration(name, question, answer, **changes)


POOLS = example_pools(
    [
        shown("long", answer="A very long answer about graphs."),
        shown("short", answer="Yes."),
        shown("middle", kind="guide"),
        shown("no", kind="decline", answer="I can't help."),
        shown("unknown", kind="admit", answer="I don't know."),
        shown("kept", split="validation", answer="No."),
    ],
    2,
)


def test_pools_hold_the_shortest_of_each_stance_from_the_training_part():
    assert [[one.id for one in pool] for pool in POOLS] == [["short", "middle"], ["no"], ["unknown"]]


def test_a_stance_without_demonstrations_has_no_pool():
    assert [[one.id for one in pool] for pool in example_pools([shown("a")], 3)] == [["a"]]


def test_examples_are_one_of_each_stance_and_change_with_the_prompt():
    drawn = [tuple(one.id for one in examples(POOLS, 1, f"p{number}")) for number in range(40)]
    assert all(len({"short", "middle"} & set(ids)) == 1 and {"no", "unknown"} < set(ids) for ids in drawn)
    assert len(set(drawn)) > 6
    assert drawn[0] == tuple(one.id for one in examples(POOLS, 1, "p0"))


def test_a_request_reads_as_text_and_ends_where_the_answer_begins():
    asked = (Message(role="user", content="What is a node?"),)
    assert request(asked, [shown("a"), shown("b", answer="B.")]) == (
        "Question: What is it?\nAnswer: A graph.\n\nQuestion: What is it?\nAnswer: B.\n\n"
        "Question: What is a node?\nAnswer:"
    )


def test_earlier_turns_of_a_conversation_keep_their_labels():
    asked = (
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Hello"),
        Message(role="user", content="What now?"),
    )
    assert request(asked, []) == "Question: Hi\nAnswer: Hello\nQuestion: What now?\nAnswer:"


def test_an_answer_ends_at_the_next_label():
    assert answer_of(" A graph.\n\nQuestion: And then?\nAnswer: No") == ("A graph.", True)
    assert answer_of(" A graph.\nAnswer: again") == ("A graph.", True)
    assert answer_of(" A Question: of style ") == ("A Question: of style", False)
