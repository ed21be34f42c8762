"""Credentials at rest: unreadable, bound to their row, rotatable."""

import stat

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text

from adpulse.crypto import Cipher
from adpulse.errors import Usage

SENTINEL = SecretStr("sentinel-token")


def key():
    return Fernet.generate_key().decode()


def test_a_sealed_secret_opens_for_its_credential_only():
    cipher = Cipher([key()])
    sealed = cipher.seal("a", SENTINEL)

    assert cipher.open("a", sealed).get_secret_value() == "sentinel-token"
    with pytest.raises(Usage, match="another connection"):
        cipher.open("b", sealed)


def test_an_old_key_still_opens_after_a_new_one_was_put_first():
    old, new = key(), key()
    sealed = Cipher([old]).seal("a", SENTINEL)

    assert Cipher([new, old]).open("a", sealed) == SENTINEL


def test_a_wrong_key_is_an_error_that_names_the_setting():
    with pytest.raises(Usage, match="ADPULSE_SECRET_KEY"):
        Cipher([key()]).open("a", Cipher([key()]).seal("a", SENTINEL))


def test_the_key_file_is_made_once_and_private(tmp_path):
    first = Cipher.load(None, tmp_path).seal("a", SENTINEL)

    assert Cipher.load(None, tmp_path).open("a", first) == SENTINEL
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_nothing_of_a_token_is_in_the_database_or_a_repr(plane):
    credential = plane.credentials.store(plane.workspace.id, "meta_token", SENTINEL, None)
    with plane.engine.connect() as session:
        stored = session.execute(text("SELECT * FROM credential")).all()

    assert plane.credentials.open(credential) == SENTINEL
    assert "sentinel" not in repr(stored) + repr(plane.credentials.open(credential)) + repr(Cipher([key()]))
