"""What has to hold whenever a process was killed; every function answers with one sentence per breach."""

from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from itertools import zip_longest

import duckdb
from sqlalchemy import select

from adpulse.model import RunState, SyncStatus
from storage.control.database import reading
from storage.control.tables import CallRow, ConnectionRow

KEYS = {
    "metric_facts": "connection_id, level, external_id, date",
    "platform_totals": "connection_id, level, external_id, date",
    "entities": "connection_id, level, external_id",
    "unreported": "connection_id, campaign_id, date",
    "account_totals": "connection_id, level, external_id, date",
    "not_by_campaign": "connection_id, date",
    "intraday_points": "connection_id, known_at",
    "restated_days": "connection_id, campaign_id, date, restated_on, metric",
    "followed_days": "connection_id, date, metric, age_days",
    "reconciled_days": "connection_id, date, level, reconciled_at",
    "connections": "id",
    "fx_rates": "date, currency",
    "budgets": "id",
    "mappings": "connection_id, since",
    "sync_runs": "run_id, generation",
    "metric_changes": "connection_id, level, external_id, date, run_id, generation",
    "total_changes": "connection_id, level, external_id, date, run_id, generation",
    "entity_changes": "connection_id, level, external_id, run_id, generation",
}
MOVING = (RunState.QUEUED, RunState.LEASED, RunState.FETCHED, RunState.APPLIED)
_TOLD = 5


@contextmanager
def opened(live, published):
    """Both files for reading, as ``live`` and ``copy``; one that does not exist (yet) is left out. An error here is a damaged file."""
    with duckdb.connect() as both:
        found = {name: path for name, path in (("live", live), ("copy", published)) if path.exists()}
        for name, path in found.items():
            both.execute(f"ATTACH '{path}' AS {name} (READ_ONLY)")
        yield both, list(found)


def doubled_keys(files):
    """Both files open, and nothing is in them twice."""
    both, names = files
    tables = [(name, table, key) for name in names for table, key in KEYS.items()]
    counts = [
        f"SELECT '{name}', '{table}', count(*) FROM (FROM {name}.raw.{table} SELECT {key} GROUP BY ALL HAVING count(*) > 1)"
        for name, table, key in tables
    ]
    found = both.sql(" UNION ALL ".join(counts)).fetchall() if counts else []
    return [f"{name}: {count} keys are several times in {table}" for name, table, count in found if count]


def history_apart_from_present(files):
    """The newest row of the append-only history is what is stored now: a change was kept with its history, or not at all."""
    both, names = files
    if "live" not in names:
        return []
    found = []
    pairs = (
        ("metric_facts", "metric_changes", "date"),
        ("platform_totals", "total_changes", "date"),
        ("account_totals", "total_changes", "date"),
        ("entities", "entity_changes", "level"),
    )
    for present, history, key in pairs:
        columns = [
            name for (name, *_) in both.sql(f"DESCRIBE live.raw.{history}").fetchall() if name not in ("changed", "cause", "generation")
        ]
        window = f"PARTITION BY connection_id, level, external_id, {key} ORDER BY changed_at DESC, generation DESC"
        newest = f"SELECT {', '.join(columns)} FROM live.raw.{history} QUALIFY row_number() OVER ({window}) = 1"
        query = f"SELECT count(*) FROM (SELECT {', '.join(columns)} FROM live.raw.{present} EXCEPT ({newest}))"
        ((count,),) = both.sql(query).fetchall()
        if count:
            found.append(f"{count} rows of {present} are not the newest of {history}")
    return found


def different(files):
    """The published copy holds what the live file holds."""
    both, names = files
    if len(names) == 1:
        return [f"there is only the {names[0]} file"]
    if not names:
        return []
    sums = [f"SELECT '{table}', count(*), sum(hash(t)) FROM {{}}.raw.{table} t" for table in KEYS]  # a sum tells multisets apart
    live, copy = ({row[0]: row[1:] for row in both.sql(" UNION ALL ".join(sums).format(*[name] * len(KEYS))).fetchall()} for name in names)
    return [f"{table} is not the same in the published copy" for table in KEYS if live[table] != copy[table]]


