"""Files that list connections, CSV or JSON: read for an import, and written of what is connected. They never hold a token."""

import csv
import io
import json
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adpulse.errors import Usage
from adpulse.redact import protect
from adpulse.spreadsheets import neutralised, restored
from storage.control.connections import ConnectionView

COLUMNS = ("provider", "account", "token_file", "frequency", "labels", "margin")
INFORMATION = ("name", "status")
"""Columns of an exported list that an import leaves unread: the platform says the one, the other is not moved."""

BETWEEN_LABELS = ";"
"""Separates the labels of a connection in one cell."""

_REST = "*"
_MOST_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConnection:
    """One row of a list, as it was written. ``line``: of the CSV file, or the number of the entry; ``token_file`` may be empty."""

    line: int
    provider: str
    account: str
    token_file: str = ""
    frequency: str = ""
    labels: tuple[str, ...] = ()
    margin: str = ""


def read_list(path: Path) -> list[ListedConnection]:
    """The rows of a file, JSON if its name ends so, else CSV.

    Raises:
        Usage: it cannot be read, or has columns that are not known; a column of tokens is refused.
    """
    text = read_text(path)
    rows = _json_rows(text, path) if path.suffix == ".json" else _csv_rows(text, path)
    if len(rows) > _MOST_ROWS:
        raise Usage(f"{path} has {len(rows)} rows; import {_MOST_ROWS} at a time.")
    return rows


def read_text(path: Path) -> str:
    """The text of a file that a person wrote or exported.

    Raises:
        Usage: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}.") from None


def read_token(path: Path) -> str:
    """The token in a file that only its owner may read.

    Raises:
        Usage: others may read it, it cannot be read, or is empty.
    """
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Usage(f"{path} can be read by other users of this machine. Close it first: chmod 600 {path}")
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"The token cannot be read from {path}: {getattr(error, 'strerror', None) or 'it is not text'}.") from None
    if not token:
        raise Usage(f"{path} is empty.")
    return protect(token)


def write_csv(views: Iterable[ConnectionView]) -> str:
    """The connections as CSV, to be imported elsewhere. What a spreadsheet would run as a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, *INFORMATION), lineterminator="\n")
    writer.writeheader()
    for view in views:
        fields = _fields(view) | {"labels": BETWEEN_LABELS.join(view.labels)}
        writer.writerow({name: neutralised(cell) for name, cell in fields.items()})
    return text.getvalue()


def write_json(views: Iterable[ConnectionView]) -> str:
    """The connections as JSON, to be imported elsewhere."""
    return json.dumps([_fields(view) | {"labels": list(view.labels)} for view in views], indent=2)


def _fields(view: ConnectionView) -> dict[str, str]:
    connection = view.connection
    return {
        "provider": connection.provider,
        "account": connection.external_id,
        "token_file": "",
        "frequency": connection.frequency.value,
        "margin": f"{connection.gross_margin:f}",
        "name": connection.name,
        "status": connection.status.value,
    }


def _csv_rows(text: str, path: Path) -> list[ListedConnection]:
    reader, rows = csv.DictReader(io.StringIO(text, newline=""), restkey=_REST, strict=True), list[ListedConnection]()
    try:
        _check_columns(reader.fieldnames or (), path)
        for fields in reader:
            if _REST in fields:
                raise Usage(f"{path}, line {reader.line_num}: there are more values than columns.")
            rows.append(_row(reader.line_num, {name: _cell(value) for name, value in fields.items()}, path))
    except csv.Error as error:
        raise Usage(f"{path}, line {reader.line_num}: {error}.") from None
    return rows


def _json_rows(text: str, path: Path) -> list[ListedConnection]:
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise Usage(f"{path} is not JSON: {error}.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Usage(f"{path} is not a list of connections.")
    for entry in entries:
        _check_columns(entry, path)
    return [_row(number, entry, path) for number, entry in enumerate(entries, 1)]


def _check_columns(names: Iterable[str], path: Path) -> None:
    unknown = sorted(set(names) - {*COLUMNS, *INFORMATION})
    if "token" in unknown:
        raise Usage(f"{path} has a column 'token'. Put each token into a file of its own (chmod 600) and name it in the column token_file.")
    if unknown:
        raise Usage(f"{path} has unknown columns: {', '.join(map(repr, unknown))}. Known are {', '.join((*COLUMNS, *INFORMATION))}.")


def _row(line: int, fields: Mapping[str, object], path: Path) -> ListedConnection:
    labels = fields.get("labels") or ()
    split = labels.split(BETWEEN_LABELS) if isinstance(labels, str) else labels
    texts = {name: fields.get(name) for name in COLUMNS if name != "labels"}
    if not isinstance(split, list | tuple) or any(not isinstance(text, str | int | float | None) for text in (*texts.values(), *split)):
        raise Usage(f"{path}, {line}: a value is neither a text nor a number.")
    written = {name: "" if text is None else str(text).strip() for name, text in texts.items()}
    missing = [name for name in ("provider", "account") if not written[name]]
    if missing:
        raise Usage(f"{path}, {line}: there is no {' and no '.join(missing)}.")
    return ListedConnection(line=line, labels=tuple(str(label).strip() for label in split if str(label).strip()), **written)


def _cell(value: object) -> object:
    """A cell as it was before it was neutralised."""
    return restored(value) if isinstance(value, str) else value
