"""Each metric on its own, through what is left over: days on which that metric alone is, or is not said by one side."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from columns import ADDITIVE, COLUMNS, MORE, REST, VALUE, Look, alone, in_units, left_over

from adpulse.metrics import METRICS

FIRST = date(2026, 1, 20)
Row = Mapping[str, int | None]


def dates(number: int) -> dict[str, date]:
    """One day for each metric that may be added up, of so many such rows of days."""
    return {name: FIRST + timedelta(days=number * len(ADDITIVE) + n) for n, name in enumerate(ADDITIVE)}


LEFT, UNTOLD, SILENT, LEAFLESS = (dates(number) for number in range(4))
"""Days on which a metric is left over; is not told by the campaigns; not by the account; not by a campaign without leaves."""

OF_WORDS = {"left over": LEFT, "untold": UNTOLD, "silent": SILENT}


def plus(row: Row, name: str, more: int) -> dict[str, int | None]:
    """The row with more of one metric."""
    return {**row, name: VALUE[name] + more}


def without(row: Row, name: str) -> dict[str, int | None]:
    """The row as one that does not tell the metric."""
    return {**row, name: None}


def times(row: Mapping[str, int], factor: int) -> dict[str, int]:
    """The row so many times."""
    return {name: factor * value for name, value in row.items()}


def on_days(days: Mapping[str, date], row: Callable[[str], Row], **entity: str) -> list[dict[str, Any]]:
    """Each metric's row on its day."""
    return [{**entity, "date": day, **row(name)} for name, day in days.items()]


def of_all(rows: Mapping[str, Any]) -> dict[str, Any]:
    """What is expected of each metric: nothing of one that may not be added up."""
    return dict.fromkeys(METRICS) | dict(rows)


BARE = {"external_id": "bare", "campaign_id": "bare"}
BOTH = {name: VALUE[name] + REST[name] for name in METRICS}


def remaining(workspace: Any, build: Any) -> Iterator[Look]:
    """A campaign with a leaf, one without, and the account: a metric a day is left over, or untold. The leafless one is read thrice."""
    span = {"since": FIRST, "until": max(LEAFLESS.values())}
    leaves = [row for days in (LEFT, UNTOLD, SILENT) for row in on_days(days, lambda _: VALUE)]
    totals = [
        *on_days(LEFT, lambda name: plus(VALUE, name, REST[name])),
        *on_days(LEFT, lambda name: times(alone(REST)[name], 2), **BARE),
        *on_days(UNTOLD, lambda name: without(VALUE, name)),
        *on_days(UNTOLD, lambda name: without(REST, name), **BARE),
        *on_days(SILENT, lambda _: VALUE),
        *on_days(LEAFLESS, lambda name: without(REST, name), **BARE),
    ]
    account = [
        *on_days(LEFT, lambda name: plus(VALUE, name, 7 * REST[name])),
        *on_days(UNTOLD, lambda _: BOTH),
        *on_days(SILENT, lambda name: without(VALUE, name)),
        *on_days(LEAFLESS, lambda name: without(REST, name)),
    ]
    workspace.sync(build.noted(build.ads(*leaves, **span), build.totals(*totals, **span), build.account(*account, **span)))
    again = {"since": min(LEAFLESS.values()), "until": max(LEAFLESS.values())}
    twice = on_days(LEAFLESS, lambda name: without(times(REST, 2), name), **BARE)
    thrice = on_days(LEAFLESS, lambda _: times(REST, 3), **BARE)
    for generation, rows in ((2, twice), (3, thrice)):
        workspace.sync(build.run(build.totals(*rows, **again), generation=generation))
    with workspace.reading() as ask:
        yield from remaining_views(ask)


