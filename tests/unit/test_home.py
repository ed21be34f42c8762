"""Nobody but its owner uses the home, whatever umask its processes began with; the published copies may belong to a group."""

import grp
import os
import stat
import subprocess
import sys

import duckdb
import pytest
from users import as_nobody

from adpulse import home
from adpulse.errors import Usage
from adpulse.settings import Settings
from storage.files import exclusive
from storage.warehouse import analytics

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
GROUP = "daemon"


@pytest.fixture(autouse=True)
def umask():
    """As a shell's; closing a home changes the process's."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def config(tmp_path):
    return Settings(home=tmp_path / "home")


@pytest.fixture
def used(config):
    """A home from a time when everything was open."""
    for name in ("control.db", "secret.key", "bell", "warehouse/w.duckdb", "published/w.duckdb", "staging/run/plan.json", "logs/web.log"):
        path = config.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("something")
    (config.home / "staging").chmod(0o777)
    (config.home / "published" / "w.duckdb").chmod(0o444)
    return config


def modes(folder):
    """Of the folder and all in it, by their paths beneath it."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}


def test_what_is_there_from_before_is_closed_and_told_once(used, caplog):
    home.make_private(used)
    home.make_private(used)

    assert {name: oct(mode) for name, mode in modes(used.home).items() if mode & 0o077} == {}
    assert modes(used.home)["published/w.duckdb"] == 0o400
    assert [each.getMessage() for each in caplog.records] == [
        f"13 files and folders in {used.home} were accessible to other users of this machine; now they are private"
    ]


def test_what_is_written_afterwards_is_closed_too_also_by_a_child(config):
    home.make_private(config)
    (config.home / "staging" / "run").mkdir(parents=True)
    (config.home / "ours").touch()
    duckdb.connect(config.home / "w.duckdb").close()
    subprocess.run(["/bin/sh", "-c", f"mkdir {config.home}/theirs; echo > {config.home}/theirs/file"], check=True)

    assert set(modes(config.home).values()) == {0o700, 0o600}


def test_a_command_in_a_shell_with_the_usual_umask_leaves_a_closed_home(tmp_path):
    environment = {**os.environ, "ADPULSE_HOME": str(tmp_path / "home")}
    for command in (["migrate"], ["workspace", "create", "Acme"]):
        subprocess.run([sys.executable, "-m", "adpulse", *command], env=environment, umask=0o022, check=True, capture_output=True)

    found = modes(tmp_path / "home")
    assert {"control.db", "secret.key"} <= set(found)
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}


def test_what_a_link_leads_to_is_left_alone(used, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (used.home / "link").symlink_to(outside)

    home.make_private(used)

    assert modes(outside) == {".": 0o755, "file": 0o644}


@ROOT_ONLY
def test_the_published_copies_belong_to_the_group_that_is_named_and_nothing_else_does(used):
    shared = used.model_copy(update={"published_group": GROUP})
    home.make_private(shared)

    assert {name: mode for name, mode in modes(used.home).items() if mode & 0o077} == {
        ".": 0o710,
        "published": 0o750,
        "published/w.duckdb": 0o440,
    }
    for name in (".", "published", "published/w.duckdb"):
        assert (used.home / name).stat().st_gid == grp.getgrnam(GROUP).gr_gid
    assert home.exposed_paths(shared) == []
    home.make_private(used)  # the setting is taken back
    assert {mode for mode in modes(used.home).values() if mode & 0o077} == set()


@ROOT_ONLY
def test_a_new_copy_is_the_groups_before_it_has_its_name(config, monkeypatch):
    home.make_private(config)
    live, published, group = config.home / "w.duckdb", config.home / "published" / "w.duckdb", grp.getgrnam(GROUP).gr_gid
    duckdb.connect(live).close()
    seen = []
    real = analytics.replace

    def watched(source, target):
        seen.append((stat.S_IMODE(source.stat().st_mode), source.stat().st_gid, target.exists()))
        real(source, target)

    monkeypatch.setattr(analytics, "replace", watched)
    with exclusive(config.home / "w.lock", 1) as lock:
        analytics.publish(live, published, lock, group)

    assert seen == [(0o440, group, False)]


def test_a_group_that_is_not_there_is_refused_by_the_settings_name(config):
    with pytest.raises(Usage, match="ADPULSE_PUBLISHED_GROUP: there is no group 'no-such-group' on this machine"):
        home.make_private(config.model_copy(update={"published_group": "no-such-group"}))


@ROOT_ONLY
def test_a_group_that_the_process_is_not_in_is_refused_by_the_settings_name(config):
    said = as_nobody(lambda: home.readers(config.model_copy(update={"published_group": GROUP})))

    assert "ADPULSE_PUBLISHED_GROUP: this process is not in the group 'daemon'" in said


def test_a_group_may_be_a_number(config):
    assert home.readers(config.model_copy(update={"published_group": str(os.getegid())})) == os.getegid()


def test_the_folder_of_copies_belongs_to_the_group_before_anything_is_published(tmp_path):
    config = Settings(home=tmp_path / "home", published_group=GROUP)

    home.make_private(config)

    folder = config.home / "published"
    assert (oct(stat.S_IMODE(folder.stat().st_mode)), folder.stat().st_gid) == ("0o750", grp.getgrnam(GROUP).gr_gid)
    assert home.exposed_paths(config) == []


def test_a_home_behind_a_link_is_closed_where_it_is(used, tmp_path, caplog):
    (tmp_path / "link").symlink_to(used.home)
    linked = Settings(home=tmp_path / "link")

    home.make_private(linked)
    home.make_private(linked)

    assert oct(stat.S_IMODE(used.home.stat().st_mode)) == "0o700"
    assert home.exposed_paths(linked) == []
    assert len(caplog.records) == 1
