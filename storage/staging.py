"""The answers that a run fetched, kept on disk until they are in the warehouse. Between the steps fetch, diff and upsert.

Platform calls are scarce, so no retry, restart or crash asks the platform again for an answer that was complete.
A file appears under its name only when it is complete. Layout: ``<root>/<run>/plan.json``, one
``<label>-<digest>.arrow`` per answer, ``changes.zip``.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from adpulse import entity_names, refused_table
from adpulse.campaign_range import CampaignRange
from adpulse.errors import Permanent
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA, with_every_metric
from adpulse.model import Fetch, FetchKind, Heat, Lane, RunCounts
from adpulse.planner.plan import Plan
from storage.files import filling, replace
from storage.warehouse.batches import ACCOUNT_REMAINDER_SCHEMA, METRIC_CHANGE_SCHEMA, REMAINDER_SCHEMA, RunChanges

_PLAN = "plan.json"
_CHANGES = "changes.zip"
_HEADER, _NAMES, _REFUSED = b"adpulse", b"names", b"refused"
_TABLES = {
    "facts": METRIC_CHANGE_SCHEMA,
    "totals": METRIC_CHANGE_SCHEMA,
    "entities": None,
    "unreported": REMAINDER_SCHEMA,
    "account_totals": METRIC_CHANGE_SCHEMA,
    "not_by_campaign": ACCOUNT_REMAINDER_SCHEMA,
    "names": None,
    "days": None,
    "gaps": None,
}
"""The tables of a comparison's result, with the schemas of those that have metrics."""

_OTHER_CONTENT = (ArithmeticError, ValueError, KeyError, TypeError)
_DAMAGES = (pa.ArrowException, zipfile.BadZipFile, EOFError, RuntimeError, OSError, *_OTHER_CONTENT)
"""What the parsers of a damaged file raise; Decimal raises an ArithmeticError for an invalid number."""


