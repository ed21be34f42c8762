"""Grants: credentials that were given but not connected yet. They end within the hour, and each is taken at most once.

All instants here are real time but for the end of the credential itself.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update

from adpulse.clock import Clock
from adpulse.crypto import Cipher
from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import NotFound, RateLimited
from adpulse.model import AccountFacts, Provider
from storage.control.database import Engine, reading
from storage.control.tables import GrantRow

LIFETIME = timedelta(hours=1)
MOST_AN_HOUR = 30
"""How often a workspace may ask what a credential reaches: each time costs calls of the platform."""

_COLUMNS = tuple(column for column in GrantRow.__table__.columns if column.name != "ciphertext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What was given, without the secret. ``connection_id``: the connection that it was asked for, if it was for one.

    ``scope``: what the platform counts its calls together with.
    """

    id: str
    workspace_id: str
    provider: Provider
    connection_id: str | None
    accounts: tuple[AccountFacts, ...]
    scope: str
    credential_expires_at: datetime | None
    expires_at: datetime


class Grants:
    """The grants of this installation."""

    def __init__(self, engine: Engine, cipher: Cipher, *, wall: Clock) -> None:
        self._engine = engine
        self._cipher = cipher
        self._wall = wall

    def reserve(self, workspace_id: str, provider: Provider, connection_id: str | None = None) -> str:
        """The id of a grant to come, before any platform is asked: what fails counts too.

        Raises:
            RateLimited: the workspace asked too often within the hour.
        """
        grant_id, now = str(uuid4()), self._wall.now()
        asked = (GrantRow.workspace_id == workspace_id) & (GrantRow.created_at > now - LIFETIME)
        with self._engine.begin() as session:
            session.execute(delete(GrantRow).where(GrantRow.expires_at <= now))
            count, oldest = session.execute(select(func.count(), func.min(GrantRow.created_at)).where(asked)).one()
            if count >= MOST_AN_HOUR:
                wait = (oldest + LIFETIME - now).total_seconds()
                message = f"This workspace asked {count} times within the hour what a credential reaches. Try again in {wait / 60:.0f} min."
                raise RateLimited(message, retry_after=wait)
            values = {"workspace_id": workspace_id, "provider": provider, "connection_id": connection_id}
            times = {"created_at": now, "expires_at": now + LIFETIME}
            session.execute(insert(GrantRow).values(id=grant_id, **values, **times, ciphertext=b"", accounts="[]"))
        return grant_id

    def fill(self, grant_id: str, secret: SecretStr, reached: DiscoveredAccounts) -> Grant:
        """Keep the credential, encrypted for this grant, with what it reaches."""
        accounts = json.dumps([asdict(each) for each in reached.accounts])
        told = {"accounts": accounts, "scope": reached.scope, "credential_expires_at": reached.expires_at}
        values = {"ciphertext": self._cipher.seal(grant_id, secret), **told}
        with self._engine.begin() as session:
            session.execute(update(GrantRow).where(GrantRow.id == grant_id).values(**values))
            return _grant(session.execute(select(*_COLUMNS).where(GrantRow.id == grant_id)).one())

    def get(self, grant_id: str, workspace_id: str) -> Grant:
        """A grant of this workspace that can still be taken.

        Raises:
            NotFound: there is none: it never was, is another workspace's, was taken, or is too old.
        """
        with reading(self._engine).connect() as session:
            row = session.execute(select(*_COLUMNS).where(self._open(grant_id, workspace_id))).one_or_none()
        if row is None:
            raise _unknown()
        return _grant(row)

    def take(self, grant_id: str, workspace_id: str) -> SecretStr:
        """The secret, which is kept here no longer: of several who take it one gets it.

        Raises:
            NotFound: as ``get``.
        """
        mine = self._open(grant_id, workspace_id)
        with self._engine.begin() as session:
            sealed = session.scalar(select(GrantRow.ciphertext).where(mine).with_for_update())
            if sealed is None:
                raise _unknown()
            session.execute(update(GrantRow).where(GrantRow.id == grant_id).values(ciphertext=b""))
        return self._cipher.open(grant_id, sealed)

    def prune(self) -> int:
        """Drop those that are too old; returns how many."""
        with self._engine.begin() as session:
            return session.execute(delete(GrantRow).where(GrantRow.expires_at <= self._wall.now())).rowcount

    def _open(self, grant_id: str, workspace_id: str) -> ColumnElement[bool]:
        mine = (GrantRow.id == grant_id) & (GrantRow.workspace_id == workspace_id)
        return mine & (GrantRow.ciphertext != b"") & (GrantRow.expires_at > self._wall.now())


def _unknown() -> NotFound:
    return NotFound("There is no such grant any more: it was used, or is older than an hour. Give the credential again.")


def _grant(row: Row[tuple[object, ...]]) -> Grant:
    return Grant(
        id=row.id,
        workspace_id=row.workspace_id,
        provider=Provider(row.provider),
        connection_id=row.connection_id,
        accounts=tuple(AccountFacts(**each) for each in json.loads(row.accounts)),
        scope=row.scope,
        credential_expires_at=row.credential_expires_at,
        expires_at=row.expires_at,
    )
