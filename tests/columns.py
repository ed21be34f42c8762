"""Each metric on its own, through every statement that has a column for it.

A part lets a new warehouse live through a few syncs in which one leaf, or one campaign, stands for each metric: only that metric
moves, is left over or is not zero there, and all columns hold different numbers. So one that is swapped or forgotten shows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pyarrow as pa

from adpulse.metrics import METRICS, MICROS, SPLIT_METRICS, Unit
from adpulse.planner.completeness import DayLevel, ReadDay

VALUE = {name: 7_000_001 + 1_000_003 * n for n, name in enumerate(METRICS)}
MORE = {name: 100 + n for n, name in enumerate(METRICS)}
REST = {name: 29_999 + 20_006 * n for n, name in enumerate(METRICS)}
ZERO = dict.fromkeys(METRICS, 0)
UNREAD = {name: 0 if metric.required or metric.split else None for name, metric in METRICS.items()}
HALF, THIRD = Decimal("0.5"), Decimal("0.333333")
COLUMNS = ", ".join(METRICS)
ADDITIVE = tuple(name for name, metric in METRICS.items() if metric.additive)
BASE = tuple(name for name in METRICS if name not in (*SPLIT_METRICS, "profit"))

Look = tuple[str, dict[str, Any], dict[str, Any]]
"""What was looked at, and of each metric what was there and what should be."""


def earned(row: Mapping[str, int], margin: Decimal) -> dict[str, int]:
    """The row with the profit that its revenue and spend make."""
    revenue = (row["revenue"] * margin).quantize(Decimal(1), ROUND_HALF_EVEN)
    return {**row, "profit": int(revenue) - row["spend"]}


def moved(by: int, left: int = 0) -> dict[str, dict[str, int]]:
    """For each metric a row in which that metric alone is so many times ``MORE`` and ``REST`` above ``VALUE``."""
    return {name: VALUE | {name: VALUE[name] + by * MORE[name] + left * REST[name]} for name in METRICS}


def alone(row: Mapping[str, int], times: int = 1) -> dict[str, dict[str, int]]:
    """For each metric a row in which all others are zero."""
    return {name: ZERO | {name: times * row[name]} for name in METRICS}


def entities(rows: Mapping[str, Mapping[str, int | None]]) -> list[dict[str, Any]]:
    """Each metric's row as one of an entity and a campaign that are called like it."""
    return [{"external_id": name, "campaign_id": name, **row} for name, row in rows.items()]


def left_over(row: Mapping[str, int]) -> dict[str, int | None]:
    """The row as a remainder: metrics that may not be added up leave none."""
    return {name: value if name in ADDITIVE else None for name, value in row.items()}