class Staging:
    """One folder per run under ``root``.

    Every reading method raises Permanent for a file that is damaged or was not staged here: a result is never shorter
    than what was written. Every writing method raises DiskFull when there is no space, and leaves the previous file in place.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def save_plan(self, run_id: str, generation: int, plan: Plan) -> None:
        """Store the plan of this leg of the run, so that a repeated step fetches the same."""
        document = {
            "generation": generation,
            "fetches": [_fetch_to_json(fetch) for fetch in plan.fetches],
            "until": plan.until.isoformat() if plan.until else None,
            "reason": plan.reason,
            "lane": plan.lane,
        }
        with self._writing(run_id, _PLAN) as path:
            path.write_text(json.dumps(document), "utf-8")

    def plan(self, run_id: str) -> Plan | None:
        """The plan of the leg, its fetches in order; None when nothing was planned yet."""
        document = self._plan_document(run_id)
        if document is None:
            return None
        with _reading(self._root / run_id / _PLAN):
            return Plan(
                fetches=tuple(_fetch_from_json(item) for item in document["fetches"]),
                until=datetime.fromisoformat(document["until"]) if document["until"] else None,
                reason=document["reason"],
                lane=Lane(document["lane"]),
            )

    def planned_generation(self, run_id: str) -> int | None:
        """The generation whose plan and answers are staged; None when there is no plan."""
        document = self._plan_document(run_id)
        if document is None:
            return None
        with _reading(self._root / run_id / _PLAN):
            return int(document["generation"])

    def _plan_document(self, run_id: str) -> dict[str, Any] | None:
        path = self._root / run_id / _PLAN
        if not path.exists():
            return None
        with _reading(path):
            return dict(json.loads(path.read_text("utf-8")))

    def write(self, run_id: str, fetched: FetchResult) -> None:
        """Store a complete answer; the same fetch again replaces it."""
        header = {
            "fetch": _fetch_to_json(fetched.fetch),
            "fetched_at": fetched.fetched_at.isoformat(),
            "rows": fetched.table.num_rows,
            "unread": sorted(day.isoformat() for day in fetched.unread),
            "parts": {day.isoformat(): _range_to_json(campaigns) for day, campaigns in fetched.parts.items()},
        }
        beside = {_NAMES: _bytes_of(fetched.names), _REFUSED: _bytes_of(fetched.refused)}
        table = fetched.table.replace_schema_metadata({_HEADER: json.dumps(header), **beside})
        with self._writing(run_id, _file_name(fetched.fetch)) as path:
            _write_table(path, table)

    def has(self, run_id: str, fetch: Fetch) -> bool:
        """Whether the fetch's complete answer is staged. Heat and cost do not identify a fetch; they belong to the planner."""
        return (self._root / run_id / _file_name(fetch)).exists()

    def read(self, run_id: str) -> list[FetchResult]:
        """Every answer of the run, oldest first; of the same instant, lookups by id come last."""
        return sorted((_read_fetched(path) for path in self._answers(run_id)), key=_order)

    def drop(self, run_id: str, fetch: Fetch) -> None:
        """Delete one answer; nothing happens when it is not staged."""
        (self._root / run_id / _file_name(fetch)).unlink(missing_ok=True)

    def write_changes(self, changes: RunChanges) -> None:
        """Store what the run is about to change; replaces the result of an earlier attempt."""
        header = {
            "generation": changes.generation,
            "connection_id": changes.connection_id,
            "now": changes.now.isoformat(),
            "counts": asdict(changes.counts),
            "gross_margin": str(changes.gross_margin),
            "remargined": changes.remargined,
        }
        with self._writing(changes.run_id, _CHANGES) as path, zipfile.ZipFile(path, "w") as archive:
            archive.writestr("header.json", json.dumps(header))
            for name in _TABLES:
                with archive.open(f"{name}.arrow", "w", force_zip64=True) as member:
                    _write_table(member, getattr(changes, name))

    def changes(self, run_id: str) -> RunChanges | None:
        """What the run is about to change; None when it was not compared yet."""
        path = self._root / run_id / _CHANGES
        if not path.exists():
            return None
        with _reading(path), zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read("header.json"))
            read = {name: pa.ipc.open_file(archive.read(f"{name}.arrow")).read_all() for name in _TABLES}
            tables = {name: with_every_metric(read[name], schema) if schema else read[name] for name, schema in _TABLES.items()}
            return RunChanges(
                run_id=run_id,
                generation=header["generation"],
                connection_id=header["connection_id"],
                now=datetime.fromisoformat(header["now"]),
                counts=RunCounts(**header["counts"]),
                gross_margin=Decimal(header["gross_margin"]),
                remargined=header["remargined"],
                **tables,
            )

    def remove(self, run_id: str) -> None:
        """Delete everything staged of the run; nothing happens when there is nothing."""
        shutil.rmtree(self._root / run_id, ignore_errors=True)

    def runs(self) -> list[str]:
        """Ids of the runs that have a folder."""
        return sorted(path.name for path in self._root.iterdir() if path.is_dir()) if self._root.exists() else []

    def sweep(self, is_open: Callable[[], set[str]]) -> list[str]:
        """Remove the folders of closed runs; returns their ids. ``is_open`` is only called when there are folders."""
        staged = self.runs()  # first: a run that begins after this is not judged
        closed = sorted(set(staged) - is_open()) if staged else []
        for run_id in closed:
            self.remove(run_id)
        return closed

    @contextmanager
    def _writing(self, run_id: str, name: str) -> Iterator[Path]:
        """A temporary file to write; it gets its final name only when the block succeeds."""
        folder = self._root / run_id
        with filling(folder / name):
            folder.mkdir(parents=True, exist_ok=True)
        # With the process id in its name, two writers of one run (one of them has lost its lease) use different files.
        partial = folder / f".{os.getpid()}.{name}"
        with filling(partial):
            yield partial
            replace(partial, folder / name)

    def _answers(self, run_id: str) -> list[Path]:
        folder = self._root / run_id
        files = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.exists() else []
        answers = [path for path in files if path.name not in (_PLAN, _CHANGES)]
        for path in answers:
            if path.suffix != ".arrow":
                raise Permanent(f"{path} is not a staged answer. Nothing of the run was applied; remove the file and sync again.")
        return answers


