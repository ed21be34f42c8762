"""The Prefect server with the settings that adpulse needs: a child process on loopback, or this process on any address."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from adpulse import private_file, redact
from adpulse.errors import Usage
from adpulse.home import make_private
from adpulse.prefect_login import own_login
from adpulse.settings import LOOPBACK_HOSTS, Settings
from deployments.child import LOOPBACK, Child, answers, reserved_port
from deployments.instance import Service, make_room
from deployments.origins import ORIGINS, own_origins

_FIRST_PORT = 4200
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")
SETTINGS: Mapping[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "P7D",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "15",  # the longest delay until an enabled schedule gets runs
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT10M",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": "25",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # the worker and its sweep log outside of flow runs too
    "PREFECT_LOGGING_EXTRA_LOGGERS": "adpulse,storage,tasks,flows,deployments",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_PREFETCH_SECONDS": "2",
    "DO_NOT_TRACK": "1",
}


class PrefectServer:
    """A server whose state lives in ``prefect`` of the home folder, or in ``database_url``; a context manager that stops it.

    When it ends by itself, it is restarted at the same address. ``server.json`` in that folder has the address for other commands.
    Its password is ``auth``, or the home's own. ``server.json`` does not have it; only the server's environment has the database's URL.
    """

    def __init__(
        self,
        home: Path,
        progress: Callable[[str], None] = print,
        *,
        database_url: SecretStr | None = None,
        auth: SecretStr | None = None,
        origins: str | None = None,
    ) -> None:
        self._origins = origins
        self._home = home.absolute()
        self._auth = auth
        self._database_url = database_url
        self._progress = progress
        self._state = self._home / "prefect" / "server.json"
        self._port = 0
        self._reservation = ExitStack()
        self._child = Child(
            "The Prefect server",
            _command(self._home),
            self._home / "logs" / "prefect-server.log",
            progress,
            ready=lambda: answers(f"{self.ui_url}/api/health"),
            started=self._record,
        )

    @property
    def ui_url(self) -> str:
        """Where Prefect's pages are."""
        return f"http://{LOOPBACK}:{self._port}"

    def environment(self) -> dict[str, str]:
        """The environment with which a process uses this server, with its password."""
        return {**self._address(), "PREFECT_API_AUTH_STRING": redact.protect_login(self._login().get_secret_value())}

    def __enter__(self) -> Self:
        """Start it, after stopping one that a killed predecessor left behind.

        Raises:
            AlreadyRunning: another process runs the home folder's server.
            Unavailable: it did not get ready; the message has the end of its log.
        """
        make_room(self._home, Service.PREFECT_SERVER, self._progress)
        self._state.parent.mkdir(parents=True, exist_ok=True)
        self._state.unlink(missing_ok=True)
        with ExitStack() as starting:
            starting.callback(self.__exit__, None, None, None)
            self._port = self._reservation.enter_context(reserved_port(_FIRST_PORT))
            self._progress(f"Starting the Prefect server at {self.ui_url} …")
            secrets = _secrets(self._database_url, self._login())
            self._child.start({**self._address(), **_place(LOOPBACK, self._port, self._origins), **secrets})
            starting.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self._child.stop()
        self._reservation.close()
        self._state.unlink(missing_ok=True)

    def _record(self, pid: int) -> None:
        private_file.write(self._state, json.dumps({"pid": pid, "environment": self._address()}))

    def _address(self) -> dict[str, str]:
        own = {"PREFECT_API_URL": f"{self.ui_url}/api", "PREFECT_HOME": str(self._home / "prefect")}
        return {**SETTINGS, **own}

    def _login(self) -> SecretStr:
        return self._auth or own_login(self._home)


def become_server(config: Settings, host: str, port: int) -> None:
    """Make this process a Prefect server that listens on ``host``.

    Raises:
        AlreadyRunning: the home folder's server is running.
        Usage: other machines could reach it, and ADPULSE_PREFECT_AUTH is not set: those who should could not know the password.
    """
    if host not in LOOPBACK_HOSTS and not config.prefect_auth:
        raise Usage(
            f"Other machines reach {host}, and need to know the server's password. Set ADPULSE_PREFECT_AUTH to user:password first."
        )
    make_private(config)
    home = config.home.absolute()
    make_room(home, Service.PREFECT_SERVER, print)
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    own = {"PREFECT_HOME": str(home / "prefect"), **_place(host, port, config.prefect_origins)}
    secrets = _secrets(config.prefect_database_url, config.prefect_auth or own_login(home))
    environment = {**SETTINGS, **os.environ, **own, **secrets}
    os.execve(sys.executable, _command(home), environment)  # noqa: S606 - replaces this process


def _command(home: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "deployments.prefect_process", str(home)]


def _place(host: str, port: int, origins: str | None) -> dict[str, str]:
    """Prefect's own variables for the address of the server, and for the origins whose pages may use it."""
    pages = os.environ.get("PREFECT_UI_API_URL", "")
    named = own_origins(host, port, origins, pages if "://" in pages else None)
    return {"PREFECT_SERVER_API_HOST": host, "PREFECT_SERVER_API_PORT": str(port), ORIGINS: ",".join(named)}


def _secrets(database_url: SecretStr | None, auth: SecretStr) -> dict[str, str]:
    """Prefect's own variables for its database, with the driver that Prefect needs, and for its password."""
    variables = {"PREFECT_SERVER_API_AUTH_STRING": redact.protect_login(auth.get_secret_value())}
    if database_url:
        url = redact.protect_url(database_url.get_secret_value())
        scheme, _, location = url.partition("://")
        variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = f"postgresql+asyncpg://{location}" if scheme in _POSTGRESQL else url
    return variables
