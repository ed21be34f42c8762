"""Rotation: everything that is sealed gets under the newest key, while all processes go on."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import InstrumentedAttribute

from adpulse.crypto import Cipher, KeyFile, fingerprint_of, new_key
from adpulse.errors import Usage
from storage.control.database import Engine, reading
from storage.control.outbox import WebhookRow
from storage.control.tables import AuthorizationRow, CredentialRow, GrantRow
from storage.files import exclusive

SEALED: tuple[InstrumentedAttribute[Any], ...] = (
    CredentialRow.ciphertext,
    GrantRow.ciphertext,
    AuthorizationRow.ciphertext,
    WebhookRow.ciphertext,
)
"""Every column that holds what the Cipher sealed, of tables whose key is one column. Empty is erased."""

_PORTION = 200
_LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """How many secrets each key seals, the newest first; ``unreadable`` names those that no key opens."""

    by_key: dict[str, int]
    unreadable: list[str]


class Rotation:
    """Seals anew. Begun again, it goes on where it was: what has the newest key already is left alone."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def uses(self) -> Uses:
        """Opens every secret there is."""
        counts, unreadable = Counter(dict.fromkeys(self._cipher.fingerprints, 0)), []
        for column in SEALED:
            for portion in self._portions(column):
                for row_id, ciphertext in portion:
                    if key := self._cipher.sealed_with(ciphertext):
                        counts[key] += 1
                    else:
                        unreadable.append(f"{column.class_.__tablename__} {row_id}")
        return Uses(by_key=dict(counts), unreadable=unreadable)

    def rotate(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Seal everything with the newest key; returns how many secrets had another. What no key opens stays as it is."""
        newest, done = self._cipher.fingerprints[0], 0
        for column in SEALED:
            for portion in self._portions(column):
                old = [(row_id, sealed) for row_id, sealed in portion if self._cipher.sealed_with(sealed) not in (newest, None)]
                if old:
                    done += self._seal_anew(column, old)
                    progress(done)
        return done

    def _seal_anew(self, column: InstrumentedAttribute[Any], old: list[tuple[str, bytes]]) -> int:
        """Only what is still there as it was read: a secret that was replaced meanwhile is left alone."""
        table, key = column.class_, _key(column)
        done = 0
        with self._engine.begin() as session:
            for row_id, sealed in old:
                same = (key == row_id) & (column == sealed)
                done += session.execute(update(table).where(same).values({column: self._cipher.renew(sealed)})).rowcount
        return done

    def _portions(self, column: InstrumentedAttribute[Any]) -> Iterator[list[tuple[str, bytes]]]:
        """The column's secrets with their ids, some at a time, so that nobody waits long for the database."""
        key, last = _key(column), ""
        while True:
            query = select(key, column).where(key > last, column != b"").order_by(key).limit(_PORTION)
            with reading(self._engine).connect() as session:
                rows = [(row_id, sealed) for row_id, sealed in session.execute(query)]
            if not rows:
                return
            last = rows[-1][0]
            yield rows


def _key(column: InstrumentedAttribute[Any]) -> ColumnElement[str]:
    """The key of the column's table."""
    (found,) = column.class_.__table__.primary_key
    return cast("ColumnElement[str]", found)


def add_key(path: Path) -> str:
    """Put a new key first in a key file; what runs follows the file. Its fingerprint."""
    with exclusive(path.with_name(f".{path.name}.lock"), _LOCK_SECONDS):
        file, made = KeyFile(path), new_key()
        file.replace([made, *file.keys()])
    return fingerprint_of(made)


def drop_old_keys(path: Path, uses: Uses) -> list[str]:
    """Leave only the newest key in a key file; the fingerprints of those that went.

    Raises:
        Usage: one of them still seals something, or the file was given another key meanwhile.
    """
    with exclusive(path.with_name(f".{path.name}.lock"), _LOCK_SECONDS):
        file = KeyFile(path)
        newest, *old = file.keys()
        needed = {key: uses.by_key.get(fingerprint_of(key), 0) for key in old}
        if fingerprint_of(newest) not in uses.by_key or any(needed.values()):
            raise Usage(f"{sum(needed.values())} secrets still need an older key. Run: adpulse secrets rotate")
        file.replace([newest])
    return [fingerprint_of(key) for key in old]
