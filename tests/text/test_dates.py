from datetime import date, datetime

import pytest

from stages.text.dates import iso_date


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2024-02-29", "2024-02-29"),
        (" 2024-02-29T10:00:00Z", "2024-02-29"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 10), "2024-02-29"),
        ("2023-02-29", None),
        ("2024-02-291", None),
        ("on 2024-02-29", None),
        ("2024", None),
        (20240229, None),
        (None, None),
    ],
)
def test_a_date_is_one_that_is_written_as_iso_8601(stated, expected):
    assert iso_date(stated) == expected
