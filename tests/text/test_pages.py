import os
import signal
import time

import pytest

from stages.text import pages
from stages.text.pages import page_of, read_page
from stages.text.reading import UnreadableError

MAIN = "<main><p>The <b>tower</b> stands.</p></main>"
LONG = f"<nav><a href=/>Home</a></nav>{MAIN}<!-- {'x' * 3_000} -->"


@pytest.mark.parametrize(
    ("html", "date"),
    [
        ('<meta property="article:published_time" content="2024-05-06T10:00:00+02:00">', "2024-05-06"),
        ('<meta itemprop="datePublished" content="2024-05-07">', "2024-05-07"),
        ('<script type="application/ld+json">{"datePublished": "2023-01-02"}</script>', "2023-01-02"),
        ('<script type="application/ld+json">[{"@type": "x"}, {"datePublished": "2023-01-03"}]</script>', "2023-01-03"),
        ('<script type="application/ld+json">{"@graph": [{"datePublished": "2023-01-04"}]}</script>', "2023-01-04"),
        ("<time datetime='2020-02-03 10:00'>Monday</time>", "2020-02-03"),
        (
            '<time datetime="2020-02-03"></time><meta property="article:published_time" content="2019-01-01">',
            "2019-01-01",
        ),
        ("<time>2020-02-03</time><p>Written on 2020-02-04.</p>", None),
        ("<time datetime='2020-02-31'></time>", None),
        ('<script type="application/ld+json">{"datePublished": 5}</script>', None),
        ('<script type="application/ld+json">"2023"</script>', None),
        ('<script type="application/ld+json">[["2023"], null]</script>', None),
        ('<script type="application/ld+json">{"@graph": {"datePublished": "2023-01-05"}}</script>', None),
        ('<script type="application/ld+json">{"datePubl</script>', None),
        ('<script type="application/ld+json">1</script>', None),
        ('<script type="application/ld+json">true</script>', None),
        ('<script type="application/ld+json">{"@graph": 5}</script>', None),
    ],
)
def test_the_date_is_the_one_that_the_page_states(html, date):
    assert page_of(f"<head>{html}</head><body>{MAIN}</body>")[1] == date


def test_a_long_page_gives_what_a_short_one_does():
    assert len(LONG) > pages.SHORT_PAGE
    assert read_page(LONG, 10.0) == page_of(LONG) == ("The tower stands.", None)


def test_a_page_that_ends_the_parser_is_unreadable_and_the_next_is_read():
    read_page(LONG, 10.0)
    process, _ = pages._server()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with pytest.raises(UnreadableError, match="broke down"):
        read_page(LONG, 10.0)
    assert read_page(LONG, 10.0)[0] == "The tower stands."


def test_a_parser_that_computes_nothing_is_ended_and_the_page_unreadable(monkeypatch):
    pages._server.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(pages, "page_of", lambda html: time.sleep(600))  # as one that waits for a lock
        patched.setattr(pages, "WAITED", 0.1)
        with pytest.raises(UnreadableError, match="broke down"):
            read_page(LONG, 1.0)
    assert read_page(LONG, 10.0)[0] == "The tower stands."
