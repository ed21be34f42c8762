"""A fresh control plane for every test, on SQLite and on a real PostgreSQL server."""

from contextlib import contextmanager

import pytest
from fakes import SteppedClock
from migrated import copy_migrated
from plane import ControlPlane

from storage.control import database, migrations

DATABASES = ("sqlite", "postgresql")


class SqliteFiles:
    """Makes SQLite databases."""

    def __init__(self, folders):
        self._folders = folders

    @contextmanager
    def empty(self):
        yield f"sqlite:///{self._folders.mktemp('control') / 'control.db'}"

    @contextmanager
    def migrated(self):
        with self.empty() as url:
            copy_migrated(url.removeprefix("sqlite:///"))
            yield url


class PostgresDatabases:
    """Makes databases of the tests' PostgreSQL server."""

    def __init__(self, server, template):
        self.empty = server.database
        self.migrated = lambda: server.database(template)


@pytest.fixture(scope="session")
def _template(postgres):
    """The name of a migrated database: a copy takes a fifth of the time of a migration."""
    with postgres.database() as url:
        engine = database.connect(url)
        migrations.migrate(engine)
        engine.dispose()
        yield engine.url.database


@pytest.fixture(params=DATABASES, scope="session")
def databases(request, tmp_path_factory):
    """Makes databases: everything that asks for it runs on both."""
    if request.param == "sqlite":
        return SqliteFiles(tmp_path_factory)
    return PostgresDatabases(request.getfixturevalue("postgres"), request.getfixturevalue("_template"))


@pytest.fixture
def engine(databases):
    """An empty database."""
    with databases.empty() as url:
        made = database.connect(url)
        yield made
        made.dispose()


@pytest.fixture
def new_engine(databases):
    """Opens migrated databases: one per example of a property."""

    @contextmanager
    def opened():
        with databases.migrated() as url:
            engine = database.connect(url)
            yield engine
            engine.dispose()

    return opened


@pytest.fixture
def clock():
    return SteppedClock()


@pytest.fixture
def plane(new_engine, clock):
    with new_engine() as engine:
        yield ControlPlane(engine, clock)
