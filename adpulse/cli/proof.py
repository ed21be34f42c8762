"""Compares a published warehouse with the sandbox's truth, row by row.

Each stored day is compared with the truth as of its last read. Where a report leaves out deleted ads, an ad that was deleted since
keeps its history, so its days are compared with the truth as of the last read before the deletion. A deleted campaign is asked for by
its id, so what is stored of it is what it had at one of the reads. A platform with such reports does
not list deleted entities either, so there an entity is either stored as deleted or was never stored. Where kinds of conversions are
read separately, those metrics are compared with the truth as of that read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from adpulse.gone_statuses import GONE_STATUSES
from adpulse.metrics import METRICS, MICROS, SPLIT_METRICS, Unit
from adpulse.model import Connection, FetchKind, Level
from adpulse.planner.windows import PartitionAges
from adpulse.platforms.registry import platform_of
from adpulse_sandbox.remote import Remote
from storage.warehouse.analytics import read_together

Row = tuple[int | None, ...]
Entity = tuple[str | None, str | None, str]
"""Parent, name and status."""

Key = tuple[str, str, date]
"""Level, external id and day."""

_PER_UNIT = {Unit.COUNT: 1, Unit.MICROS: MICROS}
_DELIVERY = ("impressions", "clicks", "spend")
"""Metrics that every platform reports at every level."""

_SPLIT = [place for place, name in enumerate(METRICS) if name in SPLIT_METRICS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """When each day was read: the connection's partition ages, noted after every sync."""

    notes: tuple[PartitionAges, ...]

    def last(self, kind: FetchKind, day: date, before: datetime | None = None) -> datetime | None:
        """The last complete read of the day, or check of what changed in it, optionally the last one before an instant."""
        instants = {ages.known_at(kind, day) for ages in self.notes}
        return max((at for at in instants if at is not None and (before is None or at < before)), default=None)

    def all(self, kind: FetchKind, day: date) -> set[datetime]:
        """Every complete read of the day that was noted."""
        return {at for ages in self.notes if (at := ages.days.get((kind, day))) is not None}

    def days(self, kind: FetchKind) -> list[date]:
        """Every day that was read."""
        return sorted({day for ages in self.notes for read_kind, day in ages.days if read_kind is kind})


