"""Credentials: encrypted in the control plane, opened only for the client that uses them."""

from datetime import datetime
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import insert, select, update

from adpulse.clock import utc_now
from adpulse.crypto import Cipher
from adpulse.errors import Usage
from storage.control import CredentialRow, Engine, reading


class Credentials:
    """Stores and opens tokens."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def store(self, workspace_id: str, kind: str, secret: SecretStr, expires_at: datetime | None) -> str:
        """Encrypt a new credential; returns its id."""
        credential_id = str(uuid4())
        sealed = self._cipher.seal(credential_id, secret)
        with self._engine.begin() as session:
            session.execute(
                insert(CredentialRow).values(
                    id=credential_id, workspace_id=workspace_id, kind=kind, ciphertext=sealed, expires_at=expires_at, created_at=utc_now()
                )
            )
        return credential_id

    def replace(self, credential_id: str, secret: SecretStr, expires_at: datetime | None) -> None:
        """Put a new secret in place of the old one."""
        sealed = self._cipher.seal(credential_id, secret)
        with self._engine.begin() as session:
            session.execute(update(CredentialRow).where(CredentialRow.id == credential_id).values(ciphertext=sealed, expires_at=expires_at))

    def erase(self, credential_id: str) -> None:
        """Forget the secret; who opens it is told that it is gone."""
        with self._engine.begin() as session:
            session.execute(update(CredentialRow).where(CredentialRow.id == credential_id).values(ciphertext=b""))

    def open(self, credential_id: str) -> SecretStr:
        """The secret.

        Raises:
            Usage: unknown, or it cannot be decrypted with this installation's key.
        """
        with reading(self._engine).connect() as session:
            sealed = session.scalar(select(CredentialRow.ciphertext).where(CredentialRow.id == credential_id))
        if not sealed:
            raise Usage("The connection's token is gone. Give it a fresh one with: adpulse reconnect")
        return self._cipher.open(credential_id, sealed)
