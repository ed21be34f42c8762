"""Inserts new connections and their credentials, within a transaction of the caller."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from adpulse import frequency as frequencies
from adpulse.crypto import Cipher
from adpulse.errors import Conflict, Usage
from adpulse.frequency import Frequency
from adpulse.model import AccountFacts, ConnectionStatus, Provider
from storage.control.database import Session
from storage.control.tables import ConnectionLabelRow, ConnectionRow, CredentialRow, WorkspaceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection:
    """An account to connect. ``scope`` is what the platform counts its calls together with."""

    provider: Provider
    facts: AccountFacts
    scope: str
    frequency: str
    gross_margin: Decimal
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential to store, and the accounts to connect with it."""

    provider: Provider
    secret: SecretStr
    expires_at: datetime | None
    connections: Sequence[NewConnection] = ()


def insert_credential(session: Session, cipher: Cipher, workspace_id: str, new: NewCredential, at: datetime) -> str:
    """Encrypt and insert a credential, without its connections; returns its id. ``at`` is real time."""
    credential_id = str(uuid4())
    session.execute(
        insert(CredentialRow).values(
            id=credential_id,
            workspace_id=workspace_id,
            kind=new.provider,
            ciphertext=cipher.seal(credential_id, new.secret),
            expires_at=new.expires_at,
            created_at=at,
        )
    )
    return credential_id


def insert_connection(session: Session, workspace_id: str, new: NewConnection, credential_id: str, now: datetime) -> str:
    """Insert a connection with its labels, due at once unless its frequency is manual; returns its id.

    Raises:
        FrequencyRefused: unknown, or realtime without the grant.
        Conflict: the account is connected in this workspace already.
    """
    connection_id = str(uuid4())
    chosen = frequencies.parse(new.frequency, realtime_granted=granted(session, workspace_id))
    try:
        session.execute(
            insert(ConnectionRow).values(
                id=connection_id,
                workspace_id=workspace_id,
                credential_id=credential_id,
                provider=new.provider,
                external_id=new.facts.external_id,
                scope=new.scope,
                login_customer_id=new.facts.login_customer_id,
                name=new.facts.name,
                currency=new.facts.currency,
                timezone=new.facts.timezone,
                gross_margin=new.gross_margin,
                status=ConnectionStatus.ACTIVE.value,
                sync_frequency=chosen.value,
                next_due_at=first_due(chosen, now),
                expected_since=now,
            )
        )
    # The unique constraint decides, because two people may connect the account at the same time.
    except IntegrityError:
        raise Conflict(f"Account {new.facts.external_id} is connected in this workspace already.") from None
    if new.labels:
        session.execute(insert(ConnectionLabelRow), [{"connection_id": connection_id, "label": label} for label in sorted(new.labels)])
    return connection_id


def granted(session: Session, workspace_id: str) -> bool:
    """Whether the workspace may choose realtime.

    Raises:
        Usage: there is no such workspace.
    """
    realtime = session.scalar(select(WorkspaceRow.realtime_granted).where(WorkspaceRow.id == workspace_id))
    if realtime is None:
        raise Usage("The workspace does not exist.")
    return realtime


def first_due(frequency: Frequency, now: datetime) -> datetime | None:
    """When a connection is due after a change to this frequency: at once, or never by itself."""
    return None if frequency is Frequency.MANUAL else now
