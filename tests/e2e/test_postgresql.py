"""``adpulse up`` with control plane and Prefect in two databases of one PostgreSQL role."""

import os
from urllib.parse import urlsplit

import psycopg
import pytest
from running import Running, forget_prefect, processes_of

from adpulse.model import RunState
from adpulse_sandbox import Sandbox

pytestmark = pytest.mark.slow  # an installation of its own; every store is tested with PostgreSQL in tests/unit


@pytest.fixture(scope="module")
def databases(postgres):
    with postgres.database() as control, postgres.database() as prefect:
        yield {"ADPULSE_DATABASE_URL": control, "ADPULSE_PREFECT_DATABASE_URL": prefect}


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory, databases):
    home, before = tmp_path_factory.mktemp("installation"), dict(os.environ)
    with Sandbox.start() as sandbox:
        with Running(home, sandbox, **databases) as up:
            yield up
        os.environ.clear()  # the other tests here have an installation of their own
        os.environ.update(before)
        forget_prefect()
        assert up.child.returncode == 0, "\n".join(up.printed[-30:])
        assert processes_of(home) == []


def rows_of(url, query):
    with psycopg.connect(url) as session:
        return session.execute(query).fetchall()


def test_a_sync_through_deployment_and_worker_equals_the_truth(on_postgres, databases):
    connection = on_postgres.connect("Harbor Outdoor")

    run = on_postgres.ended(on_postgres.ask(connection))
    on_postgres.note(connection)

    assert run.state is RunState.DONE
    assert run.counts.inserted > 4000
    assert on_postgres.differences(connection) == []
    on_postgres.until(lambda: on_postgres.app.conversion_types.of(connection.id))  # the sweep asks for them with one call
    assert run.calls + 1 == len(on_postgres.remote.calls(connection.external_id))
    assert rows_of(databases["ADPULSE_DATABASE_URL"], "SELECT count(*) FROM call_ledger") == [(run.calls + 1,)]
    assert (run.flow_run_id,) in rows_of(databases["ADPULSE_PREFECT_DATABASE_URL"], "SELECT id::text FROM flow_run")


def test_no_database_of_either_is_in_the_home_folder(on_postgres):
    home = on_postgres.app.settings.home

    assert [path.name for path in home.rglob("*.db")] == []


def test_the_password_is_in_no_file_no_output_and_no_command_line(on_postgres, postgres):
    quoted = urlsplit(on_postgres.environment["ADPULSE_DATABASE_URL"]).password
    told = ["\n".join(on_postgres.printed), *processes_of(on_postgres.app.settings.home)]
    written = [path.read_bytes() for path in on_postgres.app.settings.home.rglob("*") if path.is_file()]

    assert len(told) > 2
    assert len(written) > 3
    for secret in (quoted, postgres.password):
        assert [text for text in told if secret in text] == []
        assert [data for data in written if secret.encode() in data] == []
