"""What only a PostgreSQL server shows: its driver, its zone, its numbers, and how it refuses."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from threading import Barrier

import pytest
from postgres import ZONE
from sqlalchemy import insert, make_url, text

from adpulse.errors import Unavailable
from adpulse.model import Heat
from storage.control import database, migrations, tables
from storage.control.database import INFRASTRUCTURE
from storage.control.tables import CallRow

pytestmark = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)


@pytest.fixture
def url(databases):
    with databases.empty() as made:
        yield made


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_each_way_to_write_the_url_reaches_the_server(url, scheme):
    engine = database.connect(url.replace("postgresql", scheme))

    assert migrations.current(engine) is None
    engine.dispose()


def test_a_server_that_refuses_is_told_in_one_line_without_the_password(url):
    engine = database.connect(make_url(url).set(password="wrong-secret").render_as_string(hide_password=False))
    told = []
    for ask in (migrations.migrate, migrations.current, migrations.require_current):
        with pytest.raises(Unavailable, match=r"does not answer.*password authentication failed") as refused:
            ask(engine)
        told.append(str(refused.value))

    assert [line for line in told if "wrong-secret" in line or "\n" in line] == []


def test_instants_are_utc_whatever_the_servers_zone(plane):
    plane.ledger.take("k", "meta", Heat.HOT)
    with plane.engine.connect() as session:
        zone = session.scalar(text("SHOW timezone"))
        stored = session.scalar(text("SELECT at FROM call_ledger"))
    ((read, _),) = plane.ledger.calls("k")

    assert (zone, str(stored.tzinfo)) == (ZONE, ZONE)
    assert (read, read.tzinfo) == (plane.clock.now(), UTC)


def test_the_ledger_goes_on_after_two_billion_calls(plane):
    with plane.engine.begin() as session:
        session.execute(insert(CallRow).values(id=2**31, key="k", at=plane.clock.now(), heat=Heat.HOT.value))
        session.execute(text("SELECT setval(pg_get_serial_sequence('call_ledger', 'id'), :last)"), {"last": 2**31})
    plane.ledger.take("k", "meta", Heat.HOT)

    assert len(plane.ledger.calls("k")) == 2


def test_a_deadlock_counts_as_infrastructure_so_that_the_task_is_tried_again(plane):
    both, names = Barrier(2), [plane.connect(number).id for number in "12"]

    def lock_both(order):
        try:
            with plane.engine.begin() as session:
                database.lock(session, tables.ConnectionRow.id == order[0])
                both.wait(30)
                database.lock(session, tables.ConnectionRow.id == order[1])
        except INFRASTRUCTURE as error:
            return type(error.orig).__name__
        return None

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lock_both, [names, names[::-1]]))

    assert sorted(ends, key=str) == ["DeadlockDetected", None]
