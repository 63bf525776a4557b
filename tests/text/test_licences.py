from email.message import Message

import pytest

from stages.text.licences import is_allowed, stated_licence

ALLOWED = {"MIT", "BSD-3-Clause", "Apache-2.0", "LLVM-exception"}


class Metadata(Message):
    @property
    def json(self) -> dict:
        keys = {"license_expression": "License-Expression", "license": "License"}
        fields = {key: self[name] for key, name in keys.items() if name in self}
        return fields | ({"classifier": self.get_all("Classifier")} if "Classifier" in self else {})


def metadata(*fields: tuple[str, str]) -> Metadata:
    message = Metadata()
    for name, value in fields:
        message[name] = value
    return message


def test_the_expression_comes_before_the_name_and_the_name_before_classifiers():
    classifier = ("Classifier", "License :: OSI Approved :: BSD License")
    name = ("License", "BSD")
    assert stated_licence(metadata(classifier, name, ("License-Expression", "MIT"))) == "MIT"
    assert stated_licence(metadata(classifier, name)) == "BSD"
    assert stated_licence(metadata(("Classifier", "Topic :: Text"), classifier)) == "BSD License"


def test_a_whole_licence_text_is_no_name():
    text = ("License", "Copyright (c) 2001\nRedistribution and use in source and binary forms")
    assert stated_licence(metadata(text, ("Classifier", "License :: OSI Approved :: MIT License"))) == "MIT License"
    assert stated_licence(metadata(text)) == ""


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("", False),
        ("MIT AND BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", False),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", True),
    ],
)
def test_every_part_must_be_allowed_and_one_alternative_is_enough(licence, expected):
    assert is_allowed(licence, ALLOWED) is expected
