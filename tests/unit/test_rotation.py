"""Keys are rotated while everything runs: what was sealed stays readable, and in the end only the newest key is needed."""

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import LargeBinary, select, update

from adpulse.crypto import Cipher, KeyFile, fingerprint_of
from adpulse.errors import Usage
from storage.control.credentials import Credentials
from storage.control.rotation import _PORTION, SEALED, Rotation, add_key, drop_old_keys
from storage.control.tables import Base, CredentialRow

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


def stored(plane, keys, count):
    """Secrets sealed with these keys, by their id."""
    credentials = Credentials(plane.engine, Cipher(keys), wall=plane.wall)
    return {credentials.store(plane.workspace.id, "meta", SecretStr(f"token-{number}"), None): f"token-{number}" for number in range(count)}


def opened(plane, keys, ids):
    credentials = Credentials(plane.engine, Cipher(keys), wall=plane.wall)
    return {each: credentials.open(each).get_secret_value() for each in ids}


@pytest.fixture(autouse=True)
def _only_ours(plane):
    plane.credentials.erase(plane.credential)


def test_every_column_of_sealed_bytes_is_rotated():
    binary = {column for table in Base.metadata.sorted_tables for column in table.columns if isinstance(column.type, LargeBinary)}

    assert {column.class_.__table__.columns[column.key] for column in SEALED} == binary
    assert [column for column in SEALED if len(column.class_.__table__.primary_key) != 1] == []


def test_everything_has_the_newest_key_afterwards_and_opens_without_the_old_one(plane):
    secrets = stored(plane, [OLD], _PORTION + 3) | stored(plane, [NEW], 2)
    counts = []

    done = Rotation(plane.engine, Cipher([NEW, OLD])).rotate(counts.append)

    assert done == counts[-1] == _PORTION + 3
    assert opened(plane, [NEW], secrets) == secrets
    assert Rotation(plane.engine, Cipher([NEW, OLD])).rotate() == 0


def test_a_rotation_that_was_broken_off_goes_on_where_it_was(plane):
    secrets = stored(plane, [OLD], 2 * _PORTION)

    def break_off(_):
        raise KeyboardInterrupt

    rotation = Rotation(plane.engine, Cipher([NEW, OLD]))
    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(break_off)
    half = rotation.uses().by_key

    assert half == {fingerprint_of(NEW): _PORTION, fingerprint_of(OLD): _PORTION}
    assert opened(plane, [NEW, OLD], secrets) == secrets
    assert rotation.rotate() == _PORTION
    assert opened(plane, [NEW], secrets) == secrets


def test_a_secret_that_was_replaced_meanwhile_is_not_brought_back(plane):
    (first, *_) = sorted(stored(plane, [OLD], 3))
    rotation = Rotation(plane.engine, Cipher([NEW, OLD]))
    with plane.engine.connect() as session:
        as_read = [
            tuple(row) for row in session.execute(select(CredentialRow.id, CredentialRow.ciphertext).where(CredentialRow.id == first))
        ]
    with plane.engine.begin() as session:
        fresh = Cipher([NEW]).seal(first, SecretStr("fresh"))
        session.execute(update(CredentialRow).where(CredentialRow.id == first).values(ciphertext=fresh))

    assert rotation._renew(CredentialRow.ciphertext, as_read) == 0
    assert opened(plane, [NEW], [first]) == {first: "fresh"}


def test_what_no_key_opens_is_named_and_left_alone_and_what_was_erased_is_not_looked_at(plane):
    (lost,) = stored(plane, [OTHER], 1)
    stored(plane, [OLD], 1)
    rotation = Rotation(plane.engine, Cipher([NEW, OLD]))

    assert rotation.rotate() == 1
    assert rotation.uses().unreadable == [f"credential {lost}"]
    assert opened(plane, [OTHER], [lost]) == {lost: "token-0"}


def test_a_secret_stays_bound_to_its_row_through_a_rotation(plane):
    mine, theirs = stored(plane, [OLD], 2)
    with plane.engine.begin() as session:
        taken = session.scalar(select(CredentialRow.ciphertext).where(CredentialRow.id == theirs))
        session.execute(update(CredentialRow).where(CredentialRow.id == mine).values(ciphertext=taken))
    Rotation(plane.engine, Cipher([NEW, OLD])).rotate()

    with pytest.raises(Usage, match="tampered"):
        Credentials(plane.engine, Cipher([NEW]), wall=plane.wall).open(mine)


def test_what_runs_with_a_key_file_follows_it_through_a_whole_rotation(plane, tmp_path):
    running = Credentials(plane.engine, Cipher.load(None, tmp_path), wall=plane.wall)
    before = running.store(plane.workspace.id, "meta", SecretStr("before"), None)
    path = tmp_path / "secret.key"
    old = KeyFile(path).keys()

    newest = add_key(path)
    other = Cipher.load(None, tmp_path)
    Rotation(plane.engine, other).rotate()
    after = running.store(plane.workspace.id, "meta", SecretStr("after"), None)

    assert Rotation(plane.engine, other).uses().by_key == {newest: 2, fingerprint_of(old[0]): 0}
    assert (running.open(before).get_secret_value(), running.open(after).get_secret_value()) == ("before", "after")
    assert drop_old_keys(path, Rotation(plane.engine, other).uses()) == [fingerprint_of(key) for key in old]
    assert Rotation(plane.engine, Cipher.load(None, tmp_path)).uses().by_key == {newest: 2}
    assert running.open(before).get_secret_value() == "before"
    assert [oct(each.stat().st_mode)[-3:] for each in tmp_path.iterdir()] == ["600"] * len(list(tmp_path.iterdir()))


def test_a_key_that_still_seals_something_is_not_dropped(plane, tmp_path):
    running = Credentials(plane.engine, Cipher.load(None, tmp_path), wall=plane.wall)
    running.store(plane.workspace.id, "meta", SecretStr("before"), None)
    path = tmp_path / "secret.key"
    add_key(path)
    keys = KeyFile(path).keys()

    with pytest.raises(Usage, match="1 secrets still need an older key"):
        drop_old_keys(path, Rotation(plane.engine, Cipher.load(None, tmp_path)).uses())
    assert KeyFile(path).keys() == keys


def test_a_key_that_came_after_the_look_keeps_the_others(plane, tmp_path):
    Cipher.load(None, tmp_path)
    path = tmp_path / "secret.key"
    uses = Rotation(plane.engine, Cipher.load(None, tmp_path)).uses()
    add_key(path)

    with pytest.raises(Usage, match="rotate"):
        drop_old_keys(path, uses)
    assert len(KeyFile(path).keys()) == 2
