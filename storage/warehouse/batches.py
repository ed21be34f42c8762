"""What the runs of a batch fetched, what they are about to change, and how both are split into portions. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from adpulse import entity_names
from adpulse.attribution import describe_attribution
from adpulse.campaign_range import CampaignRange
from adpulse.entities import ENTITY_SCHEMA
from adpulse.fetch_result import FetchResult
from adpulse.gaps import Gap
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import MARGIN_UNIT, METRICS
from adpulse.model import Connection, Provider, RunCounts
from adpulse.planner.completeness import ReadDay, level_of_read
from adpulse.platforms.base import COMPLETE_AFTER
from adpulse.platforms.registry import mapping_of, platform_of

METRIC_CHANGE_SCHEMA = pa.schema(
    [
        *METRIC_SCHEMA,
        pa.field("inserted", pa.bool_(), nullable=False),
        pa.field("changed", pa.int32(), nullable=False),
        pa.field("cause", pa.string(), nullable=False),
    ]
)
"""A row to store, whether its key is new, the bits of the metrics that differ, and why it changed."""

REMAINDER_SCHEMA = pa.schema(
    [
        *(METRIC_SCHEMA.field(name) for name in ("connection_id", "campaign_id", "date")),
        *(METRIC_SCHEMA.field(metric.name) for metric in METRICS.values() if metric.additive),
    ]
)
"""One campaign's day: its total minus its leaves, where leaves add up."""

ACCOUNT_REMAINDER_SCHEMA = REMAINDER_SCHEMA.remove(REMAINDER_SCHEMA.get_field_index("campaign_id"))
"""One account's day: its total minus its campaigns' totals, where campaigns add up."""

NAME_CHANGE_SCHEMA = pa.schema([METRIC_SCHEMA.field("connection_id"), *entity_names.SCHEMA])
"""The name of an entity that no walk has named; not part of the counts of a run."""

READ_DAY_SCHEMA = pa.schema(
    [
        METRIC_SCHEMA.field("connection_id"),
        METRIC_SCHEMA.field("level"),
        METRIC_SCHEMA.field("date"),
        pa.field("fresh_until", pa.timestamp("us", "UTC")),
        pa.field("settled", pa.bool_(), nullable=False),
    ]
)
"""A day that was read, at one level. A change without ``fresh_until`` removes the day's row."""


