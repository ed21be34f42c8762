"""What the fault matrices of both platforms share: a fault at a place of a sync, what it leads to, and the way back to the truth."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from repeats import LONGER

from adpulse.errors import Usage
from adpulse.model import RECHECKED, ConnectionStatus, FetchKind, RunState, SyncStatus
from adpulse.platforms.registry import platform_of
from adpulse.services import changing, connecting, syncing
from adpulse_sandbox.meta.world import BEGINNING

LATER = BEGINNING + timedelta(hours=26)
"""When the sync is due that the faults strike: facts, entities and today's numbers."""

SECOND = timedelta(seconds=1)
PATIENCE = 2.0
"""Seconds after which a slow answer is given up, where one is to be. Every other answer is to be quicker on a busy machine too."""

FACTS, ENTITIES = frozenset({FetchKind.ACCOUNT_FACTS}), frozenset({FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL})


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a fault leads to: how often the call is made, the run's and the connection's state, who rests, for how many seconds.

    ``warned``: the sync goes on without the read, and the connection has a warning.
    """

    told: str
    state: RunState | None = None
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    tries: int | None = None
    rests: str | None = None
    seconds: int = 0
    warned: bool = False


FINE = Ending(told="stored")
REST = Ending(told="account rests 7 min", state=RunState.POSTPONED, tries=1, rests="account", seconds=420)
PAUSE = Ending(told="account rests 60 s", state=RunState.POSTPONED, tries=1, rests="account", seconds=60)
ALL = Ending(told="app rests 7 min", state=RunState.POSTPONED, tries=1, rests="app", seconds=420)
AGAIN = Ending(told="3 tries, again in 60 s", state=RunState.FAILED, tries=3, seconds=60)
LOOP = Ending(told="again in 60 s", state=RunState.FAILED, seconds=60)
LETTER = Ending(told="dead letter", state=RunState.DEAD)
TOKEN = Ending(told="needs a token", state=RunState.DEAD, status=ConnectionStatus.NEEDS_REAUTH, tries=1)
GRANT = Ending(told="needs permission", state=RunState.DEAD, status=ConnectionStatus.NEEDS_PERMISSION, tries=1)
LOGIN = Ending(told="needs a login", state=RunState.DEAD, status=ConnectionStatus.NEEDS_LOGIN, tries=1)
BLOCKED = Ending(told="blocked", state=RunState.DEAD, status=ConnectionStatus.BLOCKED, tries=1)
HOLE = Ending(told="hole", warned=True)
BESIDE = Ending(told="hole beside numbers", warned=True)
"""The read is a hole, and those of the ads' numbers are not."""
NONE = Ending(told="-")
"""The fault has no meaning there."""

SAME = NONE
"""Left out to save a second: it goes the way of what is beside it or above it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A call of a sync: how a rule is aimed at it, and what was read completely before it is made.

    ``optional``: the numbers do not need it, so what would fail the sync is only a warning.
    """

    aim: dict
    at: datetime = LATER
    before: frozenset = frozenset()
    also: list = field(default_factory=list)
    optional: bool = False

    def ends(self, ending):
        """How a fault that ends so elsewhere ends here."""
        fails = ending.state in (RunState.FAILED, RunState.DEAD) and ending.status is ConnectionStatus.ACTIVE
        return replace(ending, told="warning", state=None, seconds=0, warned=True) if self.optional and fails else ending


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One fault at one place."""

    fault: str
    name: str
    place: Place
    rules: list[dict]
    code: str | None
    ending: Ending


def cells(matrix, places):
    """Lines of (fault, how, the code told, then how it ends at each place) → pytest's parameters.

    Quick is at least one cell with each ending and one at each place; the others go the way of one of these and are slow.
    """
    found = []
    for action, how, code, *endings in matrix:
        fault = " ".join([action, *(f"{name}={value}" for name, value in how.items())])
        for (name, place), ending in zip(places.items(), endings, strict=True):
            if ending is not NONE:
                rules = [{"action": action, **place.aim, **how}, *place.also]
                ends = place.ends(ending)
                told = code if ends.state or ends.warned else None
                cell = Cell(fault=fault, name=name, place=place, rules=rules, code=told, ending=ends)
                found.append(cell)
    quick = _first_of_each(found)
    for cell in found:
        yield pytest.param(cell, id=f"{cell.fault} at {cell.name}", marks=() if cell in quick else pytest.mark.slow)


def _first_of_each(found):
    """The first cells with an ending at a place that are both new, then those that have what is still missing."""
    quick, seen = [], set()
    for both in (True, False):
        for cell in found:
            new = {cell.name, cell.ending.told} - seen
            if len(new) == 2 or (new and not both):
                quick.append(cell)
                seen |= new
    return quick


class Seen:
    """Fault → place → what came of it."""

    def __init__(self):
        self._found = defaultdict(dict)

    def add(self, cell):
        self._found[cell.fault][cell.name] = cell.ending.told

    def print(self, places):
        width = max(map(len, self._found), default=0)
        print("\n" + "  ".join([f"{'fault':<{width}}", *(f"{place:<22}" for place in places)]))
        for fault, endings in self._found.items():
            print("  ".join([f"{fault:<{width}}", *(f"{endings.get(place, '-'):<22}" for place in places)]))


def told_and_waited_for(installation, run, cell, neighbours):
    """The run, the connection, and who rests until when are what the table says; so is how often the platform was asked.

    ``neighbours``: other connections by name, and whether the platform counts their calls together with this one's.
    """
    ending, now = cell.ending, installation.sandbox.clock.now()
    view = installation.app.connections.get(run.connection_id)
    struck = installation.sandbox.faults.as_json()[0]["struck"]
    assert struck == ending.tries or (ending.tries is None and struck)
    assert (run.error_code, view.connection.status) == (None if ending.warned else cell.code, ending.status)
    if ending.warned:
        assert ({each.code for each in view.warnings}, run.state) == ({cell.code}, RunState.DONE)
        # Where every day is a hole, no number is fresher than before.
        assert (view.last_sync_completed_at == now) == (cell.ending.told != HOLE.told)
    assert (view.cooldown_until is not None) == (ending.rests is not None)
    for name, counted_together in neighbours.items():
        assert (installation.app.connections.get(name).cooldown_until is not None) == (ending.rests == "app" and counted_together)
    if ending.state is None:
        assert (run.error, view.last_sync_error) == (None, None)
        return
    assert run.state is ending.state
    if ending.state is RunState.DEAD:
        assert [letter.id for letter in installation.app.runs.dead_letters()] == [run.id]
    else:
        longest = ending.seconds * (1.1 if run.state is RunState.FAILED else 1)
        assert timedelta(seconds=ending.seconds) <= run.until - now <= timedelta(seconds=longest)
    if ending.rests:
        assert (view.cooldown_until, view.cooldown_reason) == (run.until, run.reason)
        assert platform_of(view.connection.provider).label.split()[0] in run.reason
    else:
        assert view.sync_status is SyncStatus.ERROR
        assert view.last_sync_error == run.error
    assert view.status_reason == (run.error if ending.status is not ConnectionStatus.ACTIVE else None)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the warehouse holds of the account, and when each part of it was read."""

    tables: dict
    days: dict
    dateless: dict

    TABLES = ("metric_facts", "metric_changes", "platform_totals", "unreported", "entities", "entity_changes")

    @classmethod
    def of(cls, installation, connection):
        content = " UNION ALL ".join(f"SELECT '{name}', count(*), bit_xor(hash(t)) FROM {name} t" for name in cls.TABLES)
        ages = installation.app.partitions.ages(connection.id)
        return cls(tables={name: rest for name, *rest in installation.rows(content)}, days=ages.days, dateless=ages.dateless)

    def only(self, *tables):
        """The content of these."""
        return {name: self.tables[name] for name in tables}


