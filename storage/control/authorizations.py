"""Authorisations under way: people who were sent to a platform to consent, until their browser brings them back. Real time.

Who holds the link alone gets nowhere: the state, which both the platform and the link tell, is good only together with what the
browser that began holds, or with the API key that began.
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
class Begun:
    """What an authorisation begins with; told this once. ``browser`` is for the browser alone, ``state`` for the platform."""

    state: str
    browser: SecretStr
    verifier: SecretStr
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What somebody asked a platform for. ``connection_id``: the connection that needs a fresh credential, if it is for one."""

    workspace_id: str
    provider: Provider
    connection_id: str | None
    redirect_uri: str
    verifier: SecretStr = field(repr=False)


class Authorizations:
    """Those of this installation."""

    def __init__(self, engine: Engine, cipher: Cipher, *, wall: Clock) -> None:
        self._engine = engine
        self._cipher = cipher
        self._wall = wall

    def begin(self, workspace_id: str, provider: Provider, connection_id: str | None, *, redirect_uri: str, begun_by: str) -> Begun:
        """Remember what is asked for, and who asks: ``begun_by`` is the id of their API key or session."""
        state, browser, verifier = (secrets.token_urlsafe(_BYTES) for _ in range(3))
        now = self._wall.now()
        made = Begun(state=state, browser=SecretStr(browser), verifier=SecretStr(verifier), expires_at=now + LIFETIME)
        kept = digest(state)
        values = {
            "state": kept,
            "workspace_id": workspace_id,
            "provider": provider,
            "connection_id": connection_id,
            "ciphertext": self._cipher.seal(kept, made.verifier),
            "redirect_uri": redirect_uri,
            "begun_by": begun_by,
            "browser": digest(browser),
            "expires_at": made.expires_at,
        }
        with self._engine.begin() as session:
            session.execute(delete(AuthorizationRow).where(AuthorizationRow.expires_at <= now))
            session.execute(insert(AuthorizationRow).values(**values))
        return made

    def take(self, state: str, browser: SecretStr | None, key_id: str | None) -> Authorization | None:
        """What was begun, once, for whoever began it; None for everybody else, who change nothing."""
        kept = AuthorizationRow.state == digest(state)
        with self._engine.begin() as session:
            row = session.execute(select(AuthorizationRow.__table__).where(kept).with_for_update()).one_or_none()
            if row is None or row.expires_at <= self._wall.now() or not _began(row.browser, row.begun_by, browser, key_id):
                return None
            session.execute(delete(AuthorizationRow).where(kept))
        return Authorization(
            workspace_id=row.workspace_id,
            provider=Provider(row.provider),
            connection_id=row.connection_id,
            redirect_uri=row.redirect_uri,
            verifier=self._cipher.open(row.state, row.ciphertext),
        )

    def prune(self) -> int:
        """Drop those that nobody came back from; returns how many."""
        with self._engine.begin() as session:
            return session.execute(delete(AuthorizationRow).where(AuthorizationRow.expires_at <= self._wall.now())).rowcount


def _began(kept: str, begun_by: str, browser: SecretStr | None, key_id: str | None) -> bool:
    same_browser = browser is not None and hmac.compare_digest(kept, digest(browser.get_secret_value()))
    return same_browser or (key_id is not None and hmac.compare_digest(begun_by, key_id))
