"""Which conversions count for an ad's day, where a connection does not follow the platform's own choice. Pure.

Meta's actions have a column per attribution window beside the ``value`` of each ad set's own setting. Google has its conversions by the day
of the click, and by the day of the conversion.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from adpulse.errors import Usage

Attribution = tuple[str, ...]
"""What is counted instead of the platform's own choice, which is empty."""

OWN = "default"
"""How people write the platform's own choice."""

CLICK_WINDOWS = ("1d_click", "7d_click", "28d_click")
VIEW_WINDOWS = ("1d_view", "1d_ev")
ENDED_WINDOWS = ("7d_view", "28d_view")
"""Meta returns nothing for them since 2026-01-12 (Meta's blog, "Ads Insights API Metric Availability Updates", 2025-10-16).

The same page names those that stay: 1, 7 and 28 days after a click, 1 day after a view and 1 day after an engaged view.
"""

WINDOWS = (*CLICK_WINDOWS, *VIEW_WINDOWS)

CONVERSION_DATE = "conversion_date"
"""Conversions by the day on which they happened (Google's metrics ``…_by_conversion_date``)."""

Number = TypeVar("Number")


def describe(attribution: Attribution) -> str:
    """The attribution as people write it."""
    return ",".join(attribution) or OWN


def windows(chosen: Sequence[str]) -> Attribution:
    """The attribution of these windows: one after a click, and of views at most each of the two. In one order, whatever the words'.

    Raises:
        Usage: other windows, or several after a click, which count the same conversions.
    """
    if ended := [window for window in chosen if window in ENDED_WINDOWS]:
        raise Usage(f"Meta ended the window {ended[0]} on 2026-01-12 and returns nothing for it. There are: {', '.join(WINDOWS)}.")
    if unknown := [window for window in chosen if window not in WINDOWS]:
        raise Usage(f"'{unknown[0][:80]}' is no attribution window. There are: {', '.join(WINDOWS)}; or {OWN}, each ad set's own setting.")
    if sum(window in CLICK_WINDOWS for window in chosen) != 1:
        raise Usage(f"Choose one window after a click ({', '.join(CLICK_WINDOWS)}), and beside it {' or '.join(VIEW_WINDOWS)} or both.")
    return tuple(window for window in WINDOWS if window in chosen)


def dates(chosen: Sequence[str]) -> Attribution:
    """The attribution of a platform that counts conversions by the day of the click, or of the conversion.

    Raises:
        Usage: it is neither.
    """
    if tuple(chosen) != (CONVERSION_DATE,):
        raise Usage(f"attribution is {OWN}, by the day of the click, or {CONVERSION_DATE}, not '{','.join(chosen)[:80]}'.")
    return (CONVERSION_DATE,)


def nothing_else(chosen: Sequence[str]) -> Attribution:
    """The attribution of a platform without a choice.

    Raises:
        Usage: always.
    """
    raise Usage(f"This platform has one attribution, {OWN}, and not '{','.join(chosen)[:80]}'.")


Check = Callable[[Sequence[str]], Attribution]


def columns_of(attribution: Attribution) -> tuple[str, ...]:
    """The columns that tell what the attribution counts: the chosen windows and the shorter ones after a click."""
    return tuple(dict.fromkeys(window for chosen in attribution for window in reversed(_not_longer(chosen))))


def parts(columns: Mapping[str, Number], attribution: Attribution) -> list[Number]:
    """The columns that add up to what the attribution counts; none where the event has no column at all.

    A longer window after a click counts what a shorter one does, and only conversions have windows longer than a day (page "Ads Action
    Stats"): where the chosen one is absent, the longest of the shorter ones is all there is.
    """
    present = (next((window for window in _not_longer(chosen) if window in columns), None) for chosen in attribution)
    return [columns[window] for window in present if window]


def _not_longer(window: str) -> tuple[str, ...]:
    """The window and those after a click that are shorter, the longest first."""
    if window not in CLICK_WINDOWS:
        return (window,)
    return CLICK_WINDOWS[CLICK_WINDOWS.index(window) :: -1]
