"""Brings the control plane's schema to a revision; the revisions are in ``versions``."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from adpulse.errors import Unavailable, Usage
from storage.control.database import Engine, Session

_SCRIPTS = Path(__file__).parent
_LOCK = 0x6164_7075_6C73_65  # "adpulse"


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to ``revision``; of several processes at once one does it, the others wait.

    Raises:
        Unavailable: the database does not answer.
    """
    with _answering(), _changing_schema(engine) as session:
        if session.dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
        command.upgrade(_config(session), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the schema back to ``revision`` (``base``: nothing left)."""
    with _changing_schema(engine) as session:
        command.downgrade(_config(session), revision)


def current(engine: Engine) -> str | None:
    """The schema's revision; None for an empty database.

    Raises:
        Unavailable: the database does not answer.
    """
    with _answering(), engine.connect() as session:
        return MigrationContext.configure(session).get_current_revision()


def require_current(engine: Engine) -> None:
    """Make sure the schema is the one this version works with.

    Raises:
        Usage: it is not; says what to do.
    """
    revision = current(engine)
    if revision != _head():
        raise Usage(f"The control plane's schema is {revision or 'empty'}, this version needs {_head()}. Run: adpulse migrate")


@cache  # Alembic imports every revision to know it
def _head() -> str | None:
    return ScriptDirectory(str(_SCRIPTS)).get_current_head()


@contextmanager
def _changing_schema(engine: Engine) -> Iterator[Session]:
    """A transaction for migrations. SQLite changes a constraint by building the table anew, while other tables refer to it."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as session:
            yield session
        return
    with engine.connect() as session:
        raw = session.connection.cursor()
        raw.execute("PRAGMA foreign_keys=OFF")  # within a transaction it would do nothing
        try:
            with session.begin():
                yield session
                if broken := session.exec_driver_sql("PRAGMA foreign_key_check").all():
                    raise RuntimeError(f"The migration leaves rows that refer to nothing: {broken[:3]}. Nothing was changed.")
        finally:
            raw.execute("PRAGMA foreign_keys=ON")


@contextmanager
def _answering() -> Iterator[None]:
    """What a driver says in many lines about a database that cannot be reached, as one sentence."""
    try:
        yield
    except OperationalError as error:
        raise Unavailable(f"The control plane's database does not answer. {' '.join(str(error.orig).split())}") from None


def _config(session: Session) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["session"] = session
    return config
