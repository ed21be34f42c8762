"""The account's page: its last 90 days, and what they are made of, from campaigns down to ads."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from adpulse.api.access import PRINTABLE, Caller, Viewer
from adpulse.api.pages.site import ROOT, page
from adpulse.metrics import in_units
from adpulse.model import Connection
from adpulse.restatement import METRICS
from adpulse.running_day import Numbers, total
from adpulse.services.budgeting import paces_of
from adpulse.spreadsheets import neutralised
from storage.warehouse.account_days import AccountDays, Part, Place, read_account_days, share

router = APIRouter()

PERIODS = (1, 7, 28, 45)
"""Days that parts may be of, today included; twice as many are within the 90 days that are read at first."""

_YOUNG = 7
"""Young days that are shown beside each other; the table of all days has the others."""

_ORDERS: dict[str, Callable[[Part], Any]] = {
    "spend": lambda part: -part.numbers.spend,
    "change": lambda part: -abs(part.numbers.spend - part.spend_before),
    "name": lambda part: part.name.casefold(),
    "roas": lambda part: -(part.numbers.roas or 0),
    "purchases": lambda part: -part.numbers.purchases,
}
_PARQUET = "application/vnd.apache.parquet"


class Choice(BaseModel):
    """What of the account is shown: in the page's address."""

    period: int = Field(7, ge=1, le=max(PERIODS))
    campaign: str = Field("", max_length=64, pattern=PRINTABLE)
    ad_set: str = Field("", max_length=64, pattern=PRINTABLE)
    q: str = Field("", max_length=255, pattern=PRINTABLE)
    sort: Literal["spend", "change", "name", "roas", "purchases"] = "spend"

    @property
    def place(self) -> Place:
        """Where in the account."""
        return Place(campaign=self.campaign or None, ad_set=self.ad_set or None)

    def parts(self, stored: AccountDays) -> list[Part]:
        """The parts that match the search, in the chosen order."""
        matches = [part for part in stored.parts if self.q.strip().casefold() in f"{part.name} {part.id or ''}".casefold()]
        return sorted(matches, key=lambda part: (_ORDERS[self.sort](part), part.name))


@router.get("/accounts/{connection_id}")
def account(request: Request, caller: Viewer, connection_id: str, chosen: Annotated[Choice, Query()]) -> Response:
    """The account's days and parts, from what was published last."""
    now = caller.app.clock.now()
    connection, today, stored = _read(caller, connection_id, now, chosen)
    young = [day for day in reversed(stored.days) if any(final.moves for final in day.expected)][:_YOUNG]
    moving = {final.metric for day in young for final in day.expected if final.moves}
    return page(
        "account.html",
        caller,
        connection=connection,
        chosen=chosen,
        periods=PERIODS,
        metrics=[metric for metric in METRICS if metric in moving],
        orders=list(_ORDERS),
        days=stored.days,
        young=young,
        highest=max((day.numbers.spend for day in stored.days), default=0) or 1,
        today=today,
        now=now,
        names=stored.names,
        paces=paces_of(caller.app, connection),
        parts=[(part, share(part, stored.parts)) for part in chosen.parts(stored)],
        whole=total(part.numbers for part in stored.parts),
        whole_before=sum(part.spend_before for part in stored.parts),
        file=f"{connection.workspace_id}.duckdb",
        query=request.url.query,
        place=f"{ROOT}/accounts/{connection.id}",
    )


@router.get("/accounts/{connection_id}/table.{kind}")
def table(caller: Viewer, connection_id: str, kind: Literal["csv", "parquet"], chosen: Annotated[Choice, Query()]) -> Response:
    """The rows of the page's table as a file, with the same choice, search and order; money in units, exact."""
    connection, today, stored = _read(caller, connection_id, caller.app.clock.now(), chosen)
    rows = [_row(connection.id, connection.currency, today, chosen.period, part) for part in chosen.parts(stored)]
    content, media_type = (_csv(rows), "text/csv; charset=utf-8") if kind == "csv" else (_parquet(rows), _PARQUET)
    headers = {"Content-Disposition": f'attachment; filename="{connection.id}-{today}.{kind}"'}
    return Response(content, HTTPStatus.OK, headers, media_type)


def _read(caller: Caller, connection_id: str, now: datetime, chosen: Choice) -> tuple[Connection, date, AccountDays]:
    connection = caller.connection(connection_id).connection
    today, published = connection.today(now), caller.app.published(connection.workspace_id)
    return connection, today, read_account_days(published, connection.id, today, chosen.period, chosen.place)


def _row(connection_id: str, currency: str, today: date, period: int, part: Part) -> dict[str, Any]:
    named = {"connection_id": connection_id, "until": today, "days": period, "level": part.level, "id": part.id, "name": part.name}
    return {**named, "status": part.status, "currency": currency, **_units(part.numbers), "spend_before": in_units(part.spend_before)}


def _units(numbers: Numbers) -> dict[str, Decimal | None]:
    values = {name: getattr(numbers, name) for name in ("spend", "revenue", "conversions", "purchases")}
    return {name: None if value is None else in_units(value) for name, value in values.items()}


_COLUMNS = {
    "connection_id": pa.string(),
    "until": pa.date32(),
    "days": pa.int32(),
    "level": pa.string(),
    "id": pa.string(),
    "name": pa.string(),
    "status": pa.string(),
    "currency": pa.string(),
    **dict.fromkeys(("spend", "revenue", "conversions", "purchases", "spend_before"), pa.decimal128(38, 6)),
}


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """Names that a spreadsheet would take for a formula begin with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_COLUMNS))
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "name": neutralised(row["name"])})
    return text.getvalue().encode()


def _parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=pa.schema(_COLUMNS)), sink)
    return sink.getvalue()