GAP_SCHEMA = pa.schema(
    [
        METRIC_SCHEMA.field("connection_id"),
        METRIC_SCHEMA.field("level"),
        METRIC_SCHEMA.field("date"),
        pa.field("read", pa.string(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("entity_level", "external_id", "campaign_id")),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("first_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
"""What a day lacks, in the order of the table's columns."""

GAP_CHANGE_SCHEMA = GAP_SCHEMA.append(pa.field("present", pa.bool_(), nullable=False))
"""A gap that appeared or ended; not part of the counts of a run."""


def gap_rows(connection_id: str, gaps: Sequence[Gap]) -> pa.Table:
    """GAP_SCHEMA rows."""
    rows = [
        {
            "connection_id": connection_id,
            "level": level_of_read(gap.kind).value,
            "date": gap.day,
            "read": gap.kind.value,
            **{name: getattr(gap, name) for name in ("entity_level", "external_id", "campaign_id", "reason", "first_at")},
        }
        for gap in gaps
    ]
    return pa.Table.from_pylist(rows, schema=GAP_SCHEMA)


def read_day_rows(connection_id: str, days: Sequence[ReadDay]) -> pa.Table:
    """READ_DAY_SCHEMA rows."""
    columns = [
        [connection_id] * len(days),
        [day.level.value for day in days],
        [day.day for day in days],
        [day.fresh_until for day in days],
        [day.settled for day in days],
    ]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, READ_DAY_SCHEMA, strict=True)], schema=READ_DAY_SCHEMA)


Coverage = Mapping[date, CampaignRange]
"""Days, and the campaigns of each: there an entity without a row has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFetch:
    """Everything one run fetched of one connection, as of ``now`` (business time), with its profit at ``gross_margin``.

    Raises:
        ValueError: an answer has another connection's rows, other columns, or days that were not requested.
    """

    run_id: str
    generation: int
    connection_id: str
    provider: Provider
    now: datetime
    gross_margin: Decimal
    fetched: Sequence[FetchResult]
    left_out: frozenset[tuple[str, str]] = frozenset()
    """Level and status of entities that the answers may leave out although they delivered, beside deleted entities."""
    read_days: Sequence[ReadDay] | None = None
    """Every day of the connection that was read, this run's reads included; None leaves the warehouse's rows as they are."""
    timezone: str = "UTC"
    """The account's time zone, to which the days refer."""
    gaps: Sequence[Gap] | None = None
    """Everything that the connection's days lack after this run's reads; None leaves the warehouse's rows as they are."""
    conversions_by_kind: bool = False
    """Whether conversions are counted from the answer with their kinds instead of the one with the numbers."""
    conversions_may_be_unknown: bool = False
    """Whether conversions that are null in a leaf's row are unknown, and not left out of the answer."""
    remapped: frozenset[date] = frozenset()
    """Days whose stored numbers were read by an earlier mapping than these."""

    @property
    def rows(self) -> int:
        """How many rows of metrics it fetched."""
        return sum(answer.table.num_rows for answer in self.fetched if answer.fetch.kind.has_dates)

    def __post_init__(self) -> None:
        """Refuse answers that would be stored for the wrong connection, or silently left out."""
        for answer in self.fetched:
            _refuse_foreign(self.connection_id, answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChanges:
    """What one run is about to change: a table of each schema above, and one of ENTITY_SCHEMA.

    ``remargined``: everything stored of the connection has another margin and follows ``gross_margin`` from now on.
    """

    run_id: str
    generation: int
    connection_id: str
    now: datetime
    counts: RunCounts
    gross_margin: Decimal
    remargined: bool
    facts: pa.Table
    totals: pa.Table
    entities: pa.Table
    unreported: pa.Table
    account_totals: pa.Table
    not_by_campaign: pa.Table
    names: pa.Table
    days: pa.Table
    gaps: pa.Table

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write: neither rows that are counted nor account totals, remainders, names, read days or gaps."""
        return not (self.remargined or self.rows)

    @property
    def rows(self) -> int:
        """How many rows there are to write."""
        counted = (self.facts, self.totals, self.entities)
        others = (self.unreported, self.account_totals, self.not_by_campaign, self.names, self.days, self.gaps)
        return sum(table.num_rows for table in (*counted, *others))


Sized = TypeVar("Sized", RunFetch, RunChanges)


def portions(items: Iterable[Sized], max_rows: int) -> Iterator[list[Sized]]:
    """The items in order, in portions of at most ``max_rows`` rows or of a single item; no items make one empty portion."""
    portion, rows = list[Sized](), 0
    for item in items:
        if portion and rows + item.rows > max_rows:
            yield portion
            portion, rows = [], 0
        portion.append(item)
        rows += item.rows
    yield portion


def by_days(run: RunFetch, max_rows: int) -> Iterator[RunFetch]:
    """A run's metrics, oldest first, in parts of consecutive days.

    No two parts fit into one portion of ``max_rows`` rows, so that a portion has each connection once.
    """
    if run.rows <= max_rows:
        yield run
        return
    counted = Counter[date]()
    for answer in run.fetched:
        if answer.fetch.kind.has_dates:
            counted.update(dict.fromkeys(coverage_of(answer), 0))
            counted.update({count["values"]: count["counts"] for count in pc.value_counts(answer.table["date"]).to_pylist()})
    days, rows = list[date](), 0
    for day in sorted(counted):
        if days and rows + counted[day] > max_rows:
            yield _of_days(run, days[0], days[-1])
            days, rows = [], 0
        days.append(day)
        rows += counted[day]
    yield _of_days(run, days[0], days[-1])


def _of_days(run: RunFetch, first: date, last: date) -> RunFetch:
    """The run's answers about the days from first to last."""
    fetched = []
    for answer in run.fetched:
        days = [day for day in answer.fetch.days if first <= day <= last]
        if days:
            table = answer.table.filter(pc.is_in(answer.table["date"], pa.array(days, pa.date32())))
            fetched.append(replace(answer, fetch=replace(answer.fetch, since=days[0], until=days[-1]), table=table))
    return replace(run, fetched=fetched)


def _refuse_foreign(connection_id: str, answer: FetchResult) -> None:
    schema = METRIC_SCHEMA if answer.fetch.kind.has_dates else ENTITY_SCHEMA
    if not answer.table.schema.equals(schema):
        raise ValueError(f"The answer to {answer.fetch.label} has other columns than the schema of its kind.")
    if answer.table.num_rows == 0:
        return
    if pc.unique(answer.table["connection_id"]).to_pylist() != [connection_id]:
        raise ValueError(f"The answer to {answer.fetch.label} holds rows that are not of connection {connection_id}.")
    if answer.fetch.kind.has_dates:
        span = pc.min_max(answer.table["date"]).as_py()
        expected = answer.fetch.days
        if span["min"] < expected[0] or span["max"] > expected[-1]:
            raise ValueError(f"The answer to {answer.fetch.label} holds days from {span['min']} to {span['max']}.")
        if rows_not_covered(answer.table, dict.fromkeys(expected, answer.fetch.campaigns)).num_rows:
            raise ValueError(f"The answer to {answer.fetch.label} holds rows of other campaigns.")


def coverage_of(answer: FetchResult) -> Coverage:
    """The days that an answer covers, and the campaigns of each.

    Raises:
        ValueError: the fetch has no days.
    """
    if not answer.fetch.days:
        raise ValueError(f"A fetch of kind {answer.fetch.kind} needs days: {answer.fetch.label}.")
    return answer.coverage


def in_time(fetched: Sequence[FetchResult]) -> list[FetchResult]:
    """The answers, the oldest first."""
    return sorted(fetched, key=lambda answer: answer.fetched_at)


def rows_not_covered(rows: pa.Table, coverage: Coverage) -> pa.Table:
    """The rows, with a date and a campaign, of days and campaigns that are not covered; a row without its campaign may be of any."""
    for day, campaigns in coverage.items() if rows.num_rows else ():
        of_day = pc.equal(rows["date"], pa.scalar(day, pa.date32()))
        if not campaigns.is_whole:
            named = pa.array(campaigns.without if campaigns.only is None else campaigns.only, pa.string())
            is_named = pc.is_in(rows["campaign_id"], named)
            is_covered = pc.invert(is_named) if campaigns.only is None else is_named
            of_day = pc.and_(of_day, pc.and_(is_covered, pc.is_valid(rows["campaign_id"])))
        rows = rows.filter(pc.invert(of_day))
    return rows


_RUN_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string()),
        pa.field("generation", pa.int64()),
        pa.field("connection_id", pa.string()),
        pa.field("now", pa.timestamp("us", "UTC")),
        *(pa.field(name, pa.int64()) for name in ("fetched", "inserted", "updated", "unchanged", "entities_changed")),
    ]
)
_CONNECTION_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "provider", "external_id", "name", "currency", "timezone")),
        pa.field("gross_margin", pa.decimal128(9, 6)),
        pa.field("frequency", pa.string()),
        pa.field("mapping", pa.string()),
        pa.field("mapping_since", pa.timestamp("us", "UTC")),
        pa.field("attribution", pa.string()),
    ]
)


