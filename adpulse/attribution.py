"""Which conversions count for an ad's day, where a connection does not follow the platform's own choice. Pure.

Meta's actions have a column per attribution window beside the ``value`` of each ad set's own setting. Google has its conversions by the day
of the click, and by the day of the conversion.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from adpulse.errors import Usage

Attribution = tuple[str, ...]
"""What is counted instead of the platform's own choice, which is empty."""

OWN_ATTRIBUTION = "default"
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


def describe_attribution(attribution: Attribution) -> str:
    """The attribution as people write it."""
    return ",".join(attribution) or OWN_ATTRIBUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributionRules:
    """What a platform lets people choose instead of its own attribution.

    ``check`` returns a choice in its one order, or raises Usage with the reason. ``choices`` are all of them, ``words`` say what they are.
    """

    check: Callable[[Sequence[str]], Attribution]
    choices: tuple[Attribution, ...]
    words: str


def _windows(chosen: Sequence[str]) -> Attribution:
    """The attribution of these windows: one after a click, and of views at most each of the two. In one order, whatever the words'.

    Raises:
        Usage: other windows, or several after a click, which count the same conversions.
    """
    if ended := [window for window in chosen if window in ENDED_WINDOWS]:
        raise Usage(f"Meta ended the window {ended[0]} on 2026-01-12 and returns nothing for it. There are: {', '.join(WINDOWS)}.")
    if unknown := [window for window in chosen if window not in WINDOWS]:
        raise Usage(f"'{unknown[0][:80]}' is no attribution window. There are: {', '.join(WINDOWS)}; or {OWN_ATTRIBUTION}.")
    if sum(window in CLICK_WINDOWS for window in chosen) != 1:
        raise Usage(f"Choose one window after a click ({', '.join(CLICK_WINDOWS)}), and beside it {' or '.join(VIEW_WINDOWS)} or both.")
    return tuple(window for window in WINDOWS if window in chosen)


def _dates(chosen: Sequence[str]) -> Attribution:
    """The attribution of a platform that counts conversions by the day of the click, or of the conversion.

    Raises:
        Usage: it is neither.
    """
    if tuple(chosen) != (CONVERSION_DATE,):
        raise Usage(f"attribution is {OWN_ATTRIBUTION}, by the day of the click, or {CONVERSION_DATE}, not '{','.join(chosen)[:80]}'.")
    return (CONVERSION_DATE,)


def _nothing(chosen: Sequence[str]) -> Attribution:
    """The attribution of a platform without a choice.

    Raises:
        Usage: always.
    """
    raise Usage(f"This platform has one attribution, {OWN_ATTRIBUTION}, and not '{','.join(chosen)[:80]}'.")


_OF_VIEWS = ((), *((window,) for window in VIEW_WINDOWS), VIEW_WINDOWS)
IN_WINDOWS = AttributionRules(
    check=_windows,
    choices=tuple((click, *views) for click in CLICK_WINDOWS for views in _OF_VIEWS),
    words="each ad set's own setting, or one window after a click (1d_click, 7d_click or 28d_click) with 1d_view, 1d_ev or both",
)
BY_DATE = AttributionRules(check=_dates, choices=((CONVERSION_DATE,),), words="by the day of the click, or conversion_date")
NO_CHOICE = AttributionRules(check=_nothing, choices=(), words="the platform's own")


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
