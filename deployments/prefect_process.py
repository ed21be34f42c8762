"""A Prefect server in this process: what ``prefect server start`` runs, restricted to pages of its own origins.

It also prevents two problems of the Prefect server (3.8 and 3.9) on SQLite, which runs on one event loop, with its connections in threads:

- Python collects garbage in whatever thread allocates, so usually in the loop's; and freeing a forgotten SQLite statement waits for
  its connection, which may be waiting for the write lock of another transaction, whose next statement only the stopped loop could
  send. Nothing then moves until SQLite's ``busy_timeout`` ends: 60 seconds in Prefect, which show as "database is locked" or as a server
  that does not answer (4 clients that set states are enough). In a thread of its own a collection that waits holds up nothing else.
- Most of its transactions read before they write. When another one commits in between, SQLite refuses the write at once, the
  answer is a 503, and Prefect's clients try again after two seconds and more: one press of Sync now in ten waited so long.
"""

import gc
import os
import sys
import threading
import time
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.settings import get_current_settings
from pydantic import SecretStr
from starlette.types import ASGIApp

from adpulse.clock import SystemClock
from adpulse.errors import AlreadyRunning
from deployments.browser_login import BrowserLogin
from deployments.instance import Service, only
from deployments.origins import ORIGINS, OwnOrigins

_EVERY_SECONDS = 1
_STARTED_SECONDS = 20


def collect_garbage_in_thread() -> None:
    """Collect garbage in a daemon thread from now on, never in the thread that allocates."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    """Collect all generations every second: a statement left by an aborted request may hold the write lock until it is freed.

    Objects that exist once the server has started are frozen, so that a collection takes some 20 ms instead of 200.
    """
    frozen_at = time.monotonic() + _STARTED_SECONDS
    while True:
        time.sleep(_EVERY_SECONDS)
        gc.collect()
        if frozen_at and time.monotonic() > frozen_at:
            gc.freeze()
            frozen_at = 0.0


def begin_immediate() -> None:
    """Make every transaction on SQLite take the write lock when it begins, and wait for it; Prefect itself does so for some."""
    deferred = AioSqliteConfiguration.begin_transaction

    def begin(
        self: AioSqliteConfiguration,
        session: Any,  # noqa: ANN401 - SQLAlchemy's, which is storage's alone here
        with_for_update: bool = False,  # noqa: ARG001, FBT001, FBT002 - Prefect's signature; False waits, too
    ) -> AbstractAsyncContextManager[Any]:
        return deferred(self, session, with_for_update=True)

    setattr(AioSqliteConfiguration, "begin_transaction", begin)  # noqa: B010 - an assignment would have to have the decorator's type


def serve() -> None:
    """Serve at the address of Prefect's settings until SIGINT or SIGTERM.

    Prefect's command builds the application inside and lets nobody wrap it, so this is its foreground part again
    (``prefect.cli._server_utils`` of 3.9.1) from what Prefect and uvicorn document. The port is taken before the database is touched.
    """
    api = get_current_settings().server.api
    application: ASGIApp = create_app(final=True)
    if api.auth_string:
        application = BrowserLogin(application, SecretStr(api.auth_string.get_secret_value()), SystemClock())
    config = uvicorn.Config(
        OwnOrigins(application, os.environ[ORIGINS].split(",")),
        host=str(api.host),
        port=api.port,
        timeout_keep_alive=api.keepalive_timeout,
        ws_ping_interval=api.websocket_ping_interval,
        ws_ping_timeout=api.websocket_ping_timeout,
        log_level=get_current_settings().server.logging_level.lower(),
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[config.bind_socket()])
    if not server.started:
        sys.exit(1)


def main(home: Path) -> None:
    """Run the Prefect server of this home folder; exits with 1 and a message when one is running."""
    try:
        with only(home, Service.PREFECT_SERVER) as note:
            api = get_current_settings().server.api
            note(f"http://{api.host}:{api.port}")
            collect_garbage_in_thread()
            begin_immediate()
            serve()
    except AlreadyRunning as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
