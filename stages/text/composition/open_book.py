"""Open-book questions: the answer stands in the text that comes with the question."""

from collections.abc import Iterator

from stages.text.composition.docstrings import Docstring, Field
from stages.text.composition.extracts import call_of, parameters_extract, returns_extract, simple_type
from stages.text.composition.items import Entry, Item, from_entry, in_hash_order
from stages.text.composition.prose import defined_term
from stages.text.composition.summarise import PASSAGE_LENGTH


def asked_parameters(entry: Entry, family: str) -> Iterator[tuple[Docstring, Field]]:
    """The parameters that can be asked about, in hash order: one plain name each."""
    docstring = entry.docstring
    if docstring:
        by_name = {field.name: field for field in docstring.parameters if field.name.isidentifier()}
        for name in in_hash_order(list(by_name), family, entry.id):
            yield docstring, by_name[name]


def open_book_parameter(entry: Entry) -> Iterator[Item]:
    """What a parameter means."""
    for docstring, field in asked_parameters(entry, "open_book_parameter"):
        passage = parameters_extract(docstring, field, docstring.short_name)
        if passage and field.description:
            slots = {"passage": passage, "subject": field.name}
            yield from_entry(entry, "open_book_parameter", "open_book", field.name, slots, field.description)


def open_book_type(entry: Entry) -> Iterator[Item]:
    """Of which type a parameter is."""
    for docstring, field in asked_parameters(entry, "open_book_type"):
        kind = simple_type(field)
        passage = parameters_extract(docstring, field, docstring.short_name)
        if passage and kind:
            slots = {"passage": passage, "subject": field.name}
            answer = f"`{field.name}` is of type {kind}."
            yield from_entry(entry, "open_book_type", "open_book", field.name, slots, answer)


def open_book_returns(entry: Entry) -> Iterator[Item]:
    """What is returned."""
    docstring = entry.docstring
    if docstring and docstring.returns and docstring.returns.description:
        passage = returns_extract(docstring, call_of(docstring))
        if passage:
            answer = docstring.returns.description
            yield from_entry(entry, "open_book_returns", "open_book", "returns", {"passage": passage}, answer)


def open_book_definition(entry: Entry) -> Iterator[Item]:
    """What a paragraph says that a term is."""
    for passage in entry.passages:
        for sentence in passage.sentences:
            term = defined_term(sentence)
            if term and len(passage.sentences) >= 2 and len(passage.text) <= PASSAGE_LENGTH:
                slots = {"passage": passage.text, "subject": term}
                yield from_entry(entry, "open_book_definition", "open_book", term, slots, sentence)
