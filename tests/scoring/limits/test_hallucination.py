import pytest

from stages.scoring.limits.hallucination import invented_names, unsupported_claims, unsupported_names, unsupported_words
from tests.scoring.limits.conftest import ask, say


def test_only_confident_answers_for_invented_names_count(phrases, resampling):
    prompts = [ask(str(number), "invented_name", "admit") for number in range(3)] + [ask("real", "real_name")]
    texts = [phrases["admit"], phrases["tell"], phrases["decline"], phrases["tell"]]
    answers = {"ppo": [say(prompt.id, text) for prompt, text in zip(prompts, texts, strict=True)]}
    finding = invented_names(prompts, answers, resampling)
    assert finding.figures["ppo"].value == pytest.approx(1 / 3, abs=1e-6)
    assert finding.figures["ppo"].n == 3
    assert [example.answer for example in finding.examples] == [phrases["tell"]]


def test_words_of_prompt_reference_and_facts_are_supported():
    prompt = ask("a", facts=("weight",))
    assert unsupported_words(prompt, "It counts the weighted nodes of a zebra.") == (1, 4)


def test_names_are_identifiers_that_the_source_lacks():
    prompt = ask("a", facts=("networkx.Graph",))
    text = "Use count_nodes, networkx.Graph and graph.walk_all with `depth` in fastMode."
    assert unsupported_names(prompt, text) == ["graph.walk_all", "depth", "fastMode"]


def test_prompts_that_hold_their_source_are_left_out(resampling):
    prompts = [ask("a"), ask("b", kind="open_book"), ask("c", "invented_name", "admit")]
    answers = {"ppo": [say(prompt.id, "It counts zebras with run_all.") for prompt in prompts]}
    words, names = unsupported_claims(prompts, answers, resampling)
    assert words.figures["ppo"].n == names.figures["ppo"].n == 1
    assert words.figures["ppo"].value == pytest.approx(2 / 3, abs=1e-6)  # zebra and run
    assert names.figures["ppo"].value == 1.0
    assert names.examples[0].note == "not in its source: run_all"
