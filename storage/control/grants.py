"""Grants: credentials that were received but not connected yet. A grant expires within the hour and can be used once.

All instants are real time, except the expiry of the credential itself.
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
MAX_PER_HOUR = 30
"""How often a workspace may look up the accounts of a credential: each lookup costs calls of the platform."""

_COLUMNS = tuple(column for column in GrantRow.__table__.columns if column.name != "ciphertext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A grant without its secret. ``connection_id``: the connection that it was requested for, if any.

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
        """Reserve the id of a new grant before the platform is called, so that failed lookups count as well.

        Raises:
            RateLimited: the workspace made MAX_PER_HOUR lookups within the hour.
        """
        grant_id, now = str(uuid4()), self._wall.now()
        recent = (GrantRow.workspace_id == workspace_id) & (GrantRow.created_at > now - LIFETIME)
        with self._engine.begin() as session:
            session.execute(delete(GrantRow).where(GrantRow.expires_at <= now))
            count, oldest = session.execute(select(func.count(), func.min(GrantRow.created_at)).where(recent)).one()
            if count >= MAX_PER_HOUR:
                wait = (oldest + LIFETIME - now).total_seconds()
                message = f"This workspace looked up credentials' accounts {count} times within the hour. Try again in {wait / 60:.0f} min."
                raise RateLimited(message, retry_after=wait)
            # Without a ciphertext the grant counts as a lookup, but cannot be used until fill().
            values = {"workspace_id": workspace_id, "provider": provider, "connection_id": connection_id}
            times = {"created_at": now, "expires_at": now + LIFETIME}
            session.execute(insert(GrantRow).values(id=grant_id, **values, **times, ciphertext=b"", accounts="[]"))
        return grant_id

    def fill(self, grant_id: str, secret: SecretStr, reached: DiscoveredAccounts) -> Grant:
        """Store the credential, encrypted for this grant, with the accounts it reaches."""
        accounts = json.dumps([asdict(account) for account in reached.accounts])
        reach = {"accounts": accounts, "scope": reached.scope, "credential_expires_at": reached.expires_at}
        values = {"ciphertext": self._cipher.seal(grant_id, secret), **reach}
        with self._engine.begin() as session:
            session.execute(update(GrantRow).where(GrantRow.id == grant_id).values(**values))
            return _grant(session.execute(select(*_COLUMNS).where(GrantRow.id == grant_id)).one())

    def get(self, grant_id: str, workspace_id: str) -> Grant:
        """A grant of this workspace that can still be used.

        Raises:
            NotFound: there is no such grant, it is another workspace's, or it was used or has expired.
        """
        with reading(self._engine).connect() as session:
            row = session.execute(select(*_COLUMNS).where(self._open(grant_id, workspace_id))).one_or_none()
        if row is None:
            raise _unknown()
        return _grant(row)

    def take(self, grant_id: str, workspace_id: str) -> SecretStr:
        """Return the secret and erase it; of several concurrent callers one gets it.

        Raises:
            NotFound: as ``get``.
        """
        usable = self._open(grant_id, workspace_id)
        with self._engine.begin() as session:
            sealed = session.scalar(select(GrantRow.ciphertext).where(usable).with_for_update())
            if sealed is None:
                raise _unknown()
            session.execute(update(GrantRow).where(GrantRow.id == grant_id).values(ciphertext=b""))
        return self._cipher.open(grant_id, sealed)

    def prune(self) -> int:
        """Delete expired grants; returns how many."""
        with self._engine.begin() as session:
            return session.execute(delete(GrantRow).where(GrantRow.expires_at <= self._wall.now())).rowcount

    def _open(self, grant_id: str, workspace_id: str) -> ColumnElement[bool]:
        own = (GrantRow.id == grant_id) & (GrantRow.workspace_id == workspace_id)
        return own & (GrantRow.ciphertext != b"") & (GrantRow.expires_at > self._wall.now())


def _unknown() -> NotFound:
    return NotFound("There is no such grant any more: it was used, or is older than an hour. Give the credential again.")


def _grant(row: Row[*tuple[object, ...]]) -> Grant:
    return Grant(
        id=row.id,
        workspace_id=row.workspace_id,
        provider=Provider(row.provider),
        connection_id=row.connection_id,
        accounts=tuple(AccountFacts(**account) for account in json.loads(row.accounts)),
        scope=row.scope,
        credential_expires_at=row.credential_expires_at,
        expires_at=row.expires_at,
    )
