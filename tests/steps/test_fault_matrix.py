"""Every fault the sandbox can make, at every place of a sync: what becomes of the run, and that recovery ends at the truth.

The account was synced before; its facts, its entities and today's numbers are due, older days are not.
``pytest -s`` prints what was seen as a table.
"""

import shutil
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

import pytest
from installation import Installation
from pydantic import SecretStr

from adpulse import bootstrap, operations
from adpulse.errors import Usage
from adpulse.model import ConnectionStatus, FetchKind, Parts, RunState, SyncStatus
from adpulse.sandbox import Sandbox
from adpulse.sandbox.faults import ACTIONS
from adpulse.sandbox.world import BEGINNING

LATER = BEGINNING + timedelta(hours=26)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a fault leads to: how often the call is made, the run's and the connection's state, who rests, for how many seconds."""

    told: str
    state: RunState | None = None
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    tries: int | None = None
    rests: str | None = None
    seconds: int = 0


FINE = Ending(told="stored")
REST = Ending(told="account rests 7 min", state=RunState.POSTPONED, tries=1, rests="account", seconds=420)
PAUSE = Ending(told="account rests 60 s", state=RunState.POSTPONED, tries=1, rests="account", seconds=60)
ALL = Ending(told="app rests 7 min", state=RunState.POSTPONED, tries=1, rests="app", seconds=420)
AGAIN = Ending(told="3 tries, again in 60 s", state=RunState.FAILED, tries=3, seconds=60)
LOOP = Ending(told="again in 60 s", state=RunState.FAILED, seconds=60)
LETTER = Ending(told="dead letter", state=RunState.DEAD)
TOKEN = Ending(told="needs a token", state=RunState.DEAD, status=ConnectionStatus.NEEDS_REAUTH, tries=1)
GRANT = Ending(told="needs permission", state=RunState.DEAD, status=ConnectionStatus.NEEDS_PERMISSION, tries=1)
NONE = Ending(told="-")
"""The fault has no meaning there: only listings have pages, only reports are jobs."""

SAME = NONE
"""Left out to save a second: it goes the way of what is beside it or above it."""

PLACES = {
    "account facts": {"kind": "node"},
    "entities, page 2": {"kind": "ads", "skip": 1},
    "metrics, page 1": {"kind": "insights", "page": 1},
    "metrics, page 2": {"kind": "insights", "skip": 1},
    "async report": {"kind": "job_insights"},
}
HINT = {"minutes": 7}
MATRIX = (
    # fault, how, the code told, then how it ends: facts, entities, page 1, page 2, report
    ("throttle", {"code": 4} | HINT, None, ALL, ALL, ALL, ALL, ALL),
    ("throttle", {"code": 17} | HINT, None, REST, REST, REST, REST, REST),
    ("throttle", {"code": 32} | HINT, None, SAME, SAME, REST, SAME, SAME),
    ("throttle", {"code": 613} | HINT, None, SAME, SAME, REST, SAME, SAME),
    ("throttle", {"code": 80004} | HINT, None, SAME, SAME, REST, SAME, SAME),
    ("throttle", {"code": 17, "minutes": 0}, None, SAME, SAME, PAUSE, SAME, SAME),
    ("expired_token", {}, "190/463", TOKEN, TOKEN, TOKEN, TOKEN, TOKEN),
    ("permission_lost", {}, "200", GRANT, GRANT, GRANT, GRANT, GRANT),
    ("transient", {"code": 1}, "1", SAME, SAME, AGAIN, SAME, SAME),
    ("transient", {"code": 2}, "2", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN),
    ("server_error", {}, "http-503", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("drop", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("drop_midway", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("truncated", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, AGAIN),
    ("html", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("html_success", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("no_error_body", {}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("slow", {"seconds": 1.0}, "malformed", AGAIN, AGAIN, AGAIN, AGAIN, SAME),
    ("slow", {"seconds": 0.1, "count": 1}, None, SAME, SAME, SAME, FINE, SAME),
    ("empty_page", {"count": 1}, None, NONE, FINE, FINE, FINE, FINE),
    ("endless", {}, "paging", NONE, LOOP, LOOP, LOOP, SAME),
    ("duplicate_row", {}, None, NONE, FINE, FINE, FINE, FINE),
    ("too_much_data", {"above_limit": 25}, None, NONE, FINE, FINE, FINE, NONE),
    ("too_much_data", {"above_days": 1}, None, NONE, NONE, FINE, FINE, NONE),
    ("too_much_data", {"code": 1}, "1", SAME, LETTER, FINE, SAME, SAME),
    ("too_much_data", {}, "100/1487534", LETTER, LETTER, FINE, FINE, LETTER),
    ("job_fails", {"kind": "insights_job"}, "async", NONE, NONE, NONE, NONE, LETTER),
    ("null_batch_item", {}, None, SAME, SAME, SAME, FINE, SAME),  # we make no batches
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One fault at one place."""

    fault: str
    place: str
    rules: list[dict]
    code: str | None
    ending: Ending


