"""Dates as documents state them: taken where they are ISO 8601, never guessed."""

import re
from datetime import date

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")


def iso_date(stated: object) -> str | None:
    """The date itself, or the one that an ISO 8601 date or time begins with; None for anything else."""
    found = _DATE.match(str(stated).strip()) if isinstance(stated, str | date) else None
    try:
        return date.fromisoformat(found[0]).isoformat() if found else None
    except ValueError:
        return None
