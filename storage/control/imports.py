"""Stores a whole list of connections in one transaction, with the request of each one's first sync."""

from collections.abc import Sequence

from sqlalchemy import select

from adpulse.clock import Clock
from adpulse.crypto import Cipher
from adpulse.model import Parts
from storage.control import sync_requests
from storage.control.database import Engine
from storage.control.new_connections import NewCredential, insert_connection, insert_credential
from storage.control.tables import ConnectionRow


class Imports:
    """Stores lists of connections."""

    def __init__(self, engine: Engine, cipher: Cipher, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._cipher = cipher
        self._clock = clock
        self._wall = wall

    def store(self, workspace_id: str, credentials: Sequence[NewCredential]) -> list[str]:
        """Store all credentials and their connections, and request their first syncs; returns the connections' ids.

        Raises:
            FrequencyRefused, Conflict, Usage: nothing was stored.
        """
        now, real, ids = self._clock.now(), self._wall.now(), list[str]()
        with self._engine.begin() as session:
            for credential in credentials:
                credential_id = insert_credential(session, self._cipher, workspace_id, credential, real)
                ids += [insert_connection(session, workspace_id, new, credential_id, now) for new in credential.connections]
            rows = session.execute(select(ConnectionRow.__table__).where(ConnectionRow.id.in_(ids))).all()
            sync_requests.request(session, rows, Parts.BOTH, force=False, now=now, real=real)
        return ids
