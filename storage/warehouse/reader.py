"""Reads published copies in a process that stays open: each query sees the newest publication, and only that one.

DuckDB keeps an attached file open although another one takes its place, and ``ATTACH OR REPLACE`` of the same path keeps it, too
(measured with 1.5.6 and 2.0.1). ``DETACH`` and ``ATTACH`` open the new file.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from adpulse.errors import Usage, WarehouseDamaged
from storage.warehouse.attaching import attach, attach_statements
from storage.warehouse.sql import literal

_VIEWS = """
SELECT database_name, view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'
UNION
-- A view since the tables are in the schema raw; copies that were published before have it as a table.
SELECT database_name, table_name FROM duckdb_tables() WHERE schema_name = 'main' AND table_name = 'connections'
ORDER BY ALL
"""
_State = tuple[int, int, int]


class Analytics:
    """Published copies of one or several workspaces behind one connection. Safe to share between threads, whose queries take turns.

    Every view of the copies is there under its own name, with the column ``workspace`` in front, and under the workspace's alias for
    itself: ``daily``, ``acme.daily``.
    """

    def __init__(self, copies: Mapping[str, Path]) -> None:
        """Open nothing yet. ``copies``: each workspace's published copy by its name."""
        if not copies:
            raise Usage("Name a workspace of which something was published.")
        self._copies = dict(copies)
        self._aliases = _aliases(copies)
        self._states: dict[str, _State] = {}
        self._lock = Lock()
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")

    def __enter__(self) -> Self:
        """Use it in a block, at whose end it is closed."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connection and the files."""
        self._connection.close()

    @property
    def aliases(self) -> dict[str, str]:
        """The alias of each workspace, by its name."""
        return dict(self._aliases)

    @property
    def published_at(self) -> dict[str, datetime]:
        """When the copies that the last query saw were published, by the workspace's name."""
        return {name: datetime.fromtimestamp(state[2] / 1e9, UTC) for name, state in self._states.items()}

    def sql(self, query: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The whole answer to a query, from the copies that are published now.

        Raises:
            Usage: nothing was published yet of a workspace, or the statement is no query.
            WarehouseDamaged: a copy cannot be opened.
            Unavailable: a copy was replaced again and again while it was being opened.
            duckdb.Error: the query is wrong.
        """
        with self._lock:
            self._renew()
            # A cursor of its own, so that a query's USE or SET does not last, and cannot keep a copy from being detached.
            with self._connection.cursor() as cursor:
                relation = cursor.sql(query, params=list(parameters))
                if relation is None:
                    raise Usage("The statement has no rows to answer with. Ask with SELECT or FROM.")
                answer: pa.Table = relation.to_arrow_table()
                return answer

    def _renew(self) -> None:
        """Attach the copies that were replaced since the last query."""
        changed = [name for name, path in self._copies.items() if self._states.get(name) != _state(path)]
        for name in changed:
            self._attach(name)
        if changed:
            self._unite()

    def _attach(self, name: str) -> None:
        path = self._copies[name]
        self._states.pop(name, None)
        try:
            self._states[name] = attach(self._connection, path, self._aliases[name], _state)
        except duckdb.Error as error:
            raise WarehouseDamaged(f"The published copy {path} cannot be read: {error}") from error

    def _unite(self) -> None:
        """Create a view over the workspaces for every view that one of them has; a column that a copy lacks is null."""
        views: dict[str, list[str]] = {}
        names = {alias: literal(name) for name, alias in self._aliases.items()}
        for alias, view in self._connection.sql(_VIEWS).fetchall():
            if alias in names:
                views.setdefault(view, []).append(alias)
        for view, aliases in views.items():
            parts = [f'SELECT {names[alias]} AS workspace, * FROM {alias}.main."{view}"' for alias in aliases]  # noqa: S608 - the file's own names
            self._connection.execute(f'CREATE OR REPLACE VIEW memory.main."{view}" AS {" UNION ALL BY NAME ".join(parts)}')


def attaching(copies: Mapping[str, Path]) -> str:
    """SQL that attaches copies anew, for other programs that stay open: run before each round of queries, it shows what is published."""
    return "\n".join(f"{line};" for name, alias in _aliases(copies).items() for line in attach_statements(copies[name], alias))


def _state(path: Path) -> _State:
    """What changes whenever the copy is replaced.

    Raises:
        Usage: there is none.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise Usage(f"Nothing was published yet: there is no {path.name}. Sync a connection of the workspace first.") from None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _aliases(names: Mapping[str, Path]) -> dict[str, str]:
    """A short SQL name for each workspace."""
    aliases: dict[str, str] = {}
    for name in names:
        word = re.sub(r"\W+", "_", name.casefold(), flags=re.ASCII).strip("_") or "workspace"
        word = f"w_{word}" if word[0].isdigit() or word in _TAKEN else word
        number = sum(alias == word or alias.startswith(f"{word}__") for alias in aliases.values())
        aliases[name] = f"{word}__{number + 1}" if number else word
    return aliases


_TAKEN = frozenset({"memory", "system", "temp", "main"})
