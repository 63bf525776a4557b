"""Choice items hold the right answer once, at the place they say."""

from stages.text.composition.items import Entry
from stages.text.composition.tasks import parameter_of_function, summary_of_name

ENTRIES = [
    Entry(
        f"{number:016x}",
        f"pkg.f{number}(x{number})\n\nReturn the value number {number} of all.\n\n"
        f"Parameters\n----------\nx{number} : int\n",
        "pkg",
        "reference",
        "MIT",
    )
    for number in range(12)
]


def test_each_item_has_four_choices_of_which_one_is_right():
    summaries, parameters = list(summary_of_name(ENTRIES)), list(parameter_of_function(ENTRIES))
    assert len(summaries) == len(parameters) == 12
    for number, item in enumerate(summaries):
        assert len(set(item.choices)) == 4
        assert item.choices[item.answer] == f"Return the value number {number} of all."
        assert item.context == f"pkg.f{number}(x{number})\n\n"
    for number, item in enumerate(parameters):
        assert item.choices[item.answer] == f"x{number}"
        assert f"x{number}" not in item.context


def test_the_right_choice_has_no_fixed_place():
    assert len({item.answer for item in summary_of_name(ENTRIES)}) > 1


def test_too_few_documents_give_no_items():
    assert list(summary_of_name(ENTRIES[:2])) == []
