"""Encrypts credentials at rest: Fernet keys that can be rotated, each ciphertext bound to the credential it belongs to."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from adpulse.errors import Usage

_CONFIRMATION = "confirmation of"  # no id of a credential: neither kind of text can stand for the other
KEY_FILE = "secret.key"


class KeyFile:
    """The keys of an installation as a file, the newest first, comma separated; only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[int, ...] = ()

    def keys(self) -> list[str]:
        """All keys. A missing file is created with a first key, atomically: two first starts use the same one."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._written([Fernet.generate_key().decode()])
            try:
                os.link(draft, self.path)
            except FileExistsError:
                pass  # another process was first; its key counts
            finally:
                draft.unlink()
        self._read = self._version()
        return _split(self.path.read_text())

    def changed(self) -> bool:
        """Whether the file changed since it was last read."""
        return self._read != self._version()

    def replace(self, keys: Sequence[str]) -> None:
        """Put other keys in their place, in one step."""
        self._written(keys).replace(self.path)

    def _version(self) -> tuple[int, ...]:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return self._read  # missing for a moment while it is replaced: the keys that were read stay in use
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _written(self, keys: Sequence[str]) -> Path:
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(",".join(keys))
            file.flush()
            os.fsync(file.fileno())
        return draft


class Cipher:
    """Seals and opens secrets. The newest key seals, every key opens.

    With a key file, a key that another process adds to it is used from then on, without a restart.
    """

    def __init__(self, keys: Sequence[str], file: KeyFile | None = None) -> None:
        self._file = file
        self._fernets = _fernets(keys)

    @classmethod
    def load(cls, secret_key: SecretStr | None, home: Path) -> "Cipher":
        """The cipher of an installation: from the setting, or from ``secret.key`` in its home, made at first use."""
        if secret_key:
            return cls(_split(secret_key.get_secret_value()))
        file = KeyFile(home / KEY_FILE)
        return cls(file.keys(), file)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Short digests by which people tell the keys apart, the newest first. They reveal nothing of a key."""
        return tuple(self._fernets)

    def seal(self, credential_id: str, secret: SecretStr) -> bytes:
        """Ciphertext that only opens for this credential id."""
        self._follow()
        return self._all().encrypt(json.dumps([credential_id, secret.get_secret_value()]).encode())

    def open(self, credential_id: str, ciphertext: bytes) -> SecretStr:
        """The secret.

        Raises:
            Usage: no key fits, or the ciphertext belongs to another credential.
        """
        try:
            owner, secret = json.loads(self._opened(lambda keys: keys.decrypt(ciphertext)))
        except InvalidToken:
            raise Usage(
                "A stored credential cannot be decrypted: ADPULSE_SECRET_KEY or secret.key is not the one it was stored with."
            ) from None
        if owner != credential_id:
            raise Usage("A stored credential belongs to another connection: the control plane was tampered with.")
        return SecretStr(secret)

    def confirmation(self, of: str, now: datetime) -> str:
        """An encrypted token that proves, for a few minutes from ``now`` (real time), that its bearer saw ``of``.

        Nobody without a key can forge it.
        """
        self._follow()
        return self._all().encrypt_at_time(json.dumps([_CONFIRMATION, of]).encode(), int(now.timestamp())).decode()

    def confirms(self, text: str, of: str, now: datetime, lifetime: timedelta) -> bool:
        """Whether the text is a confirmation of this, not older than its lifetime."""
        at, seconds = int(now.timestamp()), round(lifetime.total_seconds())
        try:
            opened = self._opened(lambda keys: keys.decrypt_at_time(text.encode(), seconds, at))
            return bool(json.loads(opened) == [_CONFIRMATION, of])
        except (InvalidToken, ValueError):
            return False

    def sealed_with(self, ciphertext: bytes) -> str | None:
        """The fingerprint of the key that sealed it; None when it is none of ours."""
        for fingerprint, fernet in self._fernets.items():
            try:
                fernet.decrypt(ciphertext)
            except InvalidToken:
                continue
            return fingerprint
        return None

    def renew(self, ciphertext: bytes) -> bytes:
        """The same secret, sealed with the newest key."""
        return self._all().rotate(ciphertext)

    def _opened(self, decrypt: Callable[[MultiFernet], bytes]) -> bytes:
        """What decrypts with the keys that are known, or else with those that the file was given since."""
        try:
            return decrypt(self._all())
        except InvalidToken:
            if not self._follow():
                raise
        return decrypt(self._all())

    def _follow(self) -> bool:
        """Load the key file again if it changed; returns whether it did."""
        if self._file is None or not self._file.changed():
            return False
        self._fernets = _fernets(self._file.keys())
        return True

    def _all(self) -> MultiFernet:
        return MultiFernet(list(self._fernets.values()))

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return "Cipher()"


def new_key() -> str:
    """A key nobody has."""
    return Fernet.generate_key().decode()


def digest(text: str) -> str:
    """The stored hash of a random text of 256 bits. A slow hash is not needed, as so many bits cannot be guessed."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_of(key: str) -> str:
    """Eight characters that tell keys apart: a digest of 256 random bits gives nothing of them away."""
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
