"""A workspace's warehouse: one DuckDB file, one writer at a time. Steps: diff (reads), upsert (:meth:`Warehouse.apply`).

Every method takes the writer's lock, opens the file, does one thing and closes it again: between two calls the file is
closed and unlocked. Readers use the published copy, never the live file.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from adpulse.errors import WarehouseBusy, WarehouseDamaged, WarehouseNewer
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.missing_entities import MissingEntity
from adpulse.model import Connection, Restated, RunCounts
from adpulse.workspace_description import WorkspaceDescription
from storage.files import exclusive, replace
from storage.warehouse import analytics, damage, descriptions, diff, erasure, rewriting, schema, upsert
from storage.warehouse.batches import RunChanges, RunFetch, portions
from storage.warehouse.copying import copy_tables
from storage.warehouse.damage import Holdings, Restored
from storage.warehouse.empty import Empty
from storage.warehouse.erasure import Contents
from storage.warehouse.instance import CONFIG, Instance
from storage.warehouse.one_thread import OneThread
from storage.warehouse.sql import query

# A process has one file open at a time, and one thread works on it: DuckDB's memory for comparing and writing comes on top of the
# worker's own, and more threads need more of it and save hardly any time.
_DUCKDB = OneThread("warehouse")
_INSTANCE = Instance()
_EMPTY = Empty()

T = TypeVar("T")
log = logging.getLogger(__name__)

ROWS_AT_ONCE = 20_000
"""Rows that one transaction writes, unless a single run has more: until the commit DuckDB keeps them in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a run wrote to the warehouse: its counts, how many of its legs wrote metrics, and when the last one did (business time).

    ``trailing_spend``: the connection's spend of the seven days before its last leg, in micros. ``restated``: None if no day was.
    """

    counts: RunCounts
    changes: int
    changed_at: datetime | None
    trailing_spend: int
    restated: Restated | None


class Warehouse:
    """The warehouse file at ``path`` (created by the first write) and its published copy.

    Every method raises WarehouseBusy when the lock stays taken for ``lock_timeout`` seconds, WarehouseDamaged when the
    file is not what was written, DiskFull when there is no space, and WarehouseNewer when a newer adpulse wrote the file.
    """

    def __init__(
        self,
        path: Path,
        published: Path,
        *,
        readers: int | None = None,
        lock_timeout: float = 60.0,
        describe: Callable[[], WorkspaceDescription] = WorkspaceDescription,
    ) -> None:
        self._path = path
        self._published = published
        self._readers = readers
        self._lock_timeout = lock_timeout
        self._describe = describe
        self._last_fingerprint: damage.Fingerprint = ()
        self._found_damage: tuple[damage.Fingerprint, str] | None = None

    def require_sound(self) -> None:
        """Raise WarehouseDamaged when the file was found damaged and has not changed since; only asks the file system."""
        if self._found_damage and self._found_damage[0] == damage.fingerprint(self._path):
            raise WarehouseDamaged(self._found_damage[1])

    def restore(self, forget: Callable[[Holdings | None], None], *, force: bool = False) -> Restored:
        """Replace a damaged file with the published copy under the lock, see :func:`storage.warehouse.damage.restore`."""
        with self._exclusive() as lock:
            return damage.restore(self._path, self._published, lock, forget, force=force)

    def contents(self, connection_id: str) -> Contents:
        """How many rows of a connection the published copy has."""
        return _DUCKDB.run(erasure.contents, self._published, connection_id)

    def erase(self, connection_id: str) -> None:
        """Delete a connection's rows, and renew the copy for readers. After a kill at any point, calling it again completes it.

        The file is written anew without the rows, so that no byte of them is left.
        """
        with self._exclusive():
            _DUCKDB.run(self._erase, connection_id)
        self.publish(min_interval_seconds=0)

    def _erase(self, connection_id: str) -> None:
        if not self._with_open(lambda warehouse: erasure.holds(warehouse, connection_id)):
            return
        self._checkpoint()  # no log may stand beside the file that takes its place
        self._create(lambda fresh: copy_tables(fresh, self._path, without=connection_id))
        self._last_fingerprint = damage.fingerprint(self._path)

    def remove(self, forget: Callable[[], None]) -> None:
        """Delete the file and its published copy, after ``forget`` has deleted the workspace.

        Raises:
            WarehouseBusy: another process has the file open; nothing was deleted. And what ``forget`` raises.
        """
        with self._exclusive():
            forget()
            # The copy first: a copy without its warehouse is taken for the sign of a lost file.
            for file in (self._published, damage.log_of(self._path), self._path):
                file.unlink(missing_ok=True)

    def diff(self, batch: Sequence[RunFetch]) -> list[RunChanges]:
        """What each run would change, in the order of ``batch``; opens the file for reading only."""
        return self._read(lambda warehouse: diff.compare(warehouse, batch))

    def missing_entities(self, connection: Connection, fetched: Sequence[FetchResult]) -> list[MissingEntity]:
        """Entities that vanished from the answers: a diff makes their rows zero only after a lookup reported them as alive."""
        run = RunFetch(
            run_id="",
            generation=0,
            connection_id=connection.id,
            provider=connection.provider,
            now=datetime.fromtimestamp(0, UTC),  # does not matter here
            gross_margin=connection.gross_margin,
            fetched=fetched,
            left_out=connection.filters.left_out,
        )
        return self._read(lambda warehouse: diff.missing_entities(warehouse, run))

    def campaigns(self, connection_id: str) -> list[str]:
        """Ids of the campaigns that are stored of a connection, in their order as text."""
        of_connection = {"connection_id": connection_id}
        return [campaign for (campaign,) in self._read(lambda warehouse: warehouse.execute(query("campaigns"), of_connection).fetchall())]

    def campaign_statuses(self, connection_id: str) -> dict[str, str]:
        """The status of each campaign that a walk, or a lookup, has named."""
        of_connection = {"connection_id": connection_id}
        return dict(self._read(lambda warehouse: warehouse.execute(query("campaign_statuses"), of_connection).fetchall()))

    def campaign_totals(self, connection_id: str, days: Sequence[date]) -> pa.Table:
        """The stored totals of campaigns on these days: METRIC_SCHEMA rows."""
        values = {"connection_id": connection_id, "days": list(days)}
        rows = self._read(lambda warehouse: warehouse.sql(query("campaign_totals"), params=values).to_arrow_table())
        return rows.select(METRIC_SCHEMA.names).cast(METRIC_SCHEMA)

    def leaves_by_campaign(self, connection_id: str) -> dict[str, int | None]:
        """The campaigns that delivered lately, with their number of leaves; None where no leaf was read yet."""
        of_connection = {"connection_id": connection_id}
        return dict(self._read(lambda warehouse: warehouse.execute(query("leaves_by_campaign"), of_connection).fetchall()))

    def apply(
        self, changes: Sequence[RunChanges], *, holds_lease: Callable[[str, int], bool], connections: Sequence[Connection]
    ) -> set[str]:
        """Write the changes of all runs in one transaction, or in a few when they are many; without any, the file is not opened.

        A run is written whole or not at all. Runs without a lease are left out, also when they lose it just before the commit. So are
        runs older than the connection's last one. A run that was written before is not written again and counts as applied.

        Args:
            changes: the result of :meth:`diff`.
            holds_lease: whether a run still holds its lease of that generation.
            connections: the runs' connections; their names and currencies are stored beside the numbers.

        Returns:
            Ids of the runs whose changes are in the warehouse now.
        """
        if len({run.connection_id for run in changes}) < len(changes):
            raise ValueError("A batch holds each connection once.")
        applied = {run.run_id for run in changes if run.empty and holds_lease(run.run_id, run.generation)}
        pending = [run for run in changes if not run.empty]
        if not pending:
            return applied
        with self._exclusive():
            for portion in portions(pending, ROWS_AT_ONCE):
                if portion := [run for run in portion if holds_lease(run.run_id, run.generation)]:
                    applied |= _DUCKDB.run(self._apply_once, portion, holds_lease, connections)
        return applied

    def _apply_once(
        self,
        runs: list[RunChanges],
        holds_lease: Callable[[str, int], bool],
        connections: Sequence[Connection],
    ) -> set[str]:
        with self._open_for_writing() as warehouse:
            return upsert.merge(warehouse, runs, holds_lease, connections)

    def note_reconciliation(self, connection_id: str, now: datetime) -> int:
        """Store the connection's remainders that differ from those of the last comparison; returns how many do.

        Without any, the file is not opened for writing.
        """
        with self._exclusive():
            return _DUCKDB.run(self._note_reconciliation, {"connection_id": connection_id, "now": now})

    def _note_reconciliation(self, parameters: dict[str, object]) -> int:
        if self._is_new():
            return 0
        changes: pa.Table = self._with_open(lambda warehouse: warehouse.sql(query("diff_reconciled"), params=parameters).to_arrow_table())
        if changes.num_rows:
            with self._open_for_writing() as warehouse:
                warehouse.register("reconciled", changes)
                warehouse.execute("INSERT INTO reconciled_days BY NAME FROM reconciled")
        return int(changes.num_rows)

    def store_rates(self, rates: pa.Table) -> int:
        """Store exchange rates (date, currency, per_euro: a row for each day and currency), and renew the copy for readers.

        Returns:
            How many of them were not stored like this.
        """
        with self._exclusive():
            changed = _DUCKDB.run(self._store_rates, rates)
        if changed:
            self.publish(min_interval_seconds=0)
        return changed

    def _store_rates(self, rates: pa.Table) -> int:
        with self._open_for_writing() as warehouse:
            warehouse.register("rates", rates)
            ((changed,),) = warehouse.execute("SELECT count(*) FROM rates ANTI JOIN fx_rates USING (date, currency, per_euro)").fetchall()
            warehouse.execute(query("merge_rates"))
        return int(changed)

    def applied_since(self, run_id: str, generation: int) -> Applied | None:
        """What the run wrote after a generation; None when it wrote nothing. Telemetry reports this, not counts in memory."""
        row = self._read(lambda warehouse: warehouse.execute(query("applied_since"), [run_id, generation]).fetchone())
        if row is None:
            return None
        counts = RunCounts(fetched=row[0], inserted=row[1], updated=row[2], unchanged=row[3], entities_changed=row[4])
        restated = Restated(**row[8]) if row[8]["rows"] else None
        return Applied(counts=counts, changes=row[5], changed_at=row[6], trailing_spend=int(row[7]), restated=restated)

    def publish(self, *, min_interval_seconds: float) -> bool:
        """Renew the copy for readers if the warehouse has changed since, not oftener than the interval.

        Returns:
            Whether the copy was renewed.
        """
        if not analytics.is_due(self._path, self._published, min_interval_seconds):
            return False
        with self._exclusive() as lock:
            # Checked again: another process may have renewed it while this one waited.
            if not analytics.is_due(self._path, self._published, min_interval_seconds):
                return False
            _DUCKDB.run(self._checkpoint, self._describe())
            analytics.publish(self._path, self._published, lock, self._readers)
        return True

    def describe(self) -> bool:
        """Store what is said of connections and budgets, where the copy says otherwise; False while another writes, who publishes then."""
        if descriptions.is_published(self._published, self._describe()):
            return True
        with suppress(WarehouseBusy), self._exclusive(0):
            if not self._is_new():  # without a file there is nothing to describe
                _DUCKDB.run(self._checkpoint, self._describe())
            return True
        return False

    @contextmanager
    def at_rest(self, timeout: float) -> Iterator[bool]:
        """Hold the writer's lock while the block lasts. Yields whether the published copy has everything that was written.

        Raises:
            WarehouseBusy: it was being written for ``timeout`` seconds.
        """
        try:
            with exclusive(self._path.with_suffix(".lock"), timeout):
                self._is_new()  # raises when the file was lost
                yield not analytics.is_due(self._path, self._published, 0)
        except TimeoutError:
            raise WarehouseBusy(f"The warehouse of workspace {self._path.stem} is being written.") from None

    def _checkpoint(self, description: WorkspaceDescription | None = None) -> None:
        with self._open_for_writing() as warehouse:
            if description is not None:
                descriptions.store(warehouse, description)
            schema.describe(warehouse)
            warehouse.execute("CHECKPOINT")

    @contextmanager
    def _exclusive(self, timeout: float | None = None) -> Iterator[int]:
        seconds = self._lock_timeout if timeout is None else timeout
        try:
            with exclusive(self._path.with_suffix(".lock"), seconds) as lock:
                yield lock
        except TimeoutError:
            message = (
                f"The warehouse of workspace {self._path.stem} was in use for {seconds:g} s. Nothing was written. "
                "Try again; if this repeats, end the process that hangs while it syncs this workspace."
            )
            raise WarehouseBusy(message) from None
        except WarehouseDamaged as error:
            self._found_damage = damage.fingerprint(self._path), str(error)
            raise

    def _read(self, query_open: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Call ``query_open`` with the open warehouse, or with empty tables in memory when there is none."""
        with self._exclusive():
            return _DUCKDB.run(self._with_open, query_open)

    def _with_open(self, query_open: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        if self._is_new():
            with _EMPTY.tables() as warehouse:
                return query_open(warehouse)
        self._examine()
        with self._connect(read_only=True) as warehouse:
            return query_open(warehouse)

    @contextmanager
    def _open_for_writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse for writing; the lock must be held."""
        if self._is_new():
            self._create()
        self._examine()
        with self._connect(read_only=False) as warehouse:
            yield warehouse
        self._last_fingerprint = damage.fingerprint(self._path)

    def _is_new(self) -> bool:
        """Whether nothing was ever written. A copy without its warehouse means a lost file: days noted as read would be missing."""
        if self._path.exists():
            return False
        if self._published.exists():
            raise damage.damaged(self._path)
        return True

    def _create(self, fill: Callable[[duckdb.DuckDBPyConnection], None] | None = None) -> None:
        """Build the file under another name, so that a killed process leaves no warehouse without tables, and none half filled.

        An incomplete file is removed after any error: on a full disk it would keep other workspaces from writing.
        """
        fresh = damage.cleared_path(self._path)
        try:
            with damage.translated(fresh, self._published):
                _EMPTY.write(fresh)
                if fill:
                    with duckdb.connect(fresh, config=CONFIG) as warehouse:
                        warehouse.execute("SET TimeZone = 'UTC'")
                        schema.find_tables(warehouse)
                        fill(warehouse)
                        warehouse.execute("CHECKPOINT")
        except BaseException:
            damage.cleared_path(self._path)
            raise
        replace(fresh, self._path)

    def _examine(self) -> None:
        """Read a file completely that changed since this process used it, and bring it to this version's schema.

        Damage is found before anything is written to the file or the copy is replaced. Only an old file is opened for writing.
        """
        if damage.fingerprint(self._path) == self._last_fingerprint:
            return
        with self._connect(read_only=True) as warehouse:
            newer = schema.newer_parts(warehouse)
            if not newer:
                damage.read_through(warehouse)
            before_raw = schema.is_before_raw(warehouse)
            current = not newer and schema.is_current(warehouse)
        if newer:
            message = f"The warehouse of workspace {self._path.stem} has {newer}. Nothing was written."
            raise WarehouseNewer(f"{message} Its syncs wait for a worker of the newer adpulse; install it here, too.")
        if before_raw:
            self._rewrite()
        elif not current:
            with self._connect(read_only=False) as warehouse:
                schema.migrate(warehouse)
        self._last_fingerprint = damage.fingerprint(self._path)

    def _rewrite(self) -> None:
        """Put a file whose tables are in ``raw`` in the place of this one, which stays until the new one is whole."""
        log.info("the warehouse of workspace %s is written anew, %s MB", self._path.stem, self._path.stat().st_size >> 20)
        with self._connect(read_only=False) as old:
            rewriting.prepare(old)
        rewriting.require_space(self._path)
        self._create(lambda fresh: rewriting.fill(fresh, self._path))
        log.info("the warehouse of workspace %s was written anew", self._path.stem)

    @contextmanager
    def _connect(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        with damage.translated(self._path, self._published), _INSTANCE.attached(self._path, read_only=read_only) as warehouse:
            yield warehouse
