"""A home folder has one process of a kind: real processes that start at once, die and follow each other."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adpulse.cli.demo import _empty
from adpulse.errors import AlreadyRunning
from deployments.child import PARENT_VARIABLE
from deployments.instance import Service, make_room, only
from deployments.owner import start_ticks, this_process

HOLDS = """
import sys
from pathlib import Path
from adpulse.errors import AlreadyRunning
from deployments.instance import Service, only

sys.stdin.readline()
try:
    with only(Path(sys.argv[1]), Service.UP) as note:
        note("http://127.0.0.1:8400")
        print("holds", flush=True)
        sys.stdin.readline()
except AlreadyRunning as error:
    print(error, flush=True)
"""


@pytest.fixture
def process(tmp_path):
    """Starts processes that wait for a line, then hold the lock until the next line, or say why not."""
    started = []

    def start(home=tmp_path, **variables):
        command = [sys.executable, "-c", HOLDS, str(home)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env={**os.environ, **variables}, start_new_session=True, **pipes))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.communicate()


def go(child):
    child.stdin.write("\n")
    child.stdin.flush()


def said(child):
    return child.stdout.readline().strip()


def held(child):
    go(child)
    assert said(child) == "holds"
    return child


def test_the_second_is_told_in_one_sentence_who_the_first_is(process, tmp_path):
    first, second = held(process()), process()

    go(second)
    sentence = said(second)

    assert sentence.startswith(f"adpulse up is already running in {tmp_path} (process {first.pid}, since 20")
    assert "UTC, http://127.0.0.1:8400); end it first" in sentence
    assert sentence.count(". ") == 0


def test_of_many_that_start_at_once_exactly_one_holds_it(process):
    children = [process() for _ in range(4)]
    for child in children:
        go(child)

    told = [said(child) for child in children]

    assert told.count("holds") == 1
    assert sum("already running" in line for line in told) == 3


def test_whoever_is_killed_holds_nothing_any_more(process):
    held(process()).kill()

    held(process())


def test_whoever_ends_leaves_no_trace_of_itself(tmp_path):
    with only(tmp_path, Service.UP):
        assert json.loads((tmp_path / "locks" / "up").read_text())["process"] == this_process()

    assert (tmp_path / "locks" / "up").read_text() == ""


def test_a_link_and_another_spelling_lead_to_the_same_home(process, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    held(process(home))
    monkeypatch.chdir(tmp_path)

    for same in ("link", "home", "link/../home", "./home/"):
        with pytest.raises(AlreadyRunning, match=str(home)), only(Path(same), Service.UP):
            pass


def test_services_and_homes_do_not_hinder_each_other(tmp_path):
    with only(tmp_path, Service.UP), only(tmp_path, Service.WEB), only(tmp_path / "other", Service.UP):
        pass


def test_what_a_dead_process_wrote_is_not_told_as_the_holder(process, tmp_path):
    """The file of a killed predecessor names it until the next one has written its own name."""
    first = held(process())
    stale = (tmp_path / "locks" / "up").read_text()
    first.kill()
    first.wait()
    with only(tmp_path, Service.UP):
        (tmp_path / "locks" / "up").write_text(stale)

        with pytest.raises(AlreadyRunning, match="just starting"), only(tmp_path, Service.UP):
            pass


def test_no_child_keeps_the_lock_of_a_dead_process(tmp_path):
    with only(tmp_path, Service.UP):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)

    with only(tmp_path, Service.UP):
        child.communicate(b"\n")


def dead():
    """The name of a process that has ended."""
    command = [sys.executable, "-c", "from deployments.owner import this_process; print(this_process())"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_a_killed_up_left_is_ended(process, tmp_path):
    left = held(process(**{PARENT_VARIABLE: dead()}))
    told = []

    make_room(tmp_path, Service.UP, told.append)

    assert left.wait(30) == -signal.SIGTERM
    assert told == ["Stopping the up that a killed predecessor left."]
    held(process())


@pytest.mark.parametrize("parent", [None, this_process()], ids=["of nobody", "of a living up"])
def test_what_nobody_left_stays(process, tmp_path, parent):
    other = held(process(**({PARENT_VARIABLE: parent} if parent else {})))

    with pytest.raises(AlreadyRunning, match=f"process {other.pid}"):
        make_room(tmp_path, Service.UP, lambda _: None)

    assert other.poll() is None


def test_a_process_that_got_the_id_of_a_dead_one_stays(process, tmp_path):
    """Its start differs from the one in the file: the holder is somebody else, and nobody is ended."""
    other = held(process(**{PARENT_VARIABLE: dead()}))
    path = tmp_path / "locks" / "up"
    record = json.loads(path.read_text())
    host, pid, start = record["process"].rsplit("-", 2)
    path.write_text(json.dumps(record | {"process": f"{host}-{pid}-{int(start) - 1}"}))

    with pytest.raises(AlreadyRunning):
        make_room(tmp_path, Service.UP, lambda _: None)

    assert other.poll() is None


def test_where_nobody_is_there_is_room(tmp_path):
    make_room(tmp_path, Service.WEB, lambda _: None)


def test_a_process_that_nobody_has_waited_for_is_gone(process):
    child = process()
    assert start_ticks(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert start_ticks(child.pid) is None


def test_a_second_demo_deletes_nothing_under_the_first(tmp_path):
    kept = tmp_path / ".demo" / "control.db"
    with only(kept.parent, Service.UP):
        kept.write_text("numbers")
        done = subprocess.run([sys.executable, "-m", "adpulse", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, kept.read_text()) == (1, "numbers")
    assert f"already running in {kept.parent}" in done.stderr


def test_a_demo_begins_in_an_empty_folder_that_keeps_its_locks(tmp_path):
    home = tmp_path / ".demo"
    (home / "warehouse").mkdir(parents=True)
    (home / "control.db").write_text("old")
    (home / "link").symlink_to(home / "nowhere")
    with only(home, Service.UP):
        lock = (home / "locks" / "up").stat().st_ino

    _empty(home)

    assert [path.name for path in home.iterdir()] == ["locks"]
    assert (home / "locks" / "up").stat().st_ino == lock
