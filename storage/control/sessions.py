"""Browser sessions of the pages, and the login links that begin one. Only digests of both are stored."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import delete, insert, or_, select, update

from adpulse.clock import Clock
from adpulse.crypto import digest
from adpulse.role import Role
from storage.control.database import Engine, reading
from storage.control.keys import ApiKey
from storage.control.tables import ApiKeyRow, SessionRow

SESSION = timedelta(days=7)
LINK = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession:
    """A session of somebody who is logged in; ``workspace_id`` is None for an operator, who sees all workspaces."""

    id: str
    role: Role
    workspace_id: str | None


class Sessions:
    """The sessions and login links of this installation. Instants are real time."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def link(self, role: Role = Role.OPERATOR, workspace_id: str | None = None) -> SecretStr:
        """Create a login link, which works once and for 15 minutes; returns its text."""
        return self._add(role, workspace_id, None, link=True)

    def begin(self, key: ApiKey) -> SecretStr:
        """Begin a session for the owner of this key; returns its text. The session ends with the key."""
        return self._add(key.role, key.workspace_id, key.id, link=False)

    def redeem(self, text: SecretStr) -> SecretStr | None:
        """Turn a login link into a session; returns its text, or None if there is no such link, or it was used or has expired."""
        fresh, now = secrets.token_urlsafe(32), self._wall.now()
        usable = (SessionRow.digest == digest(text.get_secret_value())) & SessionRow.is_link & (SessionRow.expires_at > now)
        values = {"digest": digest(fresh), "is_link": False, "expires_at": now + SESSION}
        with self._engine.begin() as session:  # one statement, so that a link that is used twice at once works once
            return SecretStr(fresh) if session.execute(update(SessionRow).where(usable).values(**values)).rowcount else None

    def authenticate(self, text: SecretStr) -> BrowserSession | None:
        """The session with this text; None if there is no such session, it has ended, or its key was revoked or has expired."""
        now = self._wall.now()
        alive = ApiKeyRow.revoked_at.is_(None) & or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now)
        query = (
            select(SessionRow.id, SessionRow.role, SessionRow.workspace_id)
            # A session that began with a login link has no key.
            .outerjoin(ApiKeyRow, ApiKeyRow.id == SessionRow.api_key_id)
            .where(SessionRow.digest == digest(text.get_secret_value()), SessionRow.is_link.is_(False), SessionRow.expires_at > now)
            .where(SessionRow.api_key_id.is_(None) | alive)
        )
        with reading(self._engine).connect() as session:
            row = session.execute(query).one_or_none()
        return BrowserSession(id=row.id, role=Role(row.role), workspace_id=row.workspace_id) if row else None

    def end(self, session_id: str) -> None:
        """Log out; an unknown session is ignored."""
        with self._engine.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.id == session_id))

    def _add(self, role: Role, workspace_id: str | None, api_key_id: str | None, *, link: bool) -> SecretStr:
        text, now = secrets.token_urlsafe(32), self._wall.now()
        values = {"role": role.value, "workspace_id": workspace_id, "api_key_id": api_key_id, "is_link": link, "created_at": now}
        with self._engine.begin() as session:
            # Nothing else deletes expired sessions and links.
            session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
            ends = now + (LINK if link else SESSION)
            session.execute(insert(SessionRow).values(id=str(uuid4()), digest=digest(text), expires_at=ends, **values))
        return SecretStr(text)