def by_name(told: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Answers whose first column is a metric's name."""
    return {name: tuple(rest) for name, *rest in told}


def numbers(rows: Mapping[str, Mapping[str, int | None]]) -> dict[str, Any]:
    """Rows as a query answers them."""
    return {name: tuple(row.values()) for name, row in rows.items()}


def in_units(row: Mapping[str, int]) -> tuple[Decimal, ...]:
    """A row as the views tell it: counts as they are, the rest in units instead of micros."""
    return tuple(Decimal(row[name]) / (1 if metric.unit is Unit.COUNT else MICROS) for name, metric in METRICS.items() if name in row)


def changes(workspace: Any, build: Any) -> Iterator[Look]:
    """A leaf and a campaign's total of each metric are stored; then that metric alone moves; then nothing does."""

    def told(generation: int) -> Any:
        by = min(generation, 2) - 1
        leaves, totals = entities(moved(by)), entities(moved(by, by + 1))
        ended = build.now + timedelta(days=2, minutes=generation)
        return build.noted(build.ads(*leaves), build.totals(*totals), generation=generation, now=ended)

    for generation in (1, 2):
        workspace.sync(told(generation))
        by = generation - 1
        with workspace.reading() as ask:
            found = {table: by_name(ask(f"SELECT external_id, {COLUMNS} FROM {table}")) for table in ("metric_facts", "platform_totals")}
            history = by_name(ask(f"SELECT external_id, changed, cause, {COLUMNS} FROM metric_changes WHERE generation = {generation}"))
            left = by_name(ask(f"SELECT campaign_id, {COLUMNS} FROM unreported"))
            of_remainders = f"level = 'unreported' AND generation = {generation}"
            moves = by_name(ask(f"SELECT external_id, changed, cause, {COLUMNS} FROM total_changes WHERE {of_remainders}"))
        whole = sum(metric.bit for metric in METRICS.values())
        mask = {n: (metric.bit if by else whole, "margin" if by and n == "profit" else "platform") for n, metric in METRICS.items()}
        yield f"leaves {generation}", found["metric_facts"], numbers(moved(by))
        yield f"totals {generation}", found["platform_totals"], numbers(moved(by, generation))
        yield f"changes {generation}", history, {name: mask[name] + row for name, row in numbers(moved(by)).items()}
        yield f"remainder {generation}", left, remainders(numbers(alone(REST, generation)))
        bits = {n: (metric.bit, "margin" if n == "profit" else "platform") for n, metric in METRICS.items() if n in ADDITIVE}
        expected = remainders(numbers(alone(REST, generation)))
        yield f"remainder's changes {generation}", moves, {n: bits[n] + row if row else None for n, row in expected.items()}
    (again,) = workspace.warehouse.diff([told(3)])
    written = [row["campaign_id"] for table in (again.facts, again.totals, again.unreported) for row in table.to_pylist()]
    yield "written again", {name: written.count(name) for name in METRICS}, ZERO
    with workspace.reading() as ask:
        yield from views(ask)


def views(ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[Look]:
    """The views of what ``changes`` left."""
    before, after = (dict(zip(METRICS, in_units({n: row[n][n] for n in METRICS}), strict=True)) for row in (moved(0), moved(1)))
    of_day = f"SELECT campaign_id, {COLUMNS} FROM daily WHERE level = "
    yield "daily, ads", by_name(ask(f"{of_day} 'ad'")), {name: in_units(row) for name, row in moved(1).items()}
    left = {name: in_units(row) for name, row in alone(REST, 2).items()}
    yield "daily, unreported", by_name(ask(f"{of_day} 'unreported'")), remainders(left)
    columns = zip(*ask(f"SELECT {', '.join(ADDITIVE)} FROM intraday ORDER BY changed_at"), strict=True)
    sums = zip(*(in_units({n: len(METRICS) * VALUE[n] + by * MORE[n] + (by + 1) * REST[n] for n in METRICS}) for by in (0, 1)), strict=True)
    every = dict(zip(METRICS, sums, strict=True))
    yield "intraday", dict(zip(ADDITIVE, columns, strict=True)), {name: every[name] if name in ADDITIVE else None for name in METRICS}
    of_campaigns = by_name(ask(f"SELECT campaign_id, {', '.join(ADDITIVE)} FROM campaign_day"))
    whole = {n: {name: row[name] for name in ADDITIVE} for n, row in moved(1, 2).items()}
    yield "campaign_day", {n: of_campaigns[n] for n in ADDITIVE}, dict.fromkeys(METRICS) | {n: in_units(whole[n]) for n in ADDITIVE}
    (of_account,) = ask(f"SELECT {', '.join(ADDITIVE)} FROM account_day")
    sums = in_units({name: sum(row[name] for row in whole.values()) for name in ADDITIVE})
    yield "account_day", dict(zip(ADDITIVE, of_account, strict=True)), dict.fromkeys(METRICS) | dict(zip(ADDITIVE, sums, strict=True))
    restated: dict[str, Any] = {name: [] for name in METRICS}
    for name, *row in ask("SELECT campaign_id, metric, before, after, delta FROM restatements ORDER BY level, metric"):
        restated[name].append(tuple(row))
    rest = dict(zip(METRICS, in_units(REST), strict=True))
    leaves = {name: (name, before[name], after[name], after[name] - before[name]) for name in METRICS}
    expected = {n: [leaves[n], (n, rest[n], 2 * rest[n], rest[n])] if n in ADDITIVE else [leaves[n]] for n in METRICS}
    yield "restatements", restated, expected | {"profit": []}  # only the margin moved it
    by_margin: dict[str, Any] = {name: [] for name in METRICS}
    of_margin = "SELECT campaign_id, metric, before, after, delta FROM changes WHERE kind = 'margin' ORDER BY level, changed_at"
    for name, *row in ask(of_margin):
        by_margin[name].append(tuple(row))
    own, again = expected["profit"]
    first = ("profit", None, rest["profit"], rest["profit"])
    yield "moved by the margin", by_margin, {name: [] for name in METRICS} | {"profit": [own, first, again]}


def remainders(rows: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Of a metric that may not be added up there is neither a row nor a value."""
    told = {name: tuple(left_over(dict(zip(METRICS, row, strict=True))).values()) for name, row in rows.items()}
    return {name: row if name in ADDITIVE else None for name, row in told.items()}


def spending(workspace: Any, build: Any) -> Iterator[Look]:
    """What a connection spent in a week is its spend."""
    workspace.sync(build.run(build.ads(VALUE)))
    spent = workspace.warehouse.applied_since("c1-r1", 0).trailing_spend
    yield "trailing spend", dict.fromkeys(METRICS, spent), dict.fromkeys(METRICS, VALUE["spend"])


def missing(workspace: Any, build: Any) -> Iterator[Look]:
    """Leaves and totals that vanish are missed by their one metric that is not zero."""
    rows = entities(alone(VALUE))
    workspace.sync(build.run(build.ads(*rows), build.totals(*rows)))
    found = workspace.warehouse.missing_entities(build.connection(), [build.ads(), build.totals()])
    for level in ("ad", "campaign"):
        absent = {each.external_id for each in found if each.level == level}
        yield f"missing, {level}", {name: name in absent for name in METRICS}, dict.fromkeys(METRICS, True)


def vanishing(workspace: Any, build: Any) -> Iterator[Look]:
    """Leaves and totals that vanished are zero in every metric, but for the one that the total did not tell."""
    unknown: dict[str, dict[str, int | None]] = {name: {**VALUE, name: None} for name in METRICS}
    workspace.sync(build.run(build.ads(*entities(moved(0))), build.totals(*entities(unknown))))
    living = build.confirmed(*({"level": level, "external_id": name} for level in ("ad", "campaign") for name in METRICS))
    workspace.sync(build.run(build.ads(), build.totals(), living, generation=2))
    with workspace.reading() as ask:
        leaves, totals = (by_name(ask(f"SELECT external_id, {COLUMNS} FROM {table}")) for table in ("metric_facts", "platform_totals"))
    yield "leaves", leaves, numbers(dict.fromkeys(METRICS, ZERO))
    yield "totals", totals, numbers({name: {**ZERO, name: None} for name in METRICS})


def remargined(workspace: Any, build: Any) -> Iterator[Look]:
    """The margin changes after one metric of the leaves ran ahead of the totals; ``profit``'s leaf did not run at all."""
    leaf, total = (earned(row, HALF) for row in (VALUE, {name: VALUE[name] + REST[name] for name in METRICS}))
    ahead = {name: earned(row, HALF) for name, row in moved(1).items()}
    both = [build.ads(*entities(dict.fromkeys(METRICS, leaf))), build.totals(*entities(dict.fromkeys(METRICS, total)))]
    workspace.sync(build.run(*both, gross_margin=HALF))
    workspace.sync(build.run(build.ads(*entities(ahead)), generation=2, gross_margin=HALF))
    workspace.sync(build.run(generation=3, gross_margin=THIRD))
    with workspace.reading() as ask:
        found = by_name(ask(f"SELECT campaign_id, {COLUMNS} FROM unreported"))
    kept = earned(REST, THIRD)
    exact = REST | {"profit": earned(total, THIRD)["profit"] - earned(leaf, THIRD)["profit"]}
    assert kept != exact, "rounding makes no difference here"
    untouched = {name: exact for name in METRICS if name == "profit" or name not in ADDITIVE}
    yield "remainder", found, numbers({name: left_over(row) for name, row in (dict.fromkeys(METRICS, kept) | untouched).items()})


def split(workspace: Any, build: Any) -> Iterator[Look]:
    """Google's leaf, whose row is made of two answers: both, then one, then the other. Beside it a connection whose answer is whole.

    Of each kind of conversions there is also a leaf that has nothing else, and that the second answer does not tell any more.
    """
    base, kinds = {name: VALUE[name] for name in BASE}, {name: VALUE[name] for name in SPLIT_METRICS}
    others = [{"external_id": name, name: VALUE[name]} for name in SPLIT_METRICS]
    answers = [
        ((1, 1), [build.base(base), build.split(kinds, *others)]),
        ((1, 2), [build.split({name: 2 * value for name, value in kinds.items()})]),
        ((2, 2), [build.base({name: 2 * value for name, value in base.items()})]),
    ]
    for generation, ((of_base, of_split), fetched) in enumerate(answers, start=1):
        whole = build.run(build.ads({**VALUE, "connection_id": "c2"}), connection_id="c2", generation=generation, gross_margin=HALF)
        workspace.sync(build.run(*fetched, provider="google", generation=generation, gross_margin=HALF), whole)
        with workspace.reading() as ask:
            stored = {
                (connection, ad): row for connection, ad, *row in ask(f"SELECT connection_id, external_id, {COLUMNS} FROM metric_facts")
            }
        mine, beside = (dict(zip(METRICS, stored[connection, "a1"], strict=True)) for connection in ("c1", "c2"))
        lone = {ad: row[list(METRICS).index(ad)] for (_, ad), row in stored.items() if ad != "a1"}
        times = {name: of_base if name in BASE else of_split for name in METRICS}
        yield f"both answers {generation}", mine, earned({name: VALUE[name] * times[name] for name in METRICS}, HALF)
        yield f"whole answer {generation}", beside, earned(VALUE, HALF)
        yield f"one kind {generation}", ZERO | lone, ZERO | (kinds if generation == 1 else {})


def split_conversions(workspace: Any, build: Any) -> Iterator[Look]:
    """Google's leaf whose conversions come with their kinds: both answers, then one, then the other; and a leaf that has nothing else."""
    kinds = (*SPLIT_METRICS, "conversions")
    base = {name: VALUE[name] for name in BASE} | {"conversions": None}
    split_row = {name: VALUE[name] for name in kinds}
    answers = [
        ((1, 1), [build.base(base), build.split(split_row, {"external_id": "lone", "conversions": VALUE["conversions"]})]),
        ((1, 2), [build.split({name: 2 * value for name, value in split_row.items()})]),
        ((2, 2), [build.base({name: 2 * value if value else None for name, value in base.items()})]),
    ]
    for generation, ((of_base, of_split), fetched) in enumerate(answers, start=1):
        run = build.run(*fetched, provider="google", generation=generation, gross_margin=HALF)
        workspace.sync(replace(run, conversions_by_kind=True))
        with workspace.reading() as ask:
            stored = {ad: dict(zip(METRICS, row, strict=True)) for ad, *row in ask(f"SELECT external_id, {COLUMNS} FROM metric_facts")}
        times = {name: of_split if name in kinds else of_base for name in METRICS}
        yield f"conversions of the split {generation}", stored["a1"], earned({name: VALUE[name] * times[name] for name in METRICS}, HALF)
        yield f"conversions alone {generation}", stored["lone"], UNREAD | ({"conversions": VALUE["conversions"]} if generation == 1 else {})


def whole_account(workspace: Any, build: Any) -> Iterator[Look]:
    """On a day for each metric the account has more of it than its campaign; one campaign does not tell it; then the margin changes."""
    rest = earned(REST, HALF)
    totals, whole = (earned({name: VALUE[name] + more[name] for name in METRICS}, HALF) for more in (ZERO, REST))
    rest["profit"] = whole["profit"] - totals["profit"]
    first = build.today - timedelta(days=len(METRICS) - 1)
    dates = {name: first + timedelta(days=n) for n, name in enumerate(METRICS)}

    def read(answer: Any, rows: Mapping[str, Mapping[str, Any]]) -> Any:
        return answer(*({"date": dates[name], **row} for name, row in rows.items()), since=first, until=build.today)

    same = dict.fromkeys(METRICS, whole)
    silent: dict[str, dict[str, Any]] = {name: {**totals, name: None} for name in METRICS}
    workspace.sync(build.run(read(build.totals, dict.fromkeys(METRICS, totals)), read(build.account, same), gross_margin=HALF))
    with workspace.reading() as ask:
        of_day = {day: tuple(row) for day, *row in ask(f"SELECT date, {COLUMNS} FROM not_by_campaign")}
        columns = "metric, ours, platform, remainder"
        compared = by_name(ask(f"SELECT DISTINCT {columns} FROM reconciliation WHERE level = 'account' AND date = '{first}'"))
    ours, platform, left = (dict(zip(METRICS, in_units(row), strict=True)) for row in (totals, whole, rest))
    yield "reconciliation", compared, {name: (ours[name], platform[name], left[name]) if name in ADDITIVE else None for name in METRICS}
    yield "account", {name: of_day[dates[name]] for name in METRICS}, numbers(dict.fromkeys(METRICS, left_over(rest)))
    workspace.sync(build.run(generation=2, gross_margin=THIRD))
    with workspace.reading() as ask:
        of_day = {day: tuple(row) for day, *row in ask(f"SELECT date, {COLUMNS} FROM not_by_campaign")}
    again = rest | {"profit": earned(whole, THIRD)["profit"] - earned(totals, THIRD)["profit"]}
    yield "account at a new margin", {name: of_day[dates[name]] for name in METRICS}, numbers(dict.fromkeys(METRICS, left_over(again)))
    beside = {f"beside {name}": {**ZERO, "external_id": "k2", "campaign_id": "k2"} for name in METRICS}
    dates |= {f"beside {name}": dates[name] for name in METRICS}
    workspace.sync(build.run(read(build.totals, silent | beside), read(build.account, same), generation=3, gross_margin=THIRD))
    with workspace.reading() as ask:
        of_day = {day: dict(zip(METRICS, row, strict=True)) for day, *row in ask(f"SELECT date, {COLUMNS} FROM not_by_campaign")}
    untold: dict[str, Any] = {name: left_over(rest) | {name: None} for name in METRICS}
    yield "account, untold", {name: of_day[dates[name]] for name in METRICS}, untold


def running_day(workspace: Any, build: Any) -> Iterator[Look]:
    """The running day of a leaf, of its campaign and of its account that have more than it: the point is all of it, in every metric."""
    rows = (VALUE, {n: VALUE[n] + REST[n] for n in METRICS}, {n: VALUE[n] + REST[n] + MORE[n] for n in METRICS})
    of_day = ReadDay(level=DayLevel.LEAF, day=build.today, fresh_until=build.now, settled=False)
    run = build.run(build.ads(rows[0]), build.totals(rows[1]), build.account(rows[2]))
    workspace.sync(replace(run, read_days=[of_day]))
    with workspace.reading() as ask:
        (point,) = ask(f"SELECT {COLUMNS} FROM intraday_points")
    yield "point", dict(zip(METRICS, point, strict=True)), left_over(rows[2])


def unknown(workspace: Any, build: Any) -> Iterator[Look]:
    """Conversions of one of three leaves are known and unknown by turns: so are all sums that they are part of, and no other metric is.

    Of a day before they were never known, and its campaign has more than its leaves.
    """
    row = earned(VALUE, HALF)
    before = {"date": build.today - timedelta(days=1), "campaign_id": "unsure"}
    days = {"since": before["date"], "until": build.today}
    more = {name: 2 * row[name] + REST[name] for name in METRICS}
    total = build.totals({**more, **before, "external_id": "unsure"}, since=before["date"], until=before["date"])
    for generation, conversions in ((1, row["conversions"]), (2, None), (3, row["conversions"]), (4, None)):
        leaves = [row | {"external_id": "sure", "campaign_id": "sure"}, row | {"external_id": "beside", "campaign_id": "unsure"}]
        leaves += [row | UNSURE | {"conversions": conversions}, row | before | {"external_id": "sure"}]
        leaves += [row | before | {"external_id": "unsure", "conversions": None}]
        of_day = ReadDay(level=DayLevel.LEAF, day=build.today, fresh_until=build.now, settled=False)
        run = build.run(build.ads(*leaves, **days), *([total] if generation == 1 else []), generation=generation, gross_margin=HALF)
        workspace.sync(replace(run, read_days=[of_day], conversions_may_be_unknown=True))
    with workspace.reading() as ask:
        (stored,) = ask(f"SELECT {COLUMNS} FROM metric_facts WHERE external_id = 'unsure' AND date = '{build.today}'")
        (point,) = ask(f"SELECT {COLUMNS} FROM intraday_points")
        (left,) = ask(f"SELECT {COLUMNS} FROM unreported")
        turns = ask(f"SELECT cause FROM metric_changes WHERE external_id = 'unsure' AND date = '{build.today}' ORDER BY generation")
        expected = [("platform",), ("unknown",), ("unknown",), ("unknown",)]
        yield "causes of the leaf's changes", dict.fromkeys(METRICS, turns), dict.fromkeys(METRICS, expected)
        yield "leaf", dict(zip(METRICS, stored, strict=True)), row | {"conversions": None}
        every = {name: 3 * row[name] for name in METRICS}
        yield "point", dict(zip(METRICS, point, strict=True)), left_over(every) | {"conversions": None}
        yield "remainder", dict(zip(METRICS, left, strict=True)), left_over(REST) | {"conversions": None}
        yield from unknown_views(ask)


UNSURE = {"external_id": "unsure", "campaign_id": "unsure"}


def unknown_views(ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[Look]:
    """The views of what ``unknown`` left."""
    row = earned(VALUE, HALF)
    one, two, every = (dict(zip(METRICS, in_units({n: times * row[n] for n in METRICS}), strict=True)) for times in (1, 2, 3))
    columns, today = ", ".join(ADDITIVE), "date = (SELECT max(date) FROM metric_facts)"
    queries = {
        "campaign_day": (f"campaign_day WHERE {today} AND campaign_id = 'unsure'", [two | {"conversions": None}]),
        "campaign_day beside it": (f"campaign_day WHERE {today} AND campaign_id = 'sure'", [one]),
        "account_day": (f"account_day WHERE {today}", [every | {"conversions": None}]),
        "intraday": (
            f"intraday WHERE {today} ORDER BY changed_at",
            [every, every | {"conversions": None}, every, every | {"conversions": None}],
        ),
    }
    for words, (view, expected) in queries.items():
        rows = [dict(zip(ADDITIVE, told, strict=True)) for told in ask(f"SELECT {columns} FROM {view}")]
        seen = {name: [told.get(name) for told in rows] for name in METRICS}
        yield words, seen, {name: [told[name] if name in ADDITIVE else None for told in expected] for name in METRICS}
    ((count,),) = ask("SELECT unknown_conversions FROM completeness")
    yield "completeness", dict.fromkeys(METRICS, count), dict.fromkeys(METRICS, 1)


def estimated(workspace: Any, build: Any) -> Iterator[Look]:
    """A day that is over: amounts in another currency, and what it ends at by days of which half, or all, had come by then.

    There is a second connection, whose mapping counts only since then.
    """
    both = [build.connection(name, timezone="UTC") for name in ("c1", "c2")]
    midnight = (build.now + timedelta(days=1)).replace(hour=0, minute=0)
    runs = [build.noted(build.ads({**VALUE, "connection_id": one.id}), connection=one, connection_id=one.id, now=midnight) for one in both]
    workspace.sync(*runs, connections=both)
    workspace.command(f"UPDATE raw.connections SET mapping_since = '{midnight}' WHERE id = 'c2'")
    rates = [{"date": build.today, "currency": currency, "per_euro": Decimal(2)} for currency in (both[0].currency, OTHER_CURRENCY)]
    schema = pa.schema([("date", pa.date32()), ("currency", pa.string()), ("per_euro", pa.decimal128(18, 8))])
    workspace.warehouse.store_rates(pa.Table.from_pylist(rates, schema=schema))
    days = [(build.today - timedelta(days=40 + number), CAME[number % 2]) for number in range(28)]
    rows = [
        f"('{one.id}', '{day}', '{name}', {age}, {delta})"
        for one in both
        for day, came in days
        for name in ADDITIVE
        for age, delta in ((0, came), (5, FINAL - came))
    ]
    workspace.command(f"INSERT INTO followed_days VALUES {', '.join(rows)}")
    with workspace.reading() as ask:
        yield from estimates(ask)


OTHER_CURRENCY, FINAL, CAME = "CHF", 4 * MICROS, (2 * MICROS, 4 * MICROS)


def estimates(ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[Look]:
    """The views of what ``estimated`` left."""
    row = dict(zip(METRICS, in_units(VALUE), strict=True))
    for currency in ("USD", OTHER_CURRENCY):
        ((*converted,),) = ask(f"SELECT {COLUMNS} FROM daily_in('{currency}') WHERE connection_id = 'c1' AND level = 'ad'")
        yield f"daily_in {currency}", dict(zip(METRICS, converted, strict=True)), row
    yield "fx", dict.fromkeys(METRICS, ask("SELECT per_euro FROM fx WHERE currency = 'EUR'")), {name: [(1,)] for name in METRICS}
    ratio = 2 * FINAL / sum(CAME)
    low, high = sorted((FINAL - ratio * came) / (ratio * came) ** 0.5 for came in CAME)
    ended: dict[str, Any] = {name: [] for name in METRICS}
    for name in {*ADDITIVE} - {"profit"}:
        unit = 1 if METRICS[name].unit is Unit.COUNT else 1 / MICROS
        expected = ratio * float(row[name])
        ended[name] = [tuple(round(expected + bound * (expected * unit) ** 0.5, 2) for bound in (low, 0, high))]
    unmapped = {name: [] if METRICS[name].mapped else bounds for name, bounds in ended.items()}
    for connection, level in (("c1", "account"), ("c1", "campaign"), ("c2", "account")):
        of_day = f"connection_id = '{connection}' AND level = '{level}'"
        seen: dict[str, Any] = {name: [] for name in METRICS}
        for name, *bounds in ask(f"SELECT metric, low, expected, high FROM expected_final WHERE {of_day}"):
            seen[name].append(tuple(round(float(bound), 2) for bound in bounds))
        yield f"expected_final, {connection}, {level}", seen, ended if connection == "c1" else unmapped
