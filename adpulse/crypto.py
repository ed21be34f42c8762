"""Encrypts credentials at rest: MultiFernet (rotatable keys), each ciphertext bound to the credential it belongs to."""

import json
import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from adpulse.errors import Usage

_CONFIRMS = "confirmation of"  # no id of a credential: neither kind of text can stand for the other


class Cipher:
    """Seals and opens secrets. The newest key seals, every key opens."""

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise Usage("ADPULSE_SECRET_KEY is not a list of Fernet keys (44 url-safe characters each, comma separated).") from None

    @classmethod
    def load(cls, secret_key: SecretStr | None, home: Path) -> "Cipher":
        """The cipher of an installation: from the setting, or from ``secret.key`` in its home, made at first use."""
        text = secret_key.get_secret_value() if secret_key else _key_file(home / "secret.key")
        return cls([key.strip() for key in text.split(",") if key.strip()])

    def seal(self, credential_id: str, secret: SecretStr) -> bytes:
        """Ciphertext that only opens for this credential id."""
        return self._fernet.encrypt(json.dumps([credential_id, secret.get_secret_value()]).encode())

    def open(self, credential_id: str, ciphertext: bytes) -> SecretStr:
        """The secret.

        Raises:
            Usage: no key fits, or the ciphertext belongs to another credential.
        """
        try:
            owner, secret = json.loads(self._fernet.decrypt(ciphertext))
        except InvalidToken:
            raise Usage(
                "A stored credential cannot be decrypted: ADPULSE_SECRET_KEY or secret.key is not the one it was stored with."
            ) from None
        if owner != credential_id:
            raise Usage("A stored credential belongs to another connection: the control plane was tampered with.")
        return SecretStr(secret)

    def confirmation(self, of: str) -> str:
        """Text that shows, for a few minutes, that its bearer was told of something; it can be neither made nor changed outside."""
        return self._fernet.encrypt(json.dumps([_CONFIRMS, of]).encode()).decode()

    def confirms(self, text: str, of: str, seconds: int) -> bool:
        """Whether the text is a confirmation of this, not older than so many seconds."""
        try:
            return bool(json.loads(self._fernet.decrypt(text, ttl=seconds)) == [_CONFIRMS, of])
        except (InvalidToken, ValueError):
            return False

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return "Cipher()"


def _key_file(path: Path) -> str:
    """Read the key file; made atomically with mode 0600, so that two first starts agree on one key."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        mine = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(Fernet.generate_key())
        try:
            os.link(mine, path)
        except FileExistsError:
            pass  # another process was first; its key counts
        finally:
            mine.unlink()
    return path.read_text()
