from stages.reporting.model_card import Evidence, markdown_cell, model_card
from tests import results


def card(simulated_share: float = 1.0, has_gguf: bool = True) -> str:
    evidence = Evidence(
        config={"max_position_embeddings": 48},
        collected=results.collected(),
        encoded=results.encoded(),
        evaluation=results.evaluation(answer="AN ANSWER"),
        probe=results.probe(answer="AN ANSWER"),
        agreement=results.agreement(simulated_share),
        largest_logit_difference=2e-6,
        parameters=1_234_567,
        has_gguf=has_gguf,
    )
    return model_card(evidence, "Test model", "apache-2.0")


def test_the_card_begins_with_the_metadata_of_the_hub():
    assert card().startswith("---\nlanguage: en\nlicense: apache-2.0\nlibrary_name: transformers\n")


def test_the_card_names_the_file_for_llama_cpp_only_where_there_is_one():
    assert "`llama-cli -m data/export/model/model.gguf`" in card()
    assert "gguf" not in card(has_gguf=False)


def test_rankings_by_people_raise_no_warning():
    assert "SIMULATED" in card(1.0)
    assert "SIMULATED" not in card(0.0)


def test_what_was_not_met_and_not_measured_stands_in_the_card():
    text = card()
    assert "| The claim stops. |" in text
    assert "**not met**: value" in text
    assert "**not measured**: nothing to measure it on" in text


def test_limits_are_those_of_the_exported_model_with_their_caveat():
    text = card()
    assert "0.300 (0.200 to 0.400; 120 prompts); kin not measured" in text
    assert "Names are invented by rules." in text


def test_no_text_of_a_model_is_put_into_the_card():
    assert "AN ANSWER" not in card()


def test_a_cell_stays_one_cell():
    assert markdown_cell("a | b\nc") == "a \\| b c"