def calls_without_slot(installation):
    """Every call of an account in the sandbox's log has a slot in the ledger that was taken before it, each slot its own call.

    Requests for tokens are no calls of an account, and nobody counts them.
    """
    found = []
    log = installation.remote.calls()
    taken = installation.slots()
    for view in installation.app.connections.all():
        account = view.connection
        calls = sorted(datetime.fromisoformat(call["at"]) for call in log if call["account"] == account.external_id)
        slots = sorted(at for key, at in taken if key == account.ledger_key)
        # Hall: the n-th call has a slot of its own exactly when the n-th slot was taken by then.
        bare = sum(call is not None and (slot is None or slot > call) for call, slot in zip_longest(calls, slots))
        if bare:
            found.append(f"{bare} of {len(calls)} calls for {account.name} have no slot among {len(slots)}")
    return found


def slots_of(engine):
    """The ledger as it is: (id, key, instant)."""
    with reading(engine).connect() as session:
        return [tuple(row) for row in session.execute(select(CallRow.id, CallRow.key, CallRow.at))]


def unsettled(installation, now):
    """After a tick: nobody holds a lease, nothing failed, everything was synced now and nothing is open but what waits for later."""
    found = []
    with reading(installation.engine).connect() as session:
        leased = set(session.scalars(select(ConnectionRow.id).where(ConnectionRow.lease_owner.is_not(None))))
    for view in installation.app.connections.all():
        name = view.connection.name
        if view.connection.id in leased:
            found.append(f"{name} is still leased")
        if view.sync_status is not SyncStatus.IDLE or view.last_sync_error:
            found.append(f"{name} is {view.sync_status}: {view.last_sync_error}")
        if view.last_sync_completed_at != now:
            found.append(f"{name} was not synced by the tick after the kill: {view.last_sync_completed_at} instead of {now}")
        for run in installation.app.runs.history(view.connection.id, 10_000):
            if run.state in MOVING or (run.state is RunState.POSTPONED and (run.until is None or run.until <= now)):
                found.append(f"{name}: run {run.id} is left {run.state}")
            if run.state in (RunState.FAILED, RunState.DEAD):
                found.append(f"{name}: run {run.id} ended as {run.state}: {run.error}")
    return found


def telemetry_apart_from_warehouse(installation, files):
    """A run's counters are the sums of its rows in the warehouse, a connection's syncs with changes are its runs that have such rows."""
    found = []
    stored, changed = _applied(files)
    for view in installation.app.connections.all():
        name = view.connection.name
        for run in installation.app.runs.history(view.connection.id, 10_000):
            told = (run.counts.inserted, run.counts.updated, run.counts.entities_changed)
            if told != stored.get(run.id, (0, 0, 0)):
                found.append(f"{name}: run {run.id} tells (inserted, updated, entities) {told}, the warehouse {stored.get(run.id)}")
        # As a difference, so that one that stays is one breach and not one a round.
        missing = changed[view.connection.id] - view.total_syncs_with_changes
        if missing:
            found.append(f"{name} tells {missing} syncs with changes fewer than the warehouse")
    return found


def _applied(files):
    both, names = files
    if "live" not in names:
        return {}, Counter()
    sums = both.sql("SELECT run_id, sum(inserted), sum(updated), sum(entities_changed) FROM live.raw.sync_runs GROUP BY ALL").fetchall()
    counts = both.sql(
        "SELECT connection_id, count(DISTINCT run_id) FROM live.raw.sync_runs WHERE inserted + updated > 0 GROUP BY ALL"
    ).fetchall()
    return {run_id: tuple(int(each) for each in told) for run_id, *told in sums}, Counter(dict(counts))


def apart_from_history(installation):
    """The course of each day ends at its sum, and the changes of a row add up to it."""
    views = installation.app.connections.all()
    return [f"{view.connection.name}: {each}" for view in views for each in installation.history_differences(view.connection)[:_TOLD]]


def untrue(installation):
    """What is published equals what the platform answered when each part was read."""
    found = []
    for view in installation.app.connections.all():
        differences = installation.differences(view.connection)
        found += [f"{view.connection.name}: {each}" for each in differences[:_TOLD]]
        if len(differences) > _TOLD:
            found.append(f"{view.connection.name}: {len(differences)} differences in all")
    return found
