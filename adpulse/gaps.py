"""What days lack although it was requested, with the reasons: whole reads, or rows of single entities. Pure. Steps: diff, telemetry."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from adpulse.campaign_range import NO_CAMPAIGNS
from adpulse.fetch_result import FetchResult
from adpulse.holes import Hole, HoleKey
from adpulse.model import FetchKind
from adpulse.redact import excerpt

MOST_ROWS = 20
"""Refused rows of one kind of read and day that are kept by entity; of more, the last one says how many there are."""

REFUSED_ROWS = "refused_rows"
"""The code of a gap, and of a warning, that rows were refused."""

_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What one kind of read lacks of a day: the whole day, one campaign of it (``campaign_id``), or one entity's row (``external_id``).

    ``reason`` is redacted. Instants are business time: since when it is so, and when it was requested last.
    """

    kind: FetchKind
    day: date
    reason: str
    first_at: datetime
    last_at: datetime
    code: str | None = None
    entity_level: str | None = None
    external_id: str | None = None
    campaign_id: str | None = None

    @property
    def is_refused_row(self) -> bool:
        """Whether the day was read, and only a row of it was refused."""
        return self.entity_level is not None

    @property
    def key(self) -> HoleKey:
        """The read and day that lack it."""
        return self.kind, self.day


def gaps_of_holes(holes: Iterable[Hole]) -> list[Gap]:
    """The gaps that holes are: one for each campaign where the others were answered."""
    return [
        Gap(
            kind=hole.kind,
            day=hole.day,
            reason=hole.message,
            code=hole.code,
            first_at=hole.first_at,
            last_at=hole.last_at,
            campaign_id=campaign,
        )
        for hole in holes
        for campaign in hole.campaigns or (None,)
    ]


def refused_after(refused: Sequence[Gap], staged: Iterable[FetchResult]) -> list[Gap]:
    """The refused rows of a connection after these answers: what was read again has only those of its newest answer."""
    since = {_entity(gap): gap.first_at for gap in refused}
    remaining = list(refused)
    for answer in sorted(staged, key=lambda answer: answer.fetched_at):
        if answer.fetch.kind.has_dates and answer.fetch.kind is not FetchKind.ACCOUNT:  # no day needs it to be complete
            refused_now = {_entity(gap): gap for gaps in _by_day(answer).values() for gap in gaps}
            remaining = [gap for gap in remaining if _entity(gap) not in refused_now and not _is_read_again(gap, answer)]
            remaining += refused_now.values()
    first = (since.get(_entity(gap), gap.first_at) for gap in remaining)
    return sorted([replace(gap, first_at=at) for gap, at in zip(remaining, first, strict=True)], key=_place)


def _entity(gap: Gap) -> tuple[HoleKey, str | None, str | None]:
    return gap.key, gap.entity_level, gap.external_id


def _is_read_again(gap: Gap, answer: FetchResult) -> bool:
    campaigns = answer.coverage.get(gap.day, NO_CAMPAIGNS)
    of_campaigns = campaigns.is_whole or (gap.campaign_id is not None and gap.campaign_id in campaigns)
    return gap.kind is answer.fetch.kind and of_campaigns


def _by_day(answer: FetchResult) -> dict[HoleKey, list[Gap]]:
    """The refused rows of an answer by their day, each entity once."""
    rows = dict[date, dict[tuple[str, str | None], Mapping[str, Any]]]()
    for row in answer.refused.to_pylist():
        stored = row | {name: _storable(row[name]) for name in ("external_id", "campaign_id", "reason")}
        rows.setdefault(row["date"], {}).setdefault((row["level"], stored["external_id"]), stored)
    return {(answer.fetch.kind, day): _gaps(answer, day, list(of_day.values())) for day, of_day in rows.items()}


def _gaps(answer: FetchResult, day: date, rows: Sequence[Mapping[str, Any]]) -> list[Gap]:
    gaps = [
        Gap(
            kind=answer.fetch.kind,
            day=day,
            reason=row["reason"],
            first_at=answer.fetched_at,
            last_at=answer.fetched_at,
            code=REFUSED_ROWS,
            entity_level=row["level"],
            external_id=row["external_id"],
            campaign_id=row["campaign_id"],
        )
        for row in rows[:MOST_ROWS]
    ]
    if len(rows) > MOST_ROWS:
        more = len(rows) - MOST_ROWS + 1
        reason = f"{more} more rows cannot be read, one of them: {gaps[-1].reason}"
        gaps[-1] = replace(gaps[-1], external_id=None, campaign_id=None, reason=reason)
    return gaps


def _storable(text: str | None) -> str | None:
    """What a platform sent may be long, and PostgreSQL stores no NUL."""
    return None if text is None else excerpt(text, _LONGEST_TEXT).replace("\0", "\ufffd")


def _place(gap: Gap) -> tuple[date, FetchKind, str, str]:
    return gap.day, gap.kind, gap.entity_level or "", gap.external_id or ""
