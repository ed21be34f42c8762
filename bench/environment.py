"""The environment of a measurement's own installation, in this process and in those that it starts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from adpulse import bootstrap, settings
from storage.control import database, migrations

_PREFIXES = ("ADPULSE_", "PREFECT_")


@contextmanager
def only(**variables: str) -> Iterator[None]:
    """Only these settings of adpulse and Prefect; at the end of the block the whole environment is restored."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    os.environ.update(variables)
    _read_anew()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        _read_anew()


def installed() -> bootstrap.App:
    """The installation that the environment names, with a control plane that is new."""
    migrations.migrate(database.connect(settings.load().control_url))
    return bootstrap.app()


def _read_anew() -> None:
    settings.load.cache_clear()
    bootstrap.app.cache_clear()
