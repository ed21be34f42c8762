"""Encrypts stored credentials with Fernet keys that can be rotated. Each ciphertext is bound to its credential's id."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from adpulse import private_file
from adpulse.errors import KeysLost, Usage

_CONFIRMATION = "confirmation of"  # not a credential's id, so a confirmation cannot pass for a credential, nor the reverse
KEY_FILE = "secret.key"


class KeyFile:
    """The file with an installation's keys, the newest first, comma separated; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[int, ...] = ()

    def keys(self, *, is_needed: Callable[[], bool] = lambda: False) -> list[str]:
        """All keys. A missing file is created with a first key, atomically, so that two processes that start at once use the same key.

        Raises:
            KeysLost: the file is missing, and secrets are stored already, as ``is_needed`` says: a new key would open none of them.
        """
        if not self.path.exists():
            if is_needed():
                raise KeysLost(
                    f"The keys of the stored tokens are lost: there is no {self.path}. Put your copy of it there, or set "
                    "ADPULSE_SECRET_KEY. Without a copy, move the home away and connect every account again."
                )
            private_file.create(self.path, Fernet.generate_key().decode())
        self._read = self._version()
        return _split(self.path.read_text())

    def changed(self) -> bool:
        """Whether the file changed since it was last read."""
        return self._read != self._version()

    def replace(self, keys: Sequence[str]) -> None:
        """Replace all keys, atomically."""
        private_file.write(self.path, ",".join(keys))

    def _version(self) -> tuple[int, ...]:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return self._read  # a missing file counts as unchanged: the keys that were read stay in use
        return status.st_ino, status.st_size, status.st_mtime_ns


class Cipher:
    """Encrypts and decrypts secrets. The newest key encrypts, all keys decrypt.

    With a key file, a key that another process adds is used at once, without a restart.
    """

    def __init__(self, keys: Sequence[str], file: KeyFile | None = None) -> None:
        self._file = file
        self._fernets = _fernets(keys)

    @classmethod
    def load(cls, secret_key: SecretStr | None, home: Path, *, is_needed: Callable[[], bool] = lambda: False) -> "Cipher":
        """The cipher of an installation, with the keys of the setting or of ``secret.key`` in its home, which is created at first use.

        Raises:
            KeysLost: there are no keys, although secrets are stored, as ``is_needed`` says.
        """
        if secret_key:
            return cls(_split(secret_key.get_secret_value()))
        file = KeyFile(home / KEY_FILE)
        return cls(file.keys(is_needed=is_needed), file)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Short digests by which people distinguish the keys, the newest first. They reveal nothing about a key."""
        return tuple(self._fernets)

    def seal(self, credential_id: str, secret: SecretStr) -> bytes:
        """Encrypt a secret, so that it only decrypts for this credential's id."""
        self._reload_changed()
        # Fernet has no associated data, so the id is encrypted with the secret.
        return self._all().encrypt(json.dumps([credential_id, secret.get_secret_value()]).encode())

    def open(self, credential_id: str, ciphertext: bytes) -> SecretStr:
        """Decrypt a secret.

        Raises:
            Usage: no key decrypts it, or the ciphertext belongs to another credential.
        """
        try:
            owner, secret = json.loads(self._decrypt(lambda keys: keys.decrypt(ciphertext)))
        except InvalidToken:
            raise Usage(
                "A stored credential cannot be decrypted: ADPULSE_SECRET_KEY or secret.key is not the one it was stored with."
            ) from None
        if owner != credential_id:
            raise Usage("A stored credential belongs to another connection: the control plane was tampered with.")
        return SecretStr(secret)

    def confirmation(self, of: str, now: datetime) -> str:
        """An encrypted token, of the time ``now`` (real time), that proves that its bearer was shown ``of``.

        It cannot be forged without a key.
        """
        self._reload_changed()
        # The time is given, because Fernet itself would ask the machine for it.
        return self._all().encrypt_at_time(json.dumps([_CONFIRMATION, of]).encode(), int(now.timestamp())).decode()

    def confirms(self, text: str, of: str, now: datetime, lifetime: timedelta) -> bool:
        """Whether the text is a confirmation of ``of`` that is not older than ``lifetime``."""
        at, seconds = int(now.timestamp()), round(lifetime.total_seconds())
        try:
            content = self._decrypt(lambda keys: keys.decrypt_at_time(text.encode(), seconds, at))
            return bool(json.loads(content) == [_CONFIRMATION, of])
        except (InvalidToken, ValueError):
            return False

    def sealed_with(self, ciphertext: bytes) -> str | None:
        """The fingerprint of the key that encrypted it; None if none of the keys did."""
        for fingerprint, fernet in self._fernets.items():
            try:
                fernet.decrypt(ciphertext)
            except InvalidToken:
                continue
            return fingerprint
        return None

    def renew(self, ciphertext: bytes) -> bytes:
        """The same secret, encrypted with the newest key."""
        return self._all().rotate(ciphertext)

    def _decrypt(self, decrypt: Callable[[MultiFernet], bytes]) -> bytes:
        """Decrypt with the loaded keys, or else with keys that were added to the file since."""
        try:
            return decrypt(self._all())
        except InvalidToken:
            if not self._reload_changed():
                raise
        return decrypt(self._all())

    def _reload_changed(self) -> bool:
        """Load the key file again if it has changed; returns whether it has."""
        if self._file is None or not self._file.changed():
            return False
        self._fernets = _fernets(self._file.keys())
        return True

    def _all(self) -> MultiFernet:
        return MultiFernet(list(self._fernets.values()))

    def __repr__(self) -> str:
        """Without the keys."""
        return "Cipher()"


def new_key() -> str:
    """Generate a key."""
    return Fernet.generate_key().decode()


def digest(text: str) -> str:
    """The hash under which a random text of 256 bits is stored. So many bits cannot be guessed, so a fast hash is enough."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_of(key: str) -> str:
    """Eight characters that distinguish keys. They are a part of a digest of 256 random bits, which reveals nothing about them."""
    return digest(key)[:8]


def _fernets(keys: Sequence[str]) -> dict[str, Fernet]:
    try:
        fernets = {fingerprint_of(key): Fernet(key) for key in keys}
    except ValueError:
        fernets = {}
    if not fernets:
        raise Usage(
            f"ADPULSE_SECRET_KEY, or {KEY_FILE}, is not a list of Fernet keys (44 url-safe characters each, comma separated)."
        ) from None
    return fernets


def _split(text: str) -> list[str]:
    return [key.strip() for key in text.split(",") if key.strip()]