def remaining_views(ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[Look]:
    """The views of what ``remaining`` left."""
    yield from _rows(ask)
    yield from _compared(ask)
    yield from _beyond(ask)
    columns = ", ".join(ADDITIVE)
    running = {
        name: [tuple(row) for row in ask(f"SELECT {columns} FROM intraday WHERE date = '{day}' ORDER BY changed_at")]
        for name, day in LEAFLESS.items()
    }
    instants = {name: (without(REST, name), without(times(REST, 2), name), times(REST, 3)) for name in ADDITIVE}
    kinds = ask("SELECT date, metric, kind FROM changes WHERE level = 'unreported' AND campaign_id = 'bare'")
    known_at_last = {name: [kind for on, metric, kind in kinds if (on, metric) == (day, name)] for name, day in LEAFLESS.items()}
    yield "kinds, leafless", of_all(known_at_last), of_all({name: ["first"] for name in ADDITIVE})
    yield "intraday, leafless", of_all(running), of_all({name: [additive(row) for row in rows] for name, rows in instants.items()})


def _rows(ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[Look]:
    """What is left over, by campaign and, without one, by account."""
    rest = alone(REST)
    rows = {
        "left over": {n: [("", times(rest[n], 4)), ("bare", times(rest[n], 2)), ("k1", rest[n])] for n in ADDITIVE},
        "untold": {n: [("bare", without(REST, n))] for n in ADDITIVE},
        "silent": {n: [] for n in ADDITIVE},
    }
    for view in ("daily", "as_of('2100-01-01')"):
        columns = f"date, coalesce(campaign_id, '') AS campaign, {COLUMNS}"
        left = ask(f"SELECT {columns} FROM {view} WHERE level = 'unreported' ORDER BY campaign")
        for words, of_metric in rows.items():
            seen = {name: [tuple(row) for day, *row in left if day == OF_WORDS[words][name]] for name in ADDITIVE}
            expected = {name: [(campaign, *units(left_over(row))) for campaign, row in of_metric[name]] for name in ADDITIVE}
            yield f"{view}, {words}", of_all(seen), of_all(expected)


def _compared(ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[Look]:
    """What adds up and what does not, in all metrics on the days of each."""
    rows = ask("SELECT level, date, metric, platform, ours, remainder, leafless FROM reconciliation")
    seen = {(level, day, metric): tuple(values) for level, day, metric, *values in rows}
    whole, rest = by_unit(VALUE), by_unit(REST)
    nothing = Decimal(0)
    equal = {name: (whole[name], whole[name], nothing, nothing) for name in ADDITIVE}
    others = {
        ("campaign", "untold"): {name: (whole[name] + rest[name], whole[name], rest[name], rest[name]) for name in ADDITIVE},
        ("account", "untold"): {name: (whole[name] + rest[name], whole[name] + rest[name], nothing, nothing) for name in ADDITIVE},
    }
    unequal: dict[tuple[str, str], Callable[[str], tuple[Any, ...]]] = {
        ("campaign", "left over"): lambda name: (whole[name] + 3 * rest[name], whole[name], 3 * rest[name], 2 * rest[name]),
        ("account", "left over"): lambda name: (whole[name] + 7 * rest[name], whole[name] + 3 * rest[name], 4 * rest[name], nothing),
        ("campaign", "untold"): lambda _: (None, None, None, nothing),
        ("account", "untold"): lambda name: (whole[name] + rest[name], None, None, nothing),
        ("campaign", "silent"): lambda name: equal[name],
        ("account", "silent"): lambda _: (None, None, None, nothing),
    }
    for (level, words), values in unequal.items():
        compared = {name: {other: seen.get((level, day, other)) for other in ADDITIVE} for name, day in OF_WORDS[words].items()}
        usual = others.get((level, words), equal)
        yield f"reconciliation, {level} {words}", of_all(compared), of_all({name: usual | {name: values(name)} for name in ADDITIVE})


def _beyond(ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[Look]:
    """The spend that completeness says is left over."""
    rest = by_unit(REST)["spend"]
    for level, factor in (("leaf", 3), ("campaign", 4)):
        of_day = dict(ask(f"SELECT date, remainder FROM completeness WHERE level = '{level}'"))
        expected = {name: factor * rest if name == "spend" else 0 for name in ADDITIVE}
        yield f"completeness, {level}", of_all({name: of_day.get(day) for name, day in LEFT.items()}), of_all(expected)


def units(row: Row) -> tuple[Decimal | None, ...]:
    """A row as the views tell it, in which a metric may be unknown."""
    known = in_units({name: value or 0 for name, value in row.items()})
    return tuple(None if row[name] is None else value for name, value in zip(row, known, strict=True))


def by_unit(row: Row) -> dict[str, Any]:
    """Each metric of a row as the views tell it."""
    return dict(zip(row, units(row), strict=True))


def additive(row: Row) -> tuple[Decimal | None, ...]:
    """A row of the metrics that may be added up as the views tell it."""
    return units({name: row[name] for name in ADDITIVE})


MOVED, UNPAIRED = LEFT, UNTOLD
ROUNDED = FIRST - timedelta(days=1)
"""A day on which the account has a millionth more than its campaign."""


def beyond_campaigns(workspace: Any, build: Any) -> Iterator[Look]:
    """The account has one metric a day more than its campaign; then it moves, or a campaign comes of which the account was not asked."""
    first = _above(build)
    workspace.sync(build.run(*first))
    stored = _stored(workspace)
    left = {name: tuple(left_over(row).values()) for name, row in alone(REST).items() if name in ADDITIVE}
    for words, days in (("moved", MOVED), ("unpaired", UNPAIRED)):
        yield f"beyond campaigns, {words}", of_all({name: stored.get(day) for name, day in days.items()}), of_all(left)
    yield "rounded", dict.fromkeys(METRICS, stored.get(ROUNDED)), dict.fromkeys(METRICS)
    (same,) = workspace.warehouse.diff([build.run(*first, generation=2)])
    written = {row["date"] for row in same.not_by_campaign.to_pylist()}
    yield "written again", of_all({name: day in written for name, day in MOVED.items()}), of_all(dict.fromkeys(ADDITIVE, False))
    later = build.now + timedelta(hours=2)
    workspace.sync(build.run(*_later(build, later), generation=2, now=later))
    stored = _stored(workspace)
    twice = {name: tuple(left_over(row).values()) for name, row in alone(REST, 2).items() if name in ADDITIVE}
    yield "beyond campaigns, again", of_all({name: stored.get(day) for name, day in MOVED.items()}), of_all(twice)
    unknown = dict.fromkeys(ADDITIVE, tuple(None for _ in METRICS))
    yield "beyond campaigns, unknown", of_all({name: stored.get(day) for name, day in UNPAIRED.items()}), of_all(unknown)


def _above(build: Any) -> list[Any]:
    """Both totals of all days."""
    span = {"since": ROUNDED, "until": max(UNPAIRED.values())}
    rounded = {name: value + (1 if METRICS[name].fractional else 0) for name, value in VALUE.items()}
    totals, account = [{"date": ROUNDED, **VALUE}], [{"date": ROUNDED, **rounded}]
    for days in (MOVED, UNPAIRED):
        totals += on_days(days, lambda _: VALUE)
        account += on_days(days, lambda name: plus(VALUE, name, REST[name]))
    return [build.totals(*totals, **span), build.account(*account, **span)]


def _later(build: Any, at: datetime) -> list[Any]:
    """Both totals of the days on which it moves, and the campaigns' of the others, on which one has come that has a metric alone."""
    both, one = ({"at": at, "since": min(days.values()), "until": max(days.values())} for days in (MOVED, UNPAIRED))
    appeared = on_days(UNPAIRED, lambda name: alone(MORE)[name], external_id="new", campaign_id="new")
    return [
        build.totals(*on_days(MOVED, lambda _: VALUE), **both),
        build.account(*on_days(MOVED, lambda name: plus(VALUE, name, 2 * REST[name])), **both),
        build.totals(*on_days(UNPAIRED, lambda _: VALUE), *appeared, **one),
    ]


def _stored(workspace: Any) -> dict[date, tuple[Any, ...]]:
    return {day: tuple(row) for day, *row in workspace.rows(f"SELECT date, {COLUMNS} FROM not_by_campaign")}
