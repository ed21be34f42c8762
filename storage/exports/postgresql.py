"""Exports to a schema of a PostgreSQL database, each in one transaction: rows, record and manifest are there together or not at all.

A table for each view holds the rows of all workspaces, as they are published now. The table ``exports`` holds the manifests, and
``export_records`` what the next export compares with.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from adpulse.errors import Unavailable, Usage, first_line
from adpulse.redact import protect, protect_url
from storage.exports.changes import DELETED
from storage.exports.folder import STATE
from storage.exports.manifest import Format, Manifest, ViewEntry
from storage.exports.views import NULLABLE
from storage.warehouse import comments

_OLDEST = 15
"""The first version with MERGE, and with unique indexes in which nulls are equal."""

_SCHEMA = "adpulse"
_EXAMPLE = "postgresql://USER:PASSWORD@HOST/DATABASE?schema=NAME"
_DEFAULTS: dict[str, Any] = {"connect_timeout": 10, "keepalives_idle": 30, "application_name": "adpulse export"}
_ENCODING: dict[str, Any] = {"client_encoding": "utf8"}
_CHANGES = Identifier("pg_temp", "changes")
_BLOCK = 1 << 20

_TYPES = {"varchar": "text", "double": "double precision", "hugeint": "numeric(39,0)"}
"""Types that PostgreSQL calls by another name than DuckDB; DECIMAL, which has parameters, is its numeric."""

_TABLES = (
    (
        "exports",
        "Exports: each one counts from the moment its row is here, together with all rows that it wrote.",
        {
            "workspace_id": ("text", "adpulse's id of the workspace"),
            "export": ("bigint", "Number of the export, from 1 on for each workspace"),
            "exported_at": ("timestamptz NOT NULL", "When it was made"),
            "published": ("text NOT NULL", "Identifies the published copy that was exported: the cursor of the next export"),
            "adpulse": ("text NOT NULL", "Version of adpulse that made it"),
            "schema_version": ("integer", "Version of the published copy's schema"),
            "changed": ("bigint NOT NULL", "How many rows it wrote, over all views"),
            "deleted": ("bigint NOT NULL", "How many rows it deleted, over all views"),
            "restored": ("text[] NOT NULL", "Ids of connections whose warehouse went back to an earlier state since the export before"),
            "manifest": ("jsonb NOT NULL", "The whole manifest: of each view its columns, key and counts, and why all rows were written"),
        },
        ("workspace_id", "export"),
    ),
    (
        "export_records",
        "What the next export compares the published rows with; not for readers.",
        {
            "workspace_id": ("text", "adpulse's id of the workspace"),
            "view": ("text", "Name of the view"),
            "record": ("bytea NOT NULL", "Key and hash of each exported row, as Parquet"),
        },
        ("workspace_id", "view"),
    ),
)


class PostgresTarget:
    """A schema that holds exports of any number of workspaces."""

    format = Format.TABLE

    def __init__(self, conninfo: dict[str, Any], schema: str) -> None:
        self._conninfo = conninfo
        self._schema = schema
        self.name = f"the schema {schema} of the database {conninfo.get('dbname', '')} on {conninfo.get('host', 'this machine')}"

    @classmethod
    def at(cls, address: str, *, hidden: bool) -> Self:
        """The target at ``postgresql://USER:PASSWORD@HOST/DATABASE?schema=NAME``; what else the query holds is libpq's.

        Raises:
            Usage: it is not such an address, or holds a password that is not ``hidden``. The message does not repeat it.
        """
        base, _, query = address.partition("?")
        options = [option for option in query.split("&") if option]
        schemas = [unquote(option.removeprefix("schema=")) for option in options if option.startswith("schema=")]
        rest = "&".join(option for option in options if not option.startswith("schema="))
        try:
            conninfo = conninfo_to_dict(f"{base}?{rest}" if rest else base)
        except psycopg.Error:  # whose text may repeat a part of the password
            raise Usage(f"The address of the export is not one of a PostgreSQL database. Example: {_EXAMPLE}") from None
        password = str(conninfo.get("password", ""))
        if password and not hidden:
            raise Usage(
                "Leave the password out of the command, where every user of the machine can read it: set ADPULSE_EXPORT_TO and leave out "
                "--to, or let PGPASSWORD or the file ~/.pgpass hold the password."
            )
        protect(password)
        protect_url(base)
        return cls(conninfo, "".join(schemas[-1:]) or _SCHEMA)

    def beneath(self, workspace: str) -> "PostgresTarget":  # noqa: ARG002 - one schema holds all workspaces
        """The target itself."""
        return self

    def newest(self, workspace: str) -> Manifest | None:
        """The manifest of the workspace's newest export; None before the first.

        Raises:
            Usage: it cannot be read, or the server is too old.
        """
        with self._transaction() as session:
            if not _columns(session, self._table("exports")):
                return None
            query = SQL("SELECT manifest::text FROM {} WHERE workspace_id = %s ORDER BY export DESC LIMIT 1")
            row = session.execute(query.format(self._table("exports")), [workspace]).fetchone()
        try:
            return Manifest.from_json(row[0].encode()) if row else None
        except (ValueError, KeyError, TypeError):
            raise Usage(f"The newest manifest in {self.name} was not written by this adpulse. Export into a new schema.") from None

    def fetch_state(self, newest: Manifest, folder: Path) -> dict[str, Path]:
        """Write the record of the newest export to files; returns the one of each view."""
        states = {}
        with self._transaction() as session, session.cursor(binary=True) as cursor:
            query = SQL("SELECT view, record FROM {} WHERE workspace_id = %s").format(self._table("export_records"))
            for view, record in cursor.execute(query, [newest.workspace]):
                states[view] = folder / f"{view}.parquet"
                states[view].write_bytes(record)
        return states

    def clear(self, sequence: int) -> None:
        """An interrupted transaction leaves nothing."""

    def write(self, folder: Path, manifest: Manifest) -> Manifest:
        """Write an export in one transaction. Of two exports of one number the second fails, as the manifest is there."""
        with self._transaction() as session:
            self._create(session)
            for view, entry in manifest.views.items():
                if entry.full:
                    self._empty(session, view, entry, manifest.workspace)
                if entry.changed or entry.deleted:
                    self._merge(session, view, entry, folder / view, manifest.workspace)
            self._note(session, folder / STATE / f"{manifest.sequence:08}", manifest)
        return manifest

    def _create(self, session: psycopg.Connection) -> None:
        """Create the schema and the tables that are not of a view, where they are missing."""
        if _columns(session, self._table("export_records")):
            return
        if not session.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [self._schema]).fetchone():
            session.execute(SQL("CREATE SCHEMA {}").format(Identifier(self._schema)))
        for name, text, columns, key in _TABLES:
            table = self._table(name)
            parts = [SQL("{} {}").format(Identifier(column), SQL(kind)) for column, (kind, _) in columns.items()]
            session.execute(SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(table, SQL(", ").join(parts), _names(key)))
            _comment(session, table, text, {column: meaning for column, (_, meaning) in columns.items()})

    def _empty(self, session: psycopg.Connection, view: str, entry: ViewEntry, workspace: str) -> None:
        """Leave no row of the workspace in a view's table, and give it the view's columns; those that the view has no more stay."""
        table = self._table(view)
        session.execute(SQL("CREATE TABLE IF NOT EXISTS {} (workspace_id text NOT NULL)").format(table))
        present = _columns(session, table)
        if "workspace_id" not in present:
            raise Usage(
                f"{self.name} has a table {view} that adpulse did not make. Give the address a schema of its own, as in {_EXAMPLE}."
            )
        session.execute(SQL("DELETE FROM {} WHERE workspace_id = %s").format(table), [workspace])
        wanted = {column: _type(kind) for column, kind in entry.columns.items()}
        other = [
            SQL("DROP COLUMN IF EXISTS {0}, ADD COLUMN {0} {1}").format(Identifier(column), SQL(kind))
            for column, kind in wanted.items()
            if present.get(column) != kind
        ]
        if other:
            session.execute(SQL("ALTER TABLE {} {}").format(table, SQL(", ").join(other)))
        index = SQL("CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} ({}) NULLS NOT DISTINCT")
        session.execute(index.format(Identifier(f"{view}_key"), table, _names(("workspace_id", *entry.key))))
        meanings = {column: comments.of_column(view, column, in_units=True) for column in wanted}
        _comment(session, table, comments.relations().get(view, ""), {"workspace_id": "adpulse's id of the workspace", **meanings})

    def _merge(self, session: psycopg.Connection, view: str, entry: ViewEntry, folder: Path, workspace: str) -> None:
        table, columns = self._table(view), tuple(entry.columns)
        create = SQL("CREATE TEMP TABLE changes ON COMMIT DROP AS SELECT {}, true AS {} FROM {} WITH NO DATA")
        session.execute(create.format(_names(columns), Identifier(DELETED), table))
        _copy(session, (*columns, DELETED), sorted(folder.rglob("rows-*")))
        session.execute(_merge_statement(table, columns, entry.key, workspace))
        session.execute(SQL("DROP TABLE {}").format(_CHANGES))

    def _note(self, session: psycopg.Connection, record: Path, manifest: Manifest) -> None:
        """Replace the record of the export before, and add the manifest."""
        records, workspace = self._table("export_records"), manifest.workspace
        session.execute(SQL("DELETE FROM {} WHERE workspace_id = %s").format(records), [workspace])
        for file in sorted(record.iterdir()):
            session.execute(SQL("INSERT INTO {} VALUES (%s, %s, %b)").format(records), [workspace, file.stem, file.read_bytes()])
        counts = [sum(getattr(entry, count) for entry in manifest.views.values()) for count in ("changed", "deleted")]
        values = [workspace, manifest.sequence, manifest.exported_at, manifest.published, manifest.adpulse, manifest.schema_version]
        values += [*counts, list(manifest.restored), manifest.to_json().decode()]
        session.execute(SQL("INSERT INTO {} VALUES ({})").format(self._table("exports"), SQL(", ").join([SQL("%s")] * len(values))), values)

    def _table(self, name: str) -> Identifier:
        return Identifier(self._schema, name)

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        try:
            with psycopg.connect(**_DEFAULTS | self._conninfo | _ENCODING) as session:
                if session.info.server_version < _OLDEST * 10_000:
                    raise Usage(f"Exports need PostgreSQL {_OLDEST} or newer; the server of {self.name} is older.")
                yield session
        except psycopg.Error as error:
            raise Unavailable(f"The export to {self.name} could not go on: {first_line(error)}. {_advice(error)}") from None


def _merge_statement(table: Identifier, columns: tuple[str, ...], key: tuple[str, ...], workspace: str) -> Composed:
    """Columns of the key that are never null are compared with ``=``, as PostgreSQL joins by hash or index only then."""
    same = [SQL("t.{0} IS NOT DISTINCT FROM c.{0}" if name in NULLABLE else "t.{0} = c.{0}").format(Identifier(name)) for name in key]
    values = [SQL("c.{}").format(Identifier(name)) for name in columns]
    merge = SQL(
        "MERGE INTO {table} t USING {changes} c ON t.workspace_id = {workspace} AND {same} "
        "WHEN MATCHED AND c.{deleted} THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET {assignments} "
        "WHEN NOT MATCHED AND NOT c.{deleted} THEN INSERT (workspace_id, {columns}) VALUES ({workspace}, {values})"
    )
    return merge.format(
        table=table,
        changes=_CHANGES,
        deleted=Identifier(DELETED),
        workspace=Literal(workspace),
        same=SQL(" AND ").join(same),
        assignments=SQL(", ").join(SQL("{0} = c.{0}").format(Identifier(name)) for name in columns),
        columns=_names(columns),
        values=SQL(", ").join(values),
    )


def _copy(session: psycopg.Connection, columns: tuple[str, ...], files: list[Path]) -> None:
    """Copy CSV files into the table of changes, block by block."""
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)").format(_CHANGES, _names(columns))
    for file in files:
        with session.cursor().copy(statement) as copy, file.open("rb") as content:
            while block := content.read(_BLOCK):
                copy.write(block)


def _columns(session: psycopg.Connection, table: Identifier) -> dict[str, str]:
    """The columns of a table with their types; none if there is no such table."""
    query = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
    )
    return dict(session.execute(query, [table.as_string(session)]).fetchall())


def _comment(session: psycopg.Connection, table: Identifier, text: str, of_columns: Mapping[str, str]) -> None:
    session.execute(SQL("COMMENT ON TABLE {} IS {}").format(table, Literal(text)))
    for name, meaning in of_columns.items():
        session.execute(SQL("COMMENT ON COLUMN {}.{} IS {}").format(table, Identifier(name), Literal(meaning)))


def _type(kind: str) -> str:
    """PostgreSQL's type for one of DuckDB's, as ``format_type`` writes it."""
    name = kind.lower().replace("decimal", "numeric")
    return _TYPES.get(name, name)


def _names(names: tuple[str, ...]) -> Composable:
    return SQL(", ").join(map(Identifier, names))


def _advice(error: psycopg.Error) -> str:
    """What to do about an error, beside that the next export begins where the target is."""
    match error:
        case errors.InsufficientPrivilege():
            return "Let the user of the address own the schema, or GRANT it CREATE on the database; nothing was written."
        case errors.UndefinedTable() | errors.UndefinedColumn():
            return "A table of an earlier export was changed or dropped: adpulse export --full makes it anew; nothing was written."
        case errors.DependentObjectsStillExist():
            return (
                "The view has other columns now: drop what depends on the old ones, and make it anew after the export; nothing was written."
            )
    return "It is there as a whole or not at all, and the next one goes on from there."
