"""The control plane's schema: migrations there and back, and instants that never lose their zone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table, inspect, text
from sqlalchemy.exc import IntegrityError, StatementError

import adpulse.bootstrap  # noqa: F401 - it imports every store, and with it every table
from adpulse.errors import Conflict, Usage
from adpulse.model import Fetch, FetchKind, Heat
from storage.control import database, migrations, tables

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)


def test_upgrade_downgrade_upgrade_ends_with_the_models_tables(engine):
    migrations.migrate(engine)
    migrations.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}

    migrations.migrate(engine)
    with engine.connect() as session:
        assert compare_metadata(MigrationContext.configure(session), tables.Base.metadata) == []


def test_an_account_in_another_currency_is_another_connection_and_what_refers_to_the_old_one_stays(engine):
    migrations.migrate(engine, "0004")
    told = {"provider": "meta", "external_id": "1", "name": "One", "timezone": "UTC", "gross_margin": "1", "sync_frequency": "5min"}
    counts = ("trailing_spend", "total_syncs_attempted", "total_syncs_with_changes", "lease_generation", "consecutive_failures")
    states = {"status": "active", "sync_status": "idle", "workspace_id": "w", "credential_id": "k"}
    account = told | states | dict.fromkeys(counts, 0)
    insert(engine, "workspace", id="w", name="Acme", realtime_granted=False)
    insert(engine, "credential", id="k", workspace_id="w", kind="meta", ciphertext=b"", created_at=NOON)
    insert(engine, "connection", id="c1", currency="USD", **account)
    insert(engine, "partition_state", connection_id="c1", kind="ads", day="", fetched_at=NOON)

    migrations.migrate(engine, "0005")

    insert(engine, "connection", id="c2", currency="EUR", **account)
    with engine.connect() as session:
        rows = session.execute(text("SELECT id, currency, scope FROM connection ORDER BY id")).all()
        kept = session.execute(text("SELECT connection_id FROM partition_state")).all()
    assert rows == [("c1", "USD", "meta"), ("c2", "EUR", "meta")]
    assert kept == [("c1",)]
    with pytest.raises(IntegrityError):
        insert(engine, "connection", id="c3", currency="USD", **account)
    with pytest.raises(IntegrityError):
        insert(engine, "partition_state", connection_id="nobody", kind="ads", day="", fetched_at=NOON)
    with pytest.raises(IntegrityError):
        migrations.downgrade(engine, "0004")
    assert migrations.current(engine) == "0005"


def insert(engine, table, **values):
    """A row as an earlier version wrote it: by the table's columns then."""
    with engine.begin() as session:
        session.execute(Table(table, MetaData(), autoload_with=session).insert().values(**values))


def test_an_empty_database_is_refused_with_what_to_do(engine):
    with pytest.raises(Usage, match="adpulse migrate"):
        migrations.require_current(engine)

    migrations.migrate(engine)
    migrations.require_current(engine)


def test_instants_come_back_aware_and_equal(plane):
    connection = plane.connect("1")
    at = datetime(2026, 3, 20, 1, 30, tzinfo=timezone(timedelta(hours=9)))
    plane.partitions.record(connection.id, [Fetch(kind=FetchKind.ACCOUNT_FACTS, heat=Heat.COLD, cost=1).complete_at(at)], plane.clock.now())
    read = plane.partitions.ages(connection.id).dateless[FetchKind.ACCOUNT_FACTS]

    assert read == at
    assert read.tzinfo is UTC


def test_a_naive_instant_is_refused(plane):
    connection = plane.connect("1")

    with pytest.raises(StatementError, match="naive"):
        plane.connections.cool_down(connection, "account", datetime(2026, 3, 20), "no zone")  # noqa: DTZ001 - the point of the test


def test_a_workspace_name_is_given_once(plane):
    with pytest.raises(Conflict, match="Acme"):
        plane.workspaces.create("Acme")


def test_an_unknown_workspace_lists_those_there_are(plane):
    with pytest.raises(Usage, match="There are: Acme"):
        plane.workspaces.get("Acne")


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql+psycopg2://u:secret@h/d", "secret", "://secret"])
def test_a_database_of_another_kind_is_refused_without_repeating_the_url(url):
    with pytest.raises(Usage, match="ADPULSE_DATABASE_URL") as refused:
        database.connect(url)

    assert "secret" not in str(refused.value)
