"""What delivered, and the pace of a day: of the metrics that these follow from, and of no other."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from columns import MORE, VALUE, Look, alone, entities, in_units

from adpulse.metrics import METRICS

TODAY = date(2026, 3, 20)
"""As the builder has it."""

WEEK_BEFORE = TODAY - timedelta(days=7)
DAY_OF_LATE = WEEK_BEFORE - timedelta(days=1)
DELIVERED = ("impressions", "spend")
Ask = Callable[[str], list[tuple[Any, ...]]]


def delivered(workspace: Any, build: Any) -> Iterator[Look]:
    """For each metric an ad, an ad set and a campaign that have it alone, on two days a week apart, each of which is read as it runs.

    Beside them is a leaf of a day before, which comes late and then moves.
    """

    def read(generation: int, now: Any, until: date, *rows: dict[str, Any]) -> Any:
        return build.noted(build.ads(*rows, since=DAY_OF_LATE, until=until), generation=generation, now=now)

    def of_metrics(day: date, times: int) -> list[dict[str, Any]]:
        return [{"date": day, **row} for row in entities(alone(VALUE, times))]

    late = {"date": DAY_OF_LATE, "external_id": "late", "campaign_id": "late"}
    levels = {"ad": ("set ", ""), "adset": ("", "set "), "campaign": (None, "")}
    walked = [
        {"level": level, "external_id": own + name, "parent_id": None if above is None else above + name}
        for level, (above, own) in levels.items()
        for name in METRICS
    ]
    workspace.sync(read(1, build.now - timedelta(days=7, hours=1), WEEK_BEFORE, *of_metrics(WEEK_BEFORE, 1)))
    workspace.sync(read(2, build.now, TODAY, *of_metrics(WEEK_BEFORE, 2), *of_metrics(TODAY, 3)))
    workspace.sync(build.run(build.walk(*walked), generation=3))
    for generation, more in ((4, 0), (5, 1)):
        row = {name: VALUE[name] + more * MORE[name] for name in METRICS}
        workspace.sync(read(generation, build.now + timedelta(minutes=generation), DAY_OF_LATE, late | row))
    with workspace.reading() as ask:
        yield from delivery_views(ask)


def delivery_views(ask: Ask) -> Iterator[Look]:
    """The views of what ``delivered`` left."""
    expected = {name: (WEEK_BEFORE, TODAY) if name in DELIVERED else (None, None) for name in METRICS}
    for view, own in (("ads", "external_id"), ("ad_sets", "ad_set_id"), ("campaigns", "campaign_id")):
        rows = ask(f"SELECT {own}, first_delivery, last_delivery FROM {view}")
        days = {name.removeprefix("set "): (first, last) for name, first, last in rows}
        yield view, {name: days.get(name) for name in METRICS}, expected
    spend = in_units({"spend": VALUE["spend"]})[0]
    columns = "spend, spend_week_before_so_far, spend_week_before, expected"
    (pace,) = ask(f"SELECT {columns} FROM pacing")
    yield "pacing", dict.fromkeys(METRICS, pace), dict.fromkeys(METRICS, (3 * spend, spend, 2 * spend, round(6 * spend, 2)))
    late: dict[str, Any] = {name: [] for name in METRICS}
    for name, *row in ask("SELECT metric, kind, before, after FROM changes WHERE external_id = 'late' ORDER BY changed_at"):
        late[name].append(tuple(row))
    first, last = (dict(zip(METRICS, in_units({n: VALUE[n] + more * MORE[n] for n in METRICS}), strict=True)) for more in (0, 1))
    moves = {name: [("restatement", 0, first[name]), ("restatement", first[name], last[name])] for name in METRICS}
    yield "late", late, moves
