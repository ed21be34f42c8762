"""Pending authorisations: people who were sent to a platform to consent and have not come back yet. Instants are real time.

The link alone gives no access. Its state, which the platform sees as well, is accepted only together with the secret in the cookie of
the browser that began, or with the API key that began.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import delete, insert, select

from adpulse.clock import Clock
from adpulse.crypto import Cipher, digest
from adpulse.model import Provider
from storage.control.database import Engine
from storage.control.tables import AuthorizationRow

LIFETIME = timedelta(minutes=10)
_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAuthorization:
    """The secrets of a new authorisation, shown only once. ``browser`` goes to the browser's cookie only, ``state`` to the platform."""

    state: str
    browser: SecretStr
    verifier: SecretStr
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """An authorisation that came back. ``connection_id``: the connection that needs a fresh credential, if it is for one."""

    workspace_id: str
    provider: Provider
    connection_id: str | None
    redirect_uri: str
    verifier: SecretStr = field(repr=False)


class Authorizations:
    """The pending authorisations of this installation."""

    def __init__(self, engine: Engine, cipher: Cipher, *, wall: Clock) -> None:
        self._engine = engine
        self._cipher = cipher
        self._wall = wall

    def begin(
        self, workspace_id: str, provider: Provider, connection_id: str | None, *, redirect_uri: str, begun_by: str
    ) -> NewAuthorization:
        """Store a new authorisation. ``begun_by`` is the id of the API key or session that requests it."""
        state, browser, verifier = (secrets.token_urlsafe(_BYTES) for _ in range(3))
        now = self._wall.now()
        created = NewAuthorization(state=state, browser=SecretStr(browser), verifier=SecretStr(verifier), expires_at=now + LIFETIME)
        hashed_state = digest(state)
        values = {
            "state": hashed_state,
            "workspace_id": workspace_id,
            "provider": provider,
            "connection_id": connection_id,
            "ciphertext": self._cipher.seal(hashed_state, created.verifier),
            "redirect_uri": redirect_uri,
            "begun_by": begun_by,
            "browser": digest(browser),
            "expires_at": created.expires_at,
        }
        with self._engine.begin() as session:
            session.execute(delete(AuthorizationRow).where(AuthorizationRow.expires_at <= now))
            session.execute(insert(AuthorizationRow).values(**values))
        return created

    def take(self, state: str, browser: SecretStr | None, key_id: str | None) -> Authorization | None:
        """Redeem an authorisation, once, for the browser or key that began it; None for everybody else, for whom nothing changes."""
        with_state = AuthorizationRow.state == digest(state)
        with self._engine.begin() as session:
            # Locked until it is deleted, so that of two requests with the same state only one succeeds.
            row = session.execute(select(AuthorizationRow.__table__).where(with_state).with_for_update()).one_or_none()
            if row is None or row.expires_at <= self._wall.now() or not _began(row.browser, row.begun_by, browser, key_id):
                return None
            session.execute(delete(AuthorizationRow).where(with_state))
        return Authorization(
            workspace_id=row.workspace_id,
            provider=Provider(row.provider),
            connection_id=row.connection_id,
            redirect_uri=row.redirect_uri,
            verifier=self._cipher.open(row.state, row.ciphertext),
        )

    def prune(self) -> int:
        """Delete expired authorisations; returns how many."""
        with self._engine.begin() as session:
            return session.execute(delete(AuthorizationRow).where(AuthorizationRow.expires_at <= self._wall.now())).rowcount


def _began(stored: str, begun_by: str, browser: SecretStr | None, key_id: str | None) -> bool:
    # Compared in constant time, so that the duration reveals nothing about the stored value.
    same_browser = browser is not None and hmac.compare_digest(stored, digest(browser.get_secret_value()))
    return same_browser or (key_id is not None and hmac.compare_digest(begun_by, key_id))