def cells():
    for action, how, code, *endings in MATRIX:
        fault = " ".join([action, *(f"{name}={value}" for name, value in how.items())])
        for (place, aim), ending in zip(PLACES.items(), endings, strict=True):
            rules = [{"action": action, **aim, **how}]
            if place == "async report":  # no page of metrics is small enough, so each day becomes a report
                rules.append({"action": "too_much_data", "kind": "insights"})
            if ending is not NONE:
                cell = Cell(fault=fault, place=place, rules=rules, code=code if ending.state else None, ending=ending)
                yield pytest.param(cell, id=f"{fault} at {place}")


@pytest.fixture(scope="module")
def sandbox():
    """One for all cells; its clock is looked at without a request for each look."""
    with Sandbox.start(extra=2, extra_ads=(30, 6)) as running, pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "SandboxClock", lambda _: running.clock)
        yield running


@pytest.fixture(scope="module")
def synced(sandbox, tmp_path_factory):
    """Two accounts, the first of them synced a day ago, its metrics again three hours ago."""
    made = opened(tmp_path_factory.mktemp("synced") / "home", sandbox)
    connection = made.connect("Corner Store 1")
    made.connect("Corner Store 2")
    assert made.sync(connection).state is RunState.DONE
    sandbox.clock.set(LATER - timedelta(hours=3))
    made.app.runs.request(connection.id, Parts.METRICS)
    assert made.finish(*made.work(made.claim())).state is RunState.DONE
    made.before = Stored.of(made, connection)
    made.close()
    return made


@pytest.fixture
def installation(sandbox, synced, tmp_path):
    """A copy of it, when the next sync is due."""
    shutil.copytree(synced.app.settings.home, tmp_path / "home")
    sandbox.faults.clear()
    sandbox.calls.clear()
    sandbox.clock.set(LATER)
    made = opened(tmp_path / "home", sandbox)
    made.notes = {connection: list(noted) for connection, noted in synced.notes.items()}
    yield made
    made.close()


def opened(home, sandbox):
    made = Installation(home, sandbox, ADPULSE_META_PAGE_SIZE="26")
    for view in made.app.connections.every():
        made.app.client(view.connection)._sleep = lambda _: None
    return made


@pytest.fixture(scope="module")
def seen():
    """Fault → place → what came of it; printed in the end."""
    found = defaultdict(dict)
    yield found
    width = max(map(len, found), default=0)
    print("\n" + "  ".join([f"{'fault':<{width}}", *(f"{place:<22}" for place in PLACES)]))
    for fault, endings in found.items():
        print("  ".join([f"{fault:<{width}}", *(f"{endings.get(place, '-'):<22}" for place in PLACES)]))


def test_every_fault_of_the_sandbox_has_its_line():
    assert {line[0] for line in MATRIX} == set(ACTIONS)


@pytest.mark.parametrize("cell", list(cells()))
def test_a_fault_leads_where_the_error_tables_say_and_recovery_to_the_truth(installation, synced, seen, cell):
    ours = installation.app.connections.get("Corner Store 1").connection
    installation.sandbox.faults.add(cell.rules)

    (run,) = strike(installation, ours, cell)

    told_and_waited_for(installation, ours, run, cell)
    if cell.ending.state:
        whole_or_not_at_all(cell.place, synced.before, Stored.of(installation, ours))
    run = recover(installation, ours, run, cell.ending)
    view = installation.app.connections.get(ours.id)
    assert run.state is RunState.DONE
    assert (view.connection.status, view.last_sync_error, view.consecutive_failures) == (ConnectionStatus.ACTIVE, None, 0)
    assert installation.app.runs.dead_letters() == []
    assert installation.differences(ours) == []
    seen[cell.fault][cell.place] = cell.ending.told


