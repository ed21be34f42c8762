"""API keys: who may use the HTTP API, in which workspace and with which role. Only a digest of a key is stored."""

import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Row, insert, select, true, update

from adpulse.clock import Clock
from adpulse.crypto import digest
from adpulse.errors import NotFound, Usage
from adpulse.role import Role
from storage.control.database import Engine, reading
from storage.control.tables import ApiKeyRow

_MARK = "adp"
REMEMBERED_SECONDS = 1.0
"""How long a valid key is cached, without a look at the database. A revocation in this process takes effect at once."""

_COLUMNS = tuple(column for column in ApiKeyRow.__table__.columns if column.name != "digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as people see it; ``workspace_id`` is None for an operator's key, which reaches all workspaces. Instants are real time."""

    id: str
    workspace_id: str | None
    name: str
    prefix: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def ended(self, now: datetime) -> bool:
        """Whether it was revoked or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= now)


class ApiKeys:
    """The keys of this installation."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall
        self._valid: dict[str, tuple[ApiKey, float]] = {}
        self._revocations = 0

    def create(self, name: str, role: Role, workspace_id: str | None, expires_at: datetime | None = None) -> tuple[ApiKey, SecretStr]:
        """Create a key; returns it with its text, which is shown only once.

        Raises:
            Usage: an operator's key with a workspace, another role's key without one, or an expiry in the past.
        """
        if (role is Role.OPERATOR) != (workspace_id is None):
            raise Usage("A viewer's or editor's key belongs to one workspace, an operator's to none.")
        now = self._wall.now()
        if expires_at is not None and expires_at <= now:
            raise Usage("The key's expiry is in the past. Choose a later one.")
        # The prefix identifies the key in lists and finds its row; only the rest is secret.
        prefix = f"{_MARK}_{secrets.token_hex(4)}"
        text = f"{prefix}_{secrets.token_urlsafe(32)}"
        key = ApiKey(
            id=str(uuid4()),
            workspace_id=workspace_id,
            name=name,
            prefix=prefix,
            role=role,
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
        )
        values = {field: getattr(key, field) for field in ApiKey.__dataclass_fields__} | {"role": role.value, "digest": digest(text)}
        with self._engine.begin() as session:
            session.execute(insert(ApiKeyRow).values(**values))
        return key, SecretStr(text)

    def authenticate(self, text: SecretStr) -> ApiKey | None:
        """The key with this text; None if there is no such key, or it was revoked or has expired."""
        prefix, revocations = "_".join(text.get_secret_value().split("_")[:2]), self._revocations
        with reading(self._engine).connect() as session:
            row = session.execute(select(ApiKeyRow.__table__).where(ApiKeyRow.prefix == prefix)).one_or_none()
        hashed = digest(text.get_secret_value())
        # Compared in constant time, so that the duration reveals nothing about the stored digest.
        if row is None or not hmac.compare_digest(row.digest, hashed):
            return None
        key = _key(row)
        if key.ended(self._wall.now()):
            return None
        if self._revocations == revocations:  # no key was revoked while this one was looked up
            self._valid[hashed] = key, time.monotonic() + REMEMBERED_SECONDS
        return key

    def remembered(self, text: SecretStr) -> ApiKey | None:
        """The key with this text if it was valid a moment ago, without a look at the database.

        So a key that another process revoked stays valid that long.
        """
        key, until = self._valid.get(digest(text.get_secret_value()), (None, 0.0))
        return key if key is not None and time.monotonic() < until and not key.ended(self._wall.now()) else None

    def forget(self) -> None:
        """Empty the cache, because a key was revoked."""
        self._revocations += 1
        self._valid.clear()

    def all(self, workspace_id: str | None = None) -> list[ApiKey]:
        """All keys, or those of one workspace, newest first, including revoked ones."""
        return self._select((ApiKeyRow.workspace_id == workspace_id) if workspace_id else true())

    def operators(self) -> list[ApiKey]:
        """The operators' keys, newest first, including revoked ones."""
        return self._select(ApiKeyRow.workspace_id.is_(None))

    def _select(self, condition: ColumnElement[bool]) -> list[ApiKey]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(*_COLUMNS).where(condition).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id))
            return [_key(row) for row in rows]

    def revoke(self, reference: str) -> ApiKey:
        """Revoke the key with this id or prefix, of any workspace; revoking it again changes nothing.

        Raises:
            Usage: there is no such key.
        """
        revoked = self._revoke((ApiKeyRow.id == reference) | (ApiKeyRow.prefix == reference))
        if revoked is None:
            raise Usage(f"There is no key '{reference}'. See them with: adpulse keys list")
        return revoked

    def revoke_of(self, workspace_id: str | None, key_id: str) -> ApiKey:
        """Revoke a key of this workspace, or with None one of the operators.

        Raises:
            NotFound: there is no such key, or it belongs to another workspace; the answer is the same.
        """
        revoked = self._revoke((ApiKeyRow.id == key_id) & ApiKeyRow.workspace_id.is_not_distinct_from(workspace_id))
        if revoked is None:
            raise NotFound(f"There is no key '{key_id}'.")
        return revoked

    def _revoke(self, condition: ColumnElement[bool]) -> ApiKey | None:
        with self._engine.begin() as session:
            session.execute(update(ApiKeyRow).where(condition, ApiKeyRow.revoked_at.is_(None)).values(revoked_at=self._wall.now()))
            row = session.execute(select(*_COLUMNS).where(condition)).one_or_none()
        self.forget()
        return _key(row) if row else None


def _key(row: Row[*tuple[object, ...]]) -> ApiKey:
    values = {field: getattr(row, field) for field in ApiKey.__dataclass_fields__}
    return ApiKey(**values | {"role": Role(values["role"])})