class Proof:
    """Finds the differences between one connection's stored rows and the truth."""

    def __init__(self, published: Path, connection: Connection, remote: Remote, reads: Reads) -> None:
        self._published = published
        self._connection = connection
        self._remote = remote
        self._reads = reads

    @cached_property
    def _stored(self) -> dict[str, pa.Table]:
        """What the copy has of the connection, by table or view, all of one and the same copy."""
        facts = f"level, external_id, date, {', '.join(METRICS)}"
        sums = {metric.name: f"CAST(sum({metric.name}) * {_PER_UNIT[metric.unit]} AS BIGINT)" for metric in METRICS.values()}
        by_campaign, by_account = ", ".join(sums.values()), ", ".join(sums[name] for name in _DELIVERY)
        parts = {
            "leaves": (facts, "metric_facts", ""),
            "totals": (facts, "platform_totals", "AND level = 'campaign'"),
            "account": (facts, "account_totals", ""),
            "daily": (f"campaign_id, date, {by_campaign}", "daily", "AND campaign_id IS NOT NULL GROUP BY ALL"),
            "account_daily": (f"date, {by_account}", "daily", "GROUP BY date"),
            "entities": ("level, external_id, parent_id, name, status", "entities", ""),
        }
        queries = [f"SELECT {columns} FROM {table} WHERE connection_id = ? {rest}" for columns, table, rest in parts.values()]  # noqa: S608 - our own names
        tables = read_together(self._published, [(query, [self._connection.id]) for query in queries])
        return dict(zip(parts, tables, strict=True))

    def differences(self) -> list[str]:
        """One sentence per row that is missing, superfluous or different."""
        return [*self._leaves(), *self._totals(), *self._account(), *self._daily(), *self._account_daily(), *self._entities()]

    def _leaves(self) -> Iterator[str]:
        yield from self._compare(_keyed(self._stored["leaves"]), self._leaves_as_read())

    def _totals(self) -> Iterator[str]:
        deleted = self._deleted_campaigns
        stored, truth = _keyed(self._stored["totals"]), self._truth(FetchKind.CAMPAIGNS)
        listed = [{key: row for key, row in rows.items() if key[1] not in deleted} for rows in (stored, truth)]
        yield from self._compare(*listed)
        missing = sorted(key for key, row in truth.items() if key[1] in deleted and any(row) and key not in stored)
        yield from (f"{' '.join(map(str, key))}: nothing is stored of the deleted campaign" for key in missing)
        yield from self._totals_of_deleted({key: row for key, row in stored.items() if key[1] in deleted})

    def _totals_of_deleted(self, stored: dict[Key, Row]) -> Iterator[str]:
        """Compare campaigns that no report lists any more: they were asked for by their ids with one of the reads of their day.

        That is not the last one where the account's total had nothing new since.
        """
        instants = {day: self._reads.all(FetchKind.CAMPAIGNS, day) for _, _, day in stored}
        for at in sorted({at for reads in instants.values() for at in reads}, reverse=True):
            days = {day: at for _, _, day in stored if at in instants[day]}
            for _, span in _spans(days):
                truth = self._fetch_truth(FetchKind.CAMPAIGNS, span, at, deleted=True)
                stored = {key: row for key, row in stored.items() if truth.get(key) != row}
        yield from (f"{' '.join(map(str, key))}: {row}, which the deleted campaign had at no read" for key, row in sorted(stored.items()))

    def _account(self) -> Iterator[str]:
        """Compare the account's own totals, but for the metrics that are read at other levels only.

        Days that are to be read anew, because the account's time zone changed, are still those of the old zone.
        """
        unread = _SPLIT if FetchKind.CATEGORIES in platform_of(self._connection.provider).metric_kinds else []
        latest = {day for kind, day in self._reads.notes[-1].days if kind is FetchKind.ACCOUNT}
        stored, truth = _keyed(self._stored["account"]), self._as_read(FetchKind.ACCOUNT)
        expected = {key: _without(row, unread) for key, row in truth.items() if key[2] in latest}
        yield from self._compare({key: row for key, row in stored.items() if key[2] in latest}, expected)

    def _account_daily(self) -> Iterator[str]:
        """Compare the view's sum over a day, deleted campaigns included, with the account's truth, where all was read at one time."""
        kinds = (*platform_of(self._connection.provider).metric_kinds, FetchKind.ACCOUNT)
        stored = {row[0]: row[1:] for row in _rows(self._stored["account_daily"])}
        for (_, _, day), row in self._as_read(FetchKind.ACCOUNT).items():
            reported = dict(zip(METRICS, row, strict=True))
            total = tuple(reported[name] for name in _DELIVERY)
            own = stored.get(day, (0,) * len(_DELIVERY))
            if len({self._reads.last(kind, day) for kind in kinds}) == 1 and own != total:
                yield f"daily of the account {day}: {own} instead of {total}"

    def _daily(self) -> Iterator[str]:
        """Compare the view's sum over a campaign and day with the campaign's total, for metrics that the platform reports at that level."""
        stored = {(row[0], row[1]): row[2:] for row in _rows(self._stored["daily"])}
        totals = _keyed(self._stored["totals"])  # of deleted ones, which are compared there
        deleted = {key: row for key, row in totals.items() if key[1] in self._deleted_campaigns}
        listed = {key: row for key, row in self._truth(FetchKind.CAMPAIGNS).items() if key[1] not in self._deleted_campaigns}
        for (_, campaign, day), total in (listed | deleted).items():
            if len({self._reads.last(kind, day) for kind in platform_of(self._connection.provider).metric_kinds}) > 1:
                continue  # ads were read again since the totals were: the day moved on
            own = stored.get((campaign, day), (0,) * len(METRICS))
            if any(reported is not None and reported != value for reported, value in zip(total, own, strict=True)):
                yield f"daily {campaign} {day}: {own} instead of {total}"

    def _entities(self) -> Iterator[str]:
        stored = {row[:2]: row[2:] for row in _rows(self._stored["entities"])}
        last = self._reads.notes[-1].dateless
        if FetchKind.ENTITIES_FULL not in last:
            return  # no walk worked yet
        if last[FetchKind.ENTITIES_FULL] < last.get(FetchKind.ENTITIES_CHANGED, last[FetchKind.ENTITIES_FULL]):
            return  # since the full walk only what changed by itself was read, not what follows from a parent
        truth = self._remote.truth_entities(self._connection.external_id, as_of=last[FetchKind.ENTITIES_FULL])
        columns = truth.select(["level", "external_id", "parent_id", "name", "effective_status"])
        expected = {row[:2]: row[2:] for row in _rows(columns)}
        for key in sorted(stored.keys() | expected.keys()):
            own, reported = stored.get(key), expected.get(key)
            if own != reported and not self._is_deleted(own, reported):
                yield f"entity {key}: {own} instead of {reported}"

    def _is_deleted(self, own: Entity | None, reported: Entity | None) -> bool:
        """Whether it was deleted, and is stored as deleted or not at all; False where the platform lists deleted entities."""
        if platform_of(self._connection.provider).reports_removed or reported is None or reported[-1] not in GONE_STATUSES:
            return False
        return own is None or (own[0] == reported[0] and own[1] is not None and own[-1] in GONE_STATUSES)

    @cached_property
    def _deleted(self) -> list[tuple[str, str, datetime]]:
        latest = max(at for ages in self._reads.notes for at in ages.days.values())
        rows = self._remote.truth_entities(self._connection.external_id, as_of=latest).to_pylist()
        return [(row["level"], row["external_id"], row["deleted_at"]) for row in rows if row["effective_status"] in GONE_STATUSES]

    @cached_property
    def _deleted_campaigns(self) -> set[str]:
        """Those that the platform's reports leave out."""
        if platform_of(self._connection.provider).reports_removed:
            return set()
        return {external_id for level, external_id, _ in self._deleted if level == Level.CAMPAIGN}

    def _leaves_as_read(self) -> dict[Key, Row]:
        """The expected rows of leaves; each half of a row as of its own last read."""
        base = self._truth(FetchKind.ADS)
        if FetchKind.CATEGORIES not in platform_of(self._connection.provider).metric_kinds:
            return base
        split, nothing = self._truth(FetchKind.CATEGORIES), (0,) * len(METRICS)
        return {key: _put_together(base.get(key, nothing), split.get(key, nothing)) for key in base.keys() | split.keys()}

    def _truth(self, kind: FetchKind) -> dict[Key, Row]:
        """The expected rows of a kind of read: every day as of its last read, unreported deleted entities as of their last read before."""
        rows = self._as_read(kind)
        if not platform_of(self._connection.provider).reports_removed:
            for level, external_id, deleted_at in self._deleted:
                before = self._as_read(kind, before=deleted_at)
                rows |= {key: row for key, row in before.items() if key[:2] == (level, external_id) and key not in rows}
        return rows

    def _as_read(self, kind: FetchKind, before: datetime | None = None) -> dict[Key, Row]:
        reads = {day: self._reads.last(kind, day, before) for day in self._reads.days(kind)}
        rows: dict[Key, Row] = {}
        for at, span in _spans({day: at for day, at in reads.items() if at}):
            rows.update(self._fetch_truth(kind, span, at))
        return rows

    def _fetch_truth(self, kind: FetchKind, span: tuple[date, date], as_of: datetime, **flags: bool) -> dict[Key, Row]:
        sources = {FetchKind.CAMPAIGNS: self._remote.truth_totals, FetchKind.ACCOUNT: self._remote.truth_account}
        fetch = sources.get(kind, self._remote.truth_metrics)
        table = fetch(
            self._connection.external_id, since=span[0], until=span[1], as_of=as_of, margin=Decimal(self._connection.gross_margin), **flags
        )
        return _keyed(table)

    @staticmethod
    def _compare(stored: dict[Key, Row], expected: dict[Key, Row]) -> Iterator[str]:
        for key in sorted(stored.keys() | expected.keys()):
            own, truth = stored.get(key), expected.get(key)
            if own != truth and not (truth is None and own is not None and not any(own)):
                yield f"{' '.join(str(part) for part in key)}: {own} instead of {truth}"


def _without(row: Row, places: Sequence[int]) -> Row:
    return tuple(None if place in places else value for place, value in enumerate(row))


def _put_together(base: Row, split: Row) -> Row:
    return tuple(split[place] if place in _SPLIT else value for place, value in enumerate(base))


def _keyed(table: pa.Table) -> dict[Key, Row]:
    return {(row[0], row[1], row[2]): row[3:] for row in _rows(table.select(["level", "external_id", "date", *METRICS]))}


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _spans(reads: dict[date, datetime]) -> Iterator[tuple[datetime, tuple[date, date]]]:
    """Consecutive days that were last read at the same instant."""
    days: Sequence[date] = sorted(reads)
    for _, group in groupby(enumerate(days), key=lambda pair: (reads[pair[1]], pair[1] - timedelta(days=pair[0]))):
        members = [day for _, day in group]
        yield reads[members[0]], (members[0], members[-1])
