"""What on the health page needs a person: connections that wait for one, those of the same reason together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from adpulse.api.pages.row import Row
from adpulse.events import ATTENTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Connections that one act of a person helps: one state, one reason, and one credential where a fresh one is needed."""

    state: str
    reason: str
    reconnects: bool
    rows: Sequence[Row]

    @property
    def first(self) -> Row:
        """The connection that the act begins with; a reconnect also serves the others that the new credential reaches."""
        return self.rows[0]


def needs(rows: Sequence[Row]) -> list[Need]:
    """What needs a person, the most connections first.

    An agency's token serves hundreds of accounts: when it ends, this is one line and one reconnect, not hundreds.
    """
    groups: dict[tuple[str, str, bool, str], list[Row]] = {}
    for row in rows:
        connection = row.view.connection
        if connection.status in ATTENTION:
            reconnects = row.needs_reconnect
            key = row.status, row.view.status_reason or "", reconnects, connection.credential_id if reconnects else ""
        elif row.token:
            key = "Token ends soon", row.token[0].upper() + row.token[1:], True, connection.credential_id
        else:
            continue
        groups.setdefault(key, []).append(row)
    listed = [Need(state=state, reason=reason, reconnects=reconnects, rows=same) for (state, reason, reconnects, _), same in groups.items()]
    return sorted(listed, key=lambda need: -len(need.rows))