def runs_table(runs: Sequence[RunChanges]) -> pa.Table:
    """The runs with their counts, a row each."""
    rows = [
        {"run_id": run.run_id, "generation": run.generation, "connection_id": run.connection_id, "now": run.now, **asdict(run.counts)}
        for run in runs
    ]
    return pa.Table.from_pylist(rows, schema=_RUN_SCHEMA)


def connections_table(connections: Sequence[Connection], margins: Mapping[str, Decimal]) -> pa.Table:
    """The connections whose rows are written, with the margin of these rows."""
    rows = [
        {
            "id": connection.id,
            "provider": str(connection.provider),
            "external_id": connection.external_id,
            "name": connection.name,
            "currency": connection.currency,
            "timezone": connection.timezone,
            "gross_margin": margins[connection.id].quantize(MARGIN_UNIT),
            "frequency": connection.frequency.value,
            "mapping": mapping_of(connection).name,
            "mapping_since": connection.mapping_since,
            "attribution": describe_attribution(mapping_of(connection).attribution),
        }
        for connection in {connection.id: connection for connection in connections}.values()
        if connection.id in margins
    ]
    return pa.Table.from_pylist(rows, schema=_CONNECTION_SCHEMA)


_COMPLETION_SCHEMA = pa.schema(
    [
        pa.field("connection_id", pa.string()),
        pa.field("timezone", pa.string()),
        pa.field("complete_after", pa.duration("us")),
        pa.field("conversions_complete_after", pa.duration("us")),
    ]
)


def completion_rules(connections: Sequence[Connection]) -> pa.Table:
    """How long after the end of its days, in its time zone, each connection's numbers have come in."""
    rows = [
        {
            "connection_id": connection.id,
            "timezone": connection.timezone,
            "complete_after": COMPLETE_AFTER,
            "conversions_complete_after": platform_of(connection.provider).conversions_complete_after,
        }
        for connection in {connection.id: connection for connection in connections}.values()
    ]
    return pa.Table.from_pylist(rows, schema=_COMPLETION_SCHEMA)


_MAPPING_SCHEMA = pa.schema(
    [
        pa.field("connection_id", pa.string()),
        pa.field("since", pa.timestamp("us", "UTC")),
        pa.field("name", pa.string()),
        pa.field("definition", pa.string()),
        pa.field("attribution", pa.string()),
    ]
)


def mappings_table(connections: Sequence[Connection], written: Collection[str]) -> pa.Table:
    """What counts as what in the connections of which something is written, and since when somebody chose it so."""
    rows = []
    for connection in {connection.id: connection for connection in connections if connection.id in written}.values():
        mapping = mapping_of(connection)
        rows.append(
            {
                "connection_id": connection.id,
                "since": connection.mapping_since,
                "name": mapping.name,
                "definition": mapping.describe(),
                "attribution": describe_attribution(mapping.attribution),
            }
        )
    return pa.Table.from_pylist(rows, schema=_MAPPING_SCHEMA)
