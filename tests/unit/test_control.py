"""The control plane's schema: migrations there and back, and instants that never lose their zone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.exc import StatementError

from adpulse.errors import Conflict, Usage
from adpulse.model import Fetch, FetchKind, Heat
from storage import control


def test_upgrade_downgrade_upgrade_ends_with_the_models_tables(engine):
    control.migrate(engine)
    control.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}

    control.migrate(engine)
    with engine.connect() as session:
        assert compare_metadata(MigrationContext.configure(session), control.Base.metadata) == []


def test_an_empty_database_is_refused_with_what_to_do(engine):
    with pytest.raises(Usage, match="adpulse migrate"):
        control.require_current(engine)

    control.migrate(engine)
    control.require_current(engine)


def test_instants_come_back_aware_and_equal(plane):
    connection = plane.connect("1")
    at = datetime(2026, 3, 20, 1, 30, tzinfo=timezone(timedelta(hours=9)))
    plane.partitions.record(connection.id, [(Fetch(kind=FetchKind.ACCOUNT_FACTS, heat=Heat.COLD, cost=1), at)], plane.clock.now())
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
        control.connect(url)

    assert "secret" not in str(refused.value)