def _order(answer: FetchResult) -> tuple[datetime, bool, str]:
    return answer.fetched_at, answer.fetch.kind is FetchKind.ENTITIES_CONFIRMED, answer.fetch.label


def _read_fetched(path: Path) -> FetchResult:
    with _reading(path), pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
        header = json.loads(table.schema.metadata[_HEADER])
        if table.num_rows != header["rows"]:
            raise ValueError(f"{table.num_rows} rows instead of {header['rows']}")  # a damaged footer can hide rows
        fetch, rows = _fetch_from_json(header["fetch"]), table.replace_schema_metadata(None)
        return FetchResult(
            fetch=fetch,
            fetched_at=datetime.fromisoformat(header["fetched_at"]),
            table=with_every_metric(rows, METRIC_SCHEMA) if fetch.kind.has_dates else rows,
            names=_beside(table, _NAMES, entity_names.SCHEMA),
            refused=_beside(table, _REFUSED, refused_table.SCHEMA),
            unread=frozenset(date.fromisoformat(day) for day in header.get("unread", ())),  # an older version staged none
            parts={date.fromisoformat(day): _range_from_json(campaigns) for day, campaigns in header.get("parts", {}).items()},
        )


def _beside(table: pa.Table, name: bytes, schema: pa.Schema) -> pa.Table:
    """A table that was stored beside the rows; empty in a file that an older version staged."""
    stored = table.schema.metadata.get(name)
    return pa.ipc.open_stream(stored).read_all() if stored else schema.empty_table()


def _write_table(sink: Any, table: pa.Table) -> None:  # noqa: ANN401 - a path or an open file, as Arrow takes them
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _bytes_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn every error that a parser raises about a damaged file into one message."""
    try:
        yield
    except _DAMAGES as error:
        raise Permanent(f"{path} is damaged. Nothing of the run was applied; remove its folder and sync again.") from error


def _file_name(fetch: Fetch) -> str:
    """A name from what is requested. The label alone would not distinguish two cursors or two lookups."""
    *whole, campaigns = fetch.request_key
    parts = [str(part) for part in whole]
    if not campaigns.is_whole:
        parts += [str(campaigns.only), str(campaigns.without)]
    return f"{fetch.label}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]}.arrow"


def _fetch_to_json(fetch: Fetch) -> dict[str, Any]:
    return {
        "kind": fetch.kind,
        "heat": fetch.heat,
        "cost": fetch.cost,
        "since": fetch.since.isoformat() if fetch.since else None,
        "until": fetch.until.isoformat() if fetch.until else None,
        "changed_since": fetch.changed_since.isoformat() if fetch.changed_since else None,
        "campaigns": _range_to_json(fetch.campaigns),
    }


def _fetch_from_json(item: dict[str, Any]) -> Fetch:
    return Fetch(
        kind=FetchKind(item["kind"]),
        heat=Heat(item["heat"]),
        cost=item["cost"],
        since=date.fromisoformat(item["since"]) if item["since"] else None,
        until=date.fromisoformat(item["until"]) if item["until"] else None,
        changed_since=datetime.fromisoformat(item["changed_since"]) if item["changed_since"] else None,
        campaigns=_range_from_json(item.get("campaigns", {})),  # an older version staged none
    )


def _range_to_json(campaigns: CampaignRange) -> dict[str, Any]:
    return {"only": campaigns.only, "without": campaigns.without}


def _range_from_json(item: dict[str, Any]) -> CampaignRange:
    only = item.get("only")
    return CampaignRange(only=None if only is None else tuple(only), without=tuple(item.get("without", ())))
