"""What adpulse itself read of the accounts that the foreign clients read: synced from the same sandbox, queried from the published copy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from installation import Installation

from adpulse.gone_statuses import GONE_STATUSES
from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from storage.warehouse.analytics import read

Level = Literal["account", "campaign", "ad"]
Totals = dict[tuple[str, str], tuple[int, ...]]
"""Metrics in whole counts or micros by id and day."""

MICROS = 1_000_000
_IN_MICROS = ("spend", "conversions")
_ROWS_OF = {
    "account": ("?", "TRUE"),
    "campaign": ("campaign_id", "campaign_id IS NOT NULL"),
    "ad": ("external_id", "level = 'ad'"),
}
"""By level: the id in ``daily``, which an account does not have there, and which of its rows are of that level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The published copy of a workspace, with the connection of each account by the account's id."""

    published: Path
    connections: dict[str, str]

    def totals(self, level: Level, account: str, since: date, until: date, metrics: Sequence[str]) -> Totals:
        """The sums of the view ``daily`` over each account, campaign or ad and day, as a user would query them."""
        id_column, condition = _ROWS_OF[level]
        sums = ", ".join(f"CAST(sum({name}) * {MICROS if name in _IN_MICROS else 1} AS BIGINT)" for name in metrics)
        query = (
            f"SELECT {id_column} AS id, date, {sums} FROM daily "
            f"WHERE connection_id = ? AND date BETWEEN ? AND ? AND {condition} GROUP BY ALL"
        )
        parameters = [account] if level == "account" else []
        rows = read(self.published, query, [*parameters, self.connections[account], since, until]).to_pylist()
        return {(id_, day.isoformat()): tuple(value or 0 for value in values) for id_, day, *values in (row.values() for row in rows)}

    def ids(self, level: str, account: str) -> set[str]:
        """The entities that the platform's edges list: neither deleted nor archived."""
        query = "SELECT external_id, status FROM entities WHERE connection_id = ? AND level = ?"
        rows = read(self.published, query, [self.connections[account], level]).to_pylist()
        return {row["external_id"] for row in rows if row["status"] not in {*GONE_STATUSES, "ARCHIVED"}}


def synced(sandbox: Sandbox, home: Path, accounts: Sequence[tuple[str, str]]) -> Stored:
    """Connect accounts, each by its name and a token's, and sync them; the sandbox's time may move meanwhile.

    The second sync reads the latest days again, all at one instant: the first one may have waited between its reads.
    """
    installation = Installation(home, sandbox)
    try:
        connections = [installation.connect(name, token=token) for name, token in accounts]
        for force in (False, True):
            for connection in connections:
                assert installation.sync(connection, force=force).state is RunState.DONE
        by_account = {connection.external_id: connection.id for connection in connections}
        return Stored(published=installation.published(), connections=by_account)
    finally:
        installation.close()