def whole_or_not_at_all(read, before, after, now):
    """No row and no age of what was not read completely; what was read before the fault is stored with its age."""
    untouched = list(Stored.TABLES) if FetchKind.ADS not in read else ["platform_totals", "unreported"]
    if walks := read & {FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED}:
        untouched = [name for name in untouched if not name.startswith("entit")]
        assert after.only("entities") != before.only("entities") or walks == {FetchKind.ENTITIES_CHANGED}
    assert after.only(*untouched) == before.only(*untouched)
    assert after.dateless == before.dateless | {kind: now for kind in read if not kind.has_dates}
    fresh = {kind for (kind, day), at in after.days.items() if before.days.get((kind, day)) != at}
    assert fresh == {kind for kind in read if kind.has_dates}


def recover(installation, connection, run, ending):
    """The fault is over; time passes, or a person does what the error says. Nothing is tried before."""
    app, clock = installation.app, installation.sandbox.clock
    installation.sandbox.faults.clear()
    if ending.warned:
        holes = app.holes.of(connection.id).values()
        clock.set(max(each.retry_at for each in (*app.connections.get(connection.id).warnings, *holes)))
        (run,) = installation.leg(connection)
    if ending.state in (RunState.POSTPONED, RunState.FAILED):
        if run.until > clock.now():
            clock.set(run.until - SECOND)
            assert installation.claim() == []
        clock.set(run.until)
    elif ending.status is ConnectionStatus.NEEDS_REAUTH:
        with pytest.raises(Usage, match="fresh token"):
            changing.resume(app, connection.id)
        connecting.reconnect(app, connection.id, installation.secret(connection.provider))
    elif ending.status in RECHECKED:
        changing.resume(app, connection.id)
    elif ending.state is RunState.DEAD:
        assert installation.claim() == []
        syncing.replay(app, syncing.dead_letter(app.runs, run.id))
    if ending.state:
        (run,) = installation.work(installation.claim())
    return installation.finish(run)


def in_order_again(installation, connection, run):
    """The sync is done, nothing is left to mend, and everything is as the platform told it."""
    view = installation.app.connections.get(connection.id)
    assert run.state is RunState.DONE
    if [warning.kind for warning in view.warnings] == [FetchKind.ACCOUNT]:  # tried again with the next totals
        installation.sandbox.clock.advance(3600)
        (run,) = installation.leg(connection)
        view = installation.app.connections.get(connection.id)
    assert (view.connection.status, view.last_sync_error, view.consecutive_failures) == (ConnectionStatus.ACTIVE, None, 0)
    assert (installation.app.runs.dead_letters(), view.warnings) == ([], ())
    assert installation.differences(view.connection) == []
    if LONGER > 1:  # as long as the rest of a cell; kills and contract tests compare it in the quick part
        assert installation.history_differences(view.connection) == []
