"""Dates for the garden: when the moon is full, and how many days are left until the last frost."""

from datetime import date, timedelta

SYNODIC_MONTH = 29.530588
KNOWN_NEW_MOON = date(2000, 1, 6)


def moon_age(day: date) -> float:
    """Return how many days have passed since the last new moon.

    The count starts from the new moon of 6 January 2000 and goes on in equal steps, although the real moon runs a little
    faster at some times of the year and slower at others. The result is therefore off by up to fourteen hours.

    Parameters
    ----------
    day : date
        The day to ask about; it may lie before the year 2000.

    Returns
    -------
    float
        Days since the last new moon, from 0 up to 29.53.

    Examples
    --------
    >>> moon_age(date(2000, 1, 6))
    0.0
    """
    return (day - KNOWN_NEW_MOON).days % SYNODIC_MONTH


def next_full_moon(day: date) -> date:
    """Return the first day on or after `day` on which the moon is full.

    A full moon is taken to be half a synodic month after the new moon. The day is rounded to the nearest whole one, so it
    may differ by one from what a printed calendar says for your own time zone.

    .. versionadded:: 1.1
    """
    remaining = (SYNODIC_MONTH / 2 - moon_age(day)) % SYNODIC_MONTH
    return day + timedelta(days=round(remaining))


class Frost:
    """The last day of spring on which the ground may freeze, with the number of days by which it is usually missed.

    The two numbers are kept apart because a cautious gardener adds them and a hopeful one does not.
    """

    def __init__(self, last_day: date, spread_days: int = 10) -> None:
        self.last_day = last_day
        self.spread_days = spread_days

    def is_safe(self, day: date) -> bool:
        """Return whether tender plants may stand outside on that day, with the usual spread added to the last frost."""
        return day > self.last_day + timedelta(days=self.spread_days)

    def _days_left(self, day: date) -> int:
        """Return the number of days until the last frost; this one is private and its docstring is left out by clean."""
        return (self.last_day - day).days


def sowing_dates(first: date, rows: int, weeks_apart: int = 3) -> list[date]:
    """Return the days on which to sow short rows one after the other, so that they do not all ripen at once."""
    return [first + timedelta(weeks=weeks_apart * row) for row in range(rows)]
