"""Main text and date of HTML pages, in a process of its own, for a page can keep a parser busy for hours."""

import json
import multiprocessing
import signal
from collections.abc import Iterator
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from stages.text.dates import iso_date
from stages.text.reading import UnreadableError

SHORT_PAGE = 2_000
"""Characters of pages that are read at once: the worst that are known take milliseconds."""

WAITED = 20
"""Times the computing time that is allowed, after which a process that does not answer is taken for stuck."""

_DATED = (
    ('meta[property="article:published_time"]', "content"),
    ('meta[itemprop="datePublished"]', "content"),
    ("time[datetime]", "datetime"),
)
"""Elements that state when a page was published, and the attribute that holds the date, best first."""


def page_of(html: str) -> tuple[str, str | None]:
    """Main text of a page, and the ISO date that it says it was published on."""
    tree = HTMLTree.parse(html)
    return extract_plain_text(tree, main_content=True), next(filter(None, _dates(tree)), None)


def _dates(tree: HTMLTree) -> Iterator[str | None]:
    document = tree.document
    if document is None:
        return
    selector, attribute = _DATED[0]
    for element in document.query_selector_all(selector):
        yield iso_date(element.getattr(attribute))
    for script in document.query_selector_all('script[type="application/ld+json"]'):
        yield _linked_date(script.text or "")
    for selector, attribute in _DATED[1:]:
        for element in document.query_selector_all(selector):
            yield iso_date(element.getattr(attribute))


def _linked_date(text: str) -> str | None:
    """The `datePublished` of JSON-LD: of the object, of one in a list, or of one in its `@graph`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    things = found.get("@graph", [found]) if isinstance(found, dict) else found
    listed = things if isinstance(things, list) else []
    stated = (thing.get("datePublished") for thing in listed if isinstance(thing, dict))
    return next(filter(None, map(iso_date, stated)), None)


def _serve(connection: Connection, parents: Connection) -> None:
    """Answer pages until the other end closes; the system ends the process when a page takes too long."""
    parents.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while True:
        try:
            html, seconds = connection.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = page_of(html)
        signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(answer)


@cache
def _server() -> tuple[BaseProcess, Connection]:
    # Forked, for it needs nothing but what is loaded here; it runs no code but the parser's.
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, ours), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def read_page(html: str, seconds: float) -> tuple[str, str | None]:
    """`page_of` a page, in at most so many seconds of computing; UnreadableError if it takes longer or is not survived.

    A parser in C cannot be interrupted, only ended with its process. Computing time does not depend on what else the
    machine does, so that the same pages are left out on a busy one.
    """
    if len(html) <= SHORT_PAGE:
        return page_of(html)
    process, connection = _server()
    try:
        connection.send((html, seconds))
        if not connection.poll(WAITED * seconds + WAITED):
            process.kill()  # it computes nothing: a lock that another thread held when it was forked
        return connection.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        connection.close()
        _server.cache_clear()
        if process.exitcode == -signal.SIGPROF:
            raise UnreadableError(f"its main text was not found within {seconds:g} s of computing") from error
        raise UnreadableError("the parser broke down over it") from error
