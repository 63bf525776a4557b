from stages.text.language import detect


def test_languages_are_told_apart_with_a_high_score():
    english, score = detect(
        "The ferry across the lake runs every forty minutes, and the ticket seller throws the ropes."
    )
    assert english == "en"
    assert score > 0.6
    assert detect("Am Morgen lag Nebel über dem Fluss, und die Fähre wartete auf das andere Ufer.")[0] == "de"


def test_only_the_beginning_of_a_long_text_counts():
    english = "The water rises and falls with the moon and the sun. " * 60
    assert detect(english + "Und dann kommt noch viel Deutsch hinterher. " * 500) == detect(english)


def test_text_without_words_has_no_language():
    assert detect("12345 67890")[0] == "und"
