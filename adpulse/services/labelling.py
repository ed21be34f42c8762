"""Labels of many connections from a CSV file: first a verdict on each row, then all of them in one transaction, or none."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from adpulse.errors import AdpulseError, NotFound, Usage
from adpulse.model import Provider
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.services.connection_file import BETWEEN_LABELS, COLUMNS, INFORMATION
from adpulse.services.named_connection import connection_named
from adpulse.spreadsheets import neutralised, restored
from storage.control.connections import ConnectionView
from storage.control.labels import Labels, check

LONGEST = 1_000_000
"""Characters of a file, which are more than 10,000 rows."""

_KNOWN = frozenset({"connection", *COLUMNS, *INFORMATION})
_TOO_MANY_VALUES = "*"


class Verdict(StrEnum):
    """What an import does with a row."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRow:
    """A row as it was written: a connection's id or name, or its account, and all labels that it is to have."""

    line: int
    connection: str
    provider: str
    account: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row with its verdict and the reason; ``connection_id`` and ``labels`` are empty when it is refused."""

    line: int
    name: str
    verdict: Verdict
    reason: str
    connection_id: str = ""
    labels: frozenset[str] = frozenset()


def read_rows(text: str) -> list[LabelledRow]:
    """The rows of a file; a file that ``adpulse export-connections`` printed is one, of which all but the labels is left unread.

    Raises:
        Usage: it is no CSV file of labels; the message says what it lacks.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey=_TOO_MANY_VALUES, strict=True)
    try:
        _check_columns(reader.fieldnames or ())
        return [_row(reader.line_num, fields) for fields in reader]
    except csv.Error as error:
        raise Usage(f"Line {reader.line_num}: {error}.") from None


def judge(views: Sequence[ConnectionView], rows: Iterable[LabelledRow]) -> list[Judged]:
    """A verdict on each row, in the order of the file; ``views`` are the workspace's connections."""
    accounts, judged, seen = _by_account(views), list[Judged](), set[str]()
    for row in rows:
        written = row.connection or f"{row.provider} {row.account}".strip()
        try:
            view = connection_named(views, row.connection) if row.connection else _of_account(accounts, row)
            if view.connection.id in seen:
                raise Usage("The connection is in the file twice.")
            seen.add(view.connection.id)
            judged.append(_compared(row.line, view, check(row.labels)))
        except AdpulseError as error:
            judged.append(Judged(line=row.line, name=written, verdict=Verdict.REFUSED, reason=str(error)))
    return judged


def apply(labels: Labels, judged: Sequence[Judged]) -> int:
    """Give the connections the labels of their rows; returns how many changed.

    Raises:
        Usage: a row is refused; nothing was changed.
    """
    refused = sum(row.verdict is Verdict.REFUSED for row in judged)
    if refused:
        raise Usage(f"{refused} of {len(judged)} rows are refused. Nothing was changed.")
    wanted = {row.connection_id: row.labels for row in judged if row.verdict is Verdict.CHANGED}
    labels.replace(wanted)
    return len(wanted)


def write_rows(views: Iterable[ConnectionView]) -> str:
    """The labels of these connections as a file to edit and import again."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("connection", "provider", "account", "name", "labels"))
    for view in views:
        connection = view.connection
        cells = (connection.id, connection.provider, connection.external_id, connection.name, BETWEEN_LABELS.join(view.labels))
        writer.writerow(map(neutralised, cells))
    return text.getvalue()


def _check_columns(names: Iterable[str]) -> None:
    present = set(names)
    if "labels" not in present or not present & {"connection", "account"}:
        raise Usage("The file needs the columns connection (id or name) or account, and labels, in its first line.")
    if unknown := sorted(present - _KNOWN):
        raise Usage(f"The file has unknown columns: {', '.join(map(repr, unknown))}.")


def _row(line: int, fields: dict[str, str | None]) -> LabelledRow:
    if _TOO_MANY_VALUES in fields:
        raise Usage(f"Line {line}: there are more values than columns.")
    cells = {name: restored((value or "").strip()) for name, value in fields.items()}
    connection, account = cells.get("connection", ""), cells.get("account", "")
    if not connection and not account:
        raise Usage(f"Line {line}: there is no connection and no account.")
    labels = tuple(label.strip() for label in cells["labels"].split(BETWEEN_LABELS) if label.strip())
    return LabelledRow(line=line, connection=connection, provider=cells.get("provider", ""), account=account, labels=labels)


def _by_account(views: Iterable[ConnectionView]) -> dict[tuple[Provider, str], list[ConnectionView]]:
    accounts = defaultdict[tuple[Provider, str], list[ConnectionView]](list)
    for view in views:
        accounts[view.connection.provider, view.connection.external_id].append(view)
    return accounts


def _of_account(accounts: dict[tuple[Provider, str], list[ConnectionView]], row: LabelledRow) -> ConnectionView:
    """The only connection of the row's account.

    Raises:
        Usage, NotFound: there is none, or there are several.
    """
    if row.provider and row.provider not in PLATFORMS:
        raise Usage(f"'{row.provider}' is not a platform. Choose one of: {', '.join(PLATFORMS)}.")
    providers = [Provider(row.provider)] if row.provider else list(PLATFORMS)
    matches = [view for provider in providers for view in accounts.get((provider, platform_of(provider).account_id(row.account)), ())]
    if not matches:
        raise NotFound(f"Account {row.account} is not connected in this workspace.")
    if len(matches) > 1:
        raise Usage(f"Account {row.account} is connected several times. Use one of the ids: {_ids(matches)}.")
    return matches[0]


def _ids(views: Iterable[ConnectionView]) -> str:
    return ", ".join(view.connection.id for view in views)


def _compared(line: int, view: ConnectionView, wanted: frozenset[str]) -> Judged:
    present = frozenset(view.labels)
    changes = [
        f"{verb} {', '.join(sorted(labels))}" for verb, labels in (("adds", wanted - present), ("removes", present - wanted)) if labels
    ]
    return Judged(
        line=line,
        name=view.connection.name,
        verdict=Verdict.CHANGED if changes else Verdict.UNCHANGED,
        reason="; ".join(changes),
        connection_id=view.connection.id,
        labels=wanted,
    )