def strike(installation, connection, cell):
    """One leg under the fault; a slow answer is one that takes longer than our patience, not the test's."""
    session = installation.app.client(connection)._api._session
    patient = session.timeout
    session.timeout = 0.3 if cell.ending is AGAIN and cell.fault.startswith("slow") else patient
    try:
        return installation.leg(connection)
    finally:
        session.timeout = patient


def told_and_waited_for(installation, connection, run, cell):
    """The run, the connection, and who rests until when are what the table says; so is how often Meta was asked."""
    ending, now = cell.ending, installation.sandbox.clock.now()
    view, other = (installation.app.connections.get(name) for name in (connection.name, "Corner Store 2"))
    struck = installation.sandbox.faults.as_json()[0]["struck"]
    assert struck == ending.tries or (ending.tries is None and struck)
    assert (run.error_code, view.connection.status) == (cell.code, ending.status)
    assert [rests.cooldown_until is not None for rests in (view, other)] == [ending.rests is not None, ending.rests == "app"]
    if ending.state is None:
        assert (run.error, view.last_sync_error) == (None, None)
        return
    assert run.state is ending.state
    if ending.state is RunState.DEAD:
        assert [letter.id for letter in installation.app.runs.dead_letters()] == [run.id]
    else:
        assert run.until - now == timedelta(seconds=ending.seconds)
    if ending.rests:
        assert (view.cooldown_until, view.cooldown_reason) == (run.until, run.reason)
        assert "Meta throttles" in run.reason
    else:
        assert view.sync_status is SyncStatus.ERROR
        assert view.last_sync_error == run.error
    assert view.status_reason == (run.error if ending.status is not ConnectionStatus.ACTIVE else None)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the warehouse holds of the account, and when each part of it was read."""

    metrics: dict
    entities: dict
    days: dict
    dateless: dict

    TABLES = ("metric_facts", "metric_changes", "platform_totals", "unreported", "entities", "entity_changes")

    @classmethod
    def of(cls, installation, connection):
        content = " UNION ALL ".join(f"SELECT '{name}', count(*), bit_xor(hash(t)) FROM {name} t" for name in cls.TABLES)
        found = {name: rest for name, *rest in installation.rows(content)}
        ages = installation.app.partitions.ages(connection.id)
        entities = {name: found.pop(name) for name in cls.TABLES[-2:]}
        return cls(metrics=found, entities=entities, days=ages.days, dateless=ages.dateless)


def whole_or_not_at_all(place, before, after):
    """No row and no age of the part that failed; what was read completely before it is stored with its age."""
    assert (after.metrics, after.days) == (before.metrics, before.days)
    if place == "account facts":
        assert (after.entities, after.dateless) == (before.entities, before.dateless)
    elif place == "entities, page 2":
        assert (after.entities, after.dateless) == (before.entities, before.dateless | {FetchKind.ACCOUNT_FACTS: LATER})
    else:
        assert after.entities != before.entities
        assert after.dateless == before.dateless | {FetchKind.ACCOUNT_FACTS: LATER, FetchKind.ENTITIES_FULL: LATER}


def recover(installation, connection, run, ending):
    """The fault is over; time passes, or a person does what the error says. Nothing is tried before."""
    app, clock = installation.app, installation.sandbox.clock
    installation.sandbox.faults.clear()
    if ending.state in (RunState.POSTPONED, RunState.FAILED):
        clock.set(run.until - SECOND)
        assert installation.claim() == []
        clock.set(run.until)
    elif ending.status is ConnectionStatus.NEEDS_REAUTH:
        with pytest.raises(Usage, match="fresh token"):
            operations.resume(app, connection.id)
        operations.reconnect(app, connection.id, SecretStr(installation.sandbox.world.token("full").value))
    elif ending.status is ConnectionStatus.NEEDS_PERMISSION:
        operations.resume(app, connection.id)
    elif ending.state is RunState.DEAD:
        assert installation.claim() == []
        operations.replay(app, run.id)
    if ending.state:
        (run,) = installation.work(installation.claim())
    return installation.finish(run)
