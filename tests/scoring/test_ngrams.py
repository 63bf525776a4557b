import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from stages.scoring.ngrams import FALLBACK_DISCOUNTS, KneserNey, Stream, count, discounts

VOCABULARY = 7
BOS = 0


def slow_probability(documents, order, vocabulary, context, token):
    """Modified Kneser-Ney by the book, from dictionaries (Chen and Goodman 1999, section 4.1)."""
    grams = {
        n: Counter(
            tuple(document[end - n + 1 : end + 1])
            for document in documents
            for end in range(max(1, n - 1), len(document))
        )
        for n in range(1, order + 1)
    }

    def counts(n):
        if n == order:
            return grams[n]
        before = defaultdict(set)
        for gram in grams[n + 1]:
            before[gram[1:]].add(gram[0])
        return {gram: times if gram[0] == BOS else len(before[gram]) for gram, times in grams[n].items()}

    def discount(values, value):
        of = Counter(values)
        if any(of[k] == 0 for k in (1, 2, 3, 4)):
            found = list(FALLBACK_DISCOUNTS)
        else:
            y = of[1] / (of[1] + 2 * of[2])
            found = [0, 1 - 2 * y * of[2] / of[1], 2 - 3 * y * of[3] / of[2], 3 - 4 * y * of[4] / of[3]]
            found = found if min(found[1:]) > 0 else list(FALLBACK_DISCOUNTS)
        return found[min(value, 3)]

    def probability(n, before):
        if n == 0:
            return 1 / vocabulary
        table = counts(n)
        history = before[len(before) - n + 1 :] if n > 1 else ()
        followers = {gram: value for gram, value in table.items() if gram[:-1] == history}
        total = sum(followers.values())
        lower = probability(n - 1, before)
        if total == 0:
            return lower
        values = list(table.values())
        own = followers.get((*history, token), 0)
        left = sum(discount(values, value) for value in followers.values())
        return (own - (discount(values, own) if own else 0) + left * lower) / total

    return probability(min(order, len(context) + 1), tuple(context))


def documents_of(draw, number=30, vocabulary=VOCABULARY):
    weights = 1 / np.arange(1, vocabulary) ** 1.5
    return [
        np.array([BOS, *draw.choice(np.arange(1, vocabulary), size=draw.integers(1, 9), p=weights / weights.sum())])
        for _ in range(number)
    ]


def test_a_bigram_model_worked_out_by_hand():
    # Documents 0 1 2 and 0 1 1 over the tokens 0, 1, 2. Bigrams: 01 twice, 12 once, 11 once; too few counts of counts
    # for estimates, so a count of 1 loses 0.5 and one of 2 loses 1.
    # Unigrams count left neighbours: token 1 follows 0 and 1, token 2 follows 1, so 2 and 1 of 3.
    # p(1) = (2 - 1) / 3 + (1 + 0.5) / 3 * 1 / 3 = 0.5, p(2) = (1 - 0.5) / 3 + 0.5 * 1 / 3 = 1 / 3, p(0) = 1 / 6.
    # After 1 stand 1 and 2, once each, so p(2 | 1) = (1 - 0.5) / 2 + (0.5 + 0.5) / 2 * 1 / 3 = 5 / 12.
    # After 0 stands 1 twice, so p(1 | 0) = (2 - 1) / 2 + 1 / 2 * 0.5 = 0.75.
    documents = [np.array([0, 1, 2]), np.array([0, 1, 1])]
    model = KneserNey.of(count(Stream.of(documents), 2, 3), 3)
    scored = model.log_probabilities([np.array([0, 1, 2])])
    assert np.exp(scored[0]) == pytest.approx([0.75, 5 / 12])


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_agrees_with_a_slow_model_by_the_book(draw, order):
    documents, unseen = documents_of(draw), documents_of(draw, number=6)
    scored = KneserNey.of(count(Stream.of(documents), order, VOCABULARY), VOCABULARY).log_probabilities(unseen)
    plain = [document.tolist() for document in documents]
    for document, nats in zip(unseen, scored, strict=True):
        expected = [
            math.log(
                slow_probability(plain, order, VOCABULARY, document[max(0, end - order + 1) : end].tolist(), token)
            )
            for end, token in enumerate(document.tolist())
            if end > 0
        ]
        assert nats == pytest.approx(expected)


def test_probabilities_sum_to_one_after_known_and_unknown_contexts(draw):
    model = KneserNey.of(count(Stream.of(documents_of(draw)), 4, VOCABULARY), VOCABULARY)
    for context in ([0], [0, 1], [0, 1, 2, 1], [0, 6, 6, 5, 6]):
        endings = model.log_probabilities([np.array([*context, token]) for token in range(VOCABULARY)])
        assert sum(math.exp(nats[-1]) for nats in endings) == pytest.approx(1)


def test_a_lower_order_model_from_the_same_tables_equals_one_counted_alone(draw):
    documents = documents_of(draw)
    shared = KneserNey.of(count(Stream.of(documents), 5, VOCABULARY)[:3], VOCABULARY).log_probabilities(documents)
    alone = KneserNey.of(count(Stream.of(documents), 3, VOCABULARY), VOCABULARY).log_probabilities(documents)
    assert np.array_equal(np.concatenate(shared), np.concatenate(alone))


def test_nothing_is_counted_across_documents():
    apart = KneserNey.of(count(Stream.of([np.array([0, 1, 2]), np.array([0, 3, 4])]), 2, 5), 5)
    joined = KneserNey.of(count(Stream.of([np.array([0, 1, 2, 0, 3, 4])]), 2, 5), 5)
    probe = [np.array([0, 2, 0])]
    assert apart.log_probabilities(probe)[0][1] < joined.log_probabilities(probe)[0][1]


def test_discounts_are_those_of_chen_and_goodman():
    # n1 = 8, n2 = 4, n3 = 2, n4 = 1: Y = 8 / 16 = 0.5.
    counts = np.array([1] * 8 + [2] * 4 + [3] * 2 + [4])
    assert discounts(counts).tolist() == [0, 0.5, 1.25, 2.0]


def test_discounts_fall_back_where_a_count_of_counts_is_missing():
    assert discounts(np.array([1, 1, 2, 3, 9])).tolist() == FALLBACK_DISCOUNTS.tolist()
