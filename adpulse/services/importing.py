"""Connects the accounts of a list: first a verdict on each row, then all of them in one transaction, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr

from adpulse.bootstrap import App
from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import AdpulseError, Usage
from adpulse.metrics import parse_margin
from adpulse.model import ConnectionStatus, Provider
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.services.connecting import require_connectable
from adpulse.services.connection_file import ListedConnection, read_token
from adpulse.services.discovering import discover
from adpulse.services.syncing import Dispatch, dispatch
from storage.control import labels
from storage.control.connections import ConnectionView
from storage.control.new_connections import NewConnection, NewCredential

_DEFAULT_FREQUENCY = "manual"
_MAKES_ROOM = (ConnectionStatus.CURRENCY_CHANGED, ConnectionStatus.DELETING)
"""Statuses of a connection beside which the account is connected anew, now or once it is deleted."""


class Verdict(StrEnum):
    """What an import does with a row."""

    NEW = "new"
    EXISTS = "exists"
    """The account is connected; its settings stay as they are."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row with its verdict, and the reason in words."""

    row: ListedConnection
    verdict: Verdict
    reason: str
    new: NewConnection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import would do: a verdict on each row, and the credentials with their connections."""

    rows: Sequence[Judged]
    credentials: Sequence[NewCredential]

    @property
    def refused(self) -> list[Judged]:
        """Rows that prevent the import."""
        return [judged for judged in self.rows if judged.verdict is Verdict.REFUSED]


def plan(app: App, workspace: str, rows: Sequence[ListedConnection], folder: Path, shared: SecretStr | None) -> ImportPlan:
    """Ask the platforms for the accounts of each token, and judge every row. Nothing is stored.

    Args:
        app: the installation.
        workspace: id or name of the workspace.
        rows: the list.
        folder: where relative paths of token files begin.
        shared: the token of rows without a token file; None when there is none.
    """
    owner = app.workspaces.get(workspace)
    tokens = _Tokens(app, folder, shared)
    judged, seen = list[Judged](), set[tuple[str, str]]()
    for row in rows:
        try:
            result = _judge(app, owner.id, row, tokens)
        except AdpulseError as error:
            result = Judged(row=row, verdict=Verdict.REFUSED, reason=str(error))
        account = row.provider, result.new.facts.external_id if result.new else row.account
        if account in seen and result.verdict is not Verdict.REFUSED:
            result = Judged(row=row, verdict=Verdict.REFUSED, reason=f"Account {row.account} is in the list twice.")
        seen.add(account)
        judged.append(result)
    return ImportPlan(rows=judged, credentials=tokens.credentials(judged))


def apply(app: App, workspace: str, planned: ImportPlan, *, dispatcher: Dispatch = dispatch) -> list[ConnectionView]:
    """Store everything that is new in one transaction, with its first syncs requested; returns the new connections.

    Raises:
        Usage: a row was refused. And what the checks of a single connection raise; nothing was stored.
    """
    if planned.refused:
        raise Usage(f"{len(planned.refused)} of {len(planned.rows)} rows are refused. Nothing was imported.")
    ids = app.imports.store(app.workspaces.get(workspace).id, planned.credentials) if planned.credentials else []
    for provider in sorted({credential.provider for credential in planned.credentials}):
        dispatcher(app, provider)
    return [app.connections.get(connection_id) for connection_id in ids]


class _Tokens:
    """The tokens of a list, each asked for its accounts once."""

    def __init__(self, app: App, folder: Path, shared: SecretStr | None) -> None:
        self._app = app
        self._folder = folder
        self._shared = shared
        self._reached: dict[tuple[Provider, str], DiscoveredAccounts | AdpulseError] = {}

    def reached(self, provider: Provider, row: ListedConnection) -> DiscoveredAccounts:
        """The accounts that the row's token reaches.

        Raises:
            AdpulseError: there is no token, or the platform does not accept it.
        """
        token = self._token(row)
        key = provider, token.get_secret_value()
        if key not in self._reached:
            try:
                self._reached[key] = discover(self._app, provider, token)
            except AdpulseError as error:
                self._reached[key] = error  # of the token, so of every row that has it
        result = self._reached[key]
        if isinstance(result, AdpulseError):
            raise result
        return result

    def credentials(self, judged: Sequence[Judged]) -> list[NewCredential]:
        """The credentials of the new connections: rows with the same token share one."""
        groups: dict[tuple[Provider, str], list[Judged]] = {}
        for result in judged:
            if result.new:
                groups.setdefault((result.new.provider, self._token(result.row).get_secret_value()), []).append(result)
        return [
            NewCredential(
                provider=provider,
                secret=SecretStr(token),
                expires_at=self.reached(provider, members[0].row).expires_at,
                connections=[result.new for result in members if result.new],
            )
            for (provider, token), members in groups.items()
        ]

    def _token(self, row: ListedConnection) -> SecretStr:
        if row.token_file:
            return SecretStr(read_token(self._folder / row.token_file))
        if self._shared is None:
            raise Usage("There is no token: name a file in token_file, or pipe one to standard input with --token-stdin.")
        return self._shared


def _judge(app: App, workspace_id: str, row: ListedConnection, tokens: _Tokens) -> Judged:
    """The verdict on one row.

    Raises:
        AdpulseError: it is refused, with the reason.
    """
    if row.provider not in PLATFORMS:
        raise Usage(f"'{row.provider}' is not a platform. Choose one of: {', '.join(PLATFORMS)}.")
    provider = Provider(row.provider)
    account = platform_of(provider).account_id(row.account)
    for view in app.connections.all(workspace_id):
        same = view.connection.provider == provider and view.connection.external_id == account
        if same and view.connection.status not in _MAKES_ROOM:
            return Judged(row=row, verdict=Verdict.EXISTS, reason=f"connected already as {view.connection.name}; it stays as it is")
    margin = parse_margin(row.margin) if row.margin else Decimal(app.settings.gross_margin)
    wanted, chosen = labels.check(row.labels), row.frequency or _DEFAULT_FREQUENCY
    reached = tokens.reached(provider, row)
    facts = next((facts for facts in reached.accounts if facts.external_id == account), None)
    if facts is None:
        raise Usage(f"The token does not reach account {account}.")
    require_connectable(app, workspace_id, provider, [facts], chosen)
    new = NewConnection(provider=provider, facts=facts, scope=reached.scope, frequency=chosen, gross_margin=margin, labels=wanted)
    return Judged(row=row, verdict=Verdict.NEW, reason=f"{facts.name}, {facts.currency}, {chosen}", new=new)
