"""What adpulse assumes of the columns of attribution windows and no document settles; the account's action types decide it. Pure."""

from collections.abc import Callable, Mapping, Sequence

from adpulse.attribution import CLICK_WINDOWS, VIEW_WINDOWS, parts
from adpulse.platforms.meta.action_types import action_types
from adpulse.platforms.meta.metrics import VISITORS, ActionRow, micros
from adpulse.platforms.meta.probing.conversation import rows_of
from adpulse.platforms.meta.requests import Kind
from adpulse.probe.exchange import Transcript
from adpulse.probe.verdicts import Assumption, Judgement, undecided, whether

Columns = Mapping[str, int]
"""What one action type counts, by column: ``value`` by each ad set's own setting, and the windows."""

_WIDEST = (CLICK_WINDOWS[-1], *VIEW_WINDOWS)
"""The windows that together count whatever any setting counts."""


def _of_types(decide: Callable[[Mapping[str, Columns]], Judgement]) -> Callable[[Transcript], Judgement]:
    """Decide by the columns of each action type; without an answer nothing is decided."""

    def decided(transcript: Transcript) -> Judgement:
        rows = rows_of(transcript[Kind.ACTION_TYPES])
        if rows is None:
            return undecided("the request was refused")
        counts = ActionRow.of(rows[0]).counts if rows else {}
        return decide({kind: {name: micros(number, kind) for name, number in columns.items()} for kind, columns in counts.items()})

    return decided


def _withheld(transcript: Transcript) -> Judgement:
    if rows_of(transcript[Kind.ACTION_TYPES]) is None:
        return undecided("the request was refused")
    types = action_types(transcript[Kind.ACTION_TYPES].body, "the account")
    if not any(types.clicks.values()):
        return undecided("no clicks in 28 days")
    return whether(not types.withheld, f"{len(types.types)} types")


@_of_types
def _longer(types: Mapping[str, Columns]) -> Judgement:
    """No document says whether a longer window is there wherever a shorter one is; where it is absent, the shorter one stands for it."""
    after_clicks = [present for columns in types.values() if (present := _in(columns, CLICK_WINDOWS))]
    if not after_clicks:
        return undecided("no action has a window after a click")
    lacking = sum(len(present) < len(CLICK_WINDOWS) for present in after_clicks)
    return whether(all(present == sorted(present) for present in after_clicks), f"{len(after_clicks)} types, {lacking} of them without one")


@_of_types
def _absent(types: Mapping[str, Columns]) -> Judgement:
    """Then an action counts nothing in a chosen window without a column: what it counts at all is in the columns that are there."""
    counted = {kind: columns for kind, columns in types.items() if columns.get("value") and kind not in VISITORS}
    if not counted:
        return undecided("no action counts by its ad set's own setting")
    beyond = sum(columns["value"] > sum(parts(columns, _WIDEST)) for columns in counted.values())
    return whether(not beyond, f"{beyond} of {len(counted)} types count more by their ad sets' own settings than in all windows together")


@_of_types
def _arrivals(types: Mapping[str, Columns]) -> Judgement:
    """Then all views of a landing page that has no window count in each window after a click."""
    views = [columns for kind, columns in types.items() if kind in VISITORS and columns.get("value")]
    if not views:
        return undecided("nobody viewed a landing page")
    with_windows = [columns for columns in views if len(columns) > 1]
    if not with_windows:
        return undecided("views of landing pages have no windows, so their clicks' age is not to be seen")
    late = sum(columns["value"] > columns.get(CLICK_WINDOWS[0], 0) for columns in with_windows)
    return whether(not late, f"{late} of {len(with_windows)} types count more than within a day of the click")


def _in(columns: Columns, windows: Sequence[str]) -> list[int]:
    return [columns[window] for window in windows if window in columns]


ASSUMPTIONS = (
    Assumption(words="the account's actions are added up whatever its ad sets attribute to", kinds=(Kind.ACTION_TYPES,), decide=_withheld),
    Assumption(words="a longer window after a click counts what a shorter one does", kinds=(Kind.ACTION_TYPES,), decide=_longer),
    Assumption(words="an action that lacks a window's column did not happen in that window", kinds=(Kind.ACTION_TYPES,), decide=_absent),
    Assumption(words="landing pages are viewed within a day of the click", kinds=(Kind.ACTION_TYPES,), decide=_arrivals),
)
