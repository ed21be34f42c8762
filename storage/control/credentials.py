"""Credentials: encrypted in the control plane, decrypted only for the client that uses them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import exists, or_, select, update

from adpulse.clock import Clock
from adpulse.crypto import Cipher
from adpulse.errors import Usage
from adpulse.model import ConnectionStatus, Provider
from storage.control.database import Engine, lock, reading
from storage.control.new_connections import NewCredential, insert_credential
from storage.control.tables import ConnectionRow, CredentialRow

_USES = (ConnectionRow.credential_id == CredentialRow.id) & (ConnectionRow.status != ConnectionStatus.DISCONNECTED.value)
_IN_USE = exists().where(_USES)
_HAS_SECRET = CredentialRow.ciphertext != b""
_UNUSED_FOR = timedelta(hours=1)
"""How long the secret of an unused credential is kept: a connection may be about to use it, or a sync may still be reading with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A credential in use that expires soon."""

    id: str
    workspace_id: str
    expires_at: datetime


class Credentials:
    """Stores and decrypts tokens. Their expiry is business time."""

    def __init__(self, engine: Engine, cipher: Cipher, *, wall: Clock) -> None:
        self._engine = engine
        self._cipher = cipher
        self._wall = wall

    def store(self, workspace_id: str, kind: str, secret: SecretStr, expires_at: datetime | None) -> str:
        """Encrypt a new credential; returns its id."""
        new = NewCredential(provider=Provider(kind), secret=secret, expires_at=expires_at)
        with self._engine.begin() as session:
            return insert_credential(session, self._cipher, workspace_id, new, self._wall.now())

    def ending(self, scope: str, now: datetime, before: datetime, *, untried_since: datetime, limit: int) -> list[Ending]:
        """A scope's credentials that expire before ``before`` and whose renewal was not tried since ``untried_since``, soonest first.

        They count as tried from now on.
        """
        due = (
            exists().where(_USES, ConnectionRow.scope == scope)
            & _HAS_SECRET
            & (CredentialRow.expires_at > now)
            & (CredentialRow.expires_at < before)
        )
        untried = or_(CredentialRow.renewal_tried_at.is_(None), CredentialRow.renewal_tried_at <= untried_since)
        query = select(CredentialRow.id, CredentialRow.workspace_id, CredentialRow.expires_at).where(due & untried)
        with reading(self._engine).connect() as session:
            rows = session.execute(query.order_by(CredentialRow.expires_at).limit(limit)).all()
        # Marked before the platform is called, so that a renewal that fails is not repeated with every pass.
        if rows:
            with self._engine.begin() as session:
                tried = CredentialRow.id.in_([row.id for row in rows])
                session.execute(update(CredentialRow).where(tried).values(renewal_tried_at=now))
        return [Ending(id=row.id, workspace_id=row.workspace_id, expires_at=row.expires_at) for row in rows]

    def set_scope(self, credential_id: str, scope: str) -> None:
        """Store what the platform counts a credential's calls together with, for all connections that use it."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.credential_id == credential_id)
            session.execute(update(ConnectionRow).where(ConnectionRow.credential_id == credential_id).values(scope=scope))

    def erase_unused(self, now: datetime) -> int:
        """Erase the secrets that no connection uses any more; returns how many."""
        # A sync that began before the renewal may still be reading with the old secret.
        settled = or_(CredentialRow.renewal_tried_at.is_(None), CredentialRow.renewal_tried_at < now - _UNUSED_FOR)
        unused = _HAS_SECRET & ~_IN_USE & (CredentialRow.created_at < self._wall.now() - _UNUSED_FOR) & settled
        with self._engine.begin() as session:
            return session.execute(update(CredentialRow).where(unused).values(ciphertext=b"")).rowcount

    def erase(self, credential_id: str) -> None:
        """Erase the secret; :meth:`open` raises Usage from then on."""
        with self._engine.begin() as session:
            session.execute(update(CredentialRow).where(CredentialRow.id == credential_id).values(ciphertext=b""))

    def open(self, credential_id: str) -> SecretStr:
        """The secret.

        Raises:
            Usage: it was erased, or cannot be decrypted with this installation's key.
        """
        with reading(self._engine).connect() as session:
            sealed = session.scalar(select(CredentialRow.ciphertext).where(CredentialRow.id == credential_id))
        if not sealed:
            raise Usage("The connection's token was erased. Give it a fresh one with: adpulse reconnect")
        return self._cipher.open(credential_id, sealed)
