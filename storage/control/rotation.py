"""Key rotation: encrypts all stored secrets with the newest key, while all processes keep running."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import ColumnElement, exists, select, update
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
"""All columns with encrypted secrets, in tables with a primary key of one column. An empty value is an erased secret."""

_PORTION = 200
_LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """How many secrets each key encrypts, the newest key first; ``unreadable`` lists the secrets that no key decrypts."""

    by_key: dict[str, int]
    unreadable: list[str]


def has_secrets(engine: Engine) -> bool:
    """Whether the control plane holds an encrypted secret."""
    with reading(engine).connect() as session:
        return any(session.scalar(select(exists().where(column != b""))) for column in SEALED)


class Rotation:
    """Encrypts secrets again. It can be repeated after an interruption: secrets with the newest key are skipped."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def uses(self) -> Uses:
        """Count the secrets of each key, by decrypting all of them."""
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
        """Encrypt all secrets with the newest key; returns how many had another one. A secret that no key decrypts stays as it is."""
        newest, done = self._cipher.fingerprints[0], 0
        for column in SEALED:
            for portion in self._portions(column):
                old = [(row_id, sealed) for row_id, sealed in portion if self._cipher.sealed_with(sealed) not in (newest, None)]
                if old:
                    done += self._renew(column, old)
                    progress(done)
        return done

    def _renew(self, column: InstrumentedAttribute[Any], old: list[tuple[str, bytes]]) -> int:
        table, key = column.class_, _key(column)
        done = 0
        with self._engine.begin() as session:
            for row_id, sealed in old:
                # A secret that was replaced or erased since it was read stays as it is.
                same = (key == row_id) & (column == sealed)
                done += session.execute(update(table).where(same).values({column: self._cipher.renew(sealed)})).rowcount
        return done

    def _portions(self, column: InstrumentedAttribute[Any]) -> Iterator[list[tuple[str, bytes]]]:
        """The column's secrets with their ids, in portions, so that no transaction keeps the database long."""
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
    """The primary key of the column's table."""
    (primary_key,) = column.class_.__table__.primary_key
    return cast("ColumnElement[str]", primary_key)


def add_key(path: Path) -> str:
    """Put a new key first in a key file, which running processes read again; returns the key's fingerprint."""
    with exclusive(path.with_name(f".{path.name}.lock"), _LOCK_SECONDS):
        # Locked, so that two commands at once do not lose each other's key.
        file, key = KeyFile(path), new_key()
        file.replace([key, *file.keys()])
    return fingerprint_of(key)


def drop_old_keys(path: Path, uses: Uses) -> list[str]:
    """Remove all keys but the newest from a key file; returns the fingerprints of the removed ones.

    Raises:
        Usage: an older key still encrypts a secret, or a key was added to the file meanwhile.
    """
    with exclusive(path.with_name(f".{path.name}.lock"), _LOCK_SECONDS):
        file = KeyFile(path)
        newest, *old = file.keys()
        needed = {key: uses.by_key.get(fingerprint_of(key), 0) for key in old}
        # A key that is newer than the count may encrypt secrets that were not counted.
        if fingerprint_of(newest) not in uses.by_key or any(needed.values()):
            raise Usage(f"{sum(needed.values())} secrets still need an older key. Run: adpulse secrets rotate")
        file.replace([newest])
    return [fingerprint_of(key) for key in old]
