"""``adpulse web`` as a process of its own."""

import re
import signal
import subprocess
import sys
import time

import pytest
import requests


@pytest.fixture
def web(installation, tmp_path):  # noqa: ARG001 - the command works on its folder
    """Runs the command with these arguments; the process and the file with what it says."""
    running = []

    def start(*arguments):
        log = tmp_path / "web.log"
        with log.open("wb") as output:
            child = subprocess.Popen([sys.executable, "-m", "adpulse", "web", *arguments], stdout=output, stderr=subprocess.STDOUT)
        running.append(child)
        return child, log

    yield start
    for child in running:
        child.kill()
        child.wait()


def address_in(child, log):
    for _ in range(600):
        if found := re.search(r"HTTP API: (\S+)", log.read_text()):
            return found[1]
        assert child.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def answering(address, path, **options):
    """It is told where it listens before it answers."""
    for _ in range(100):
        try:
            return requests.get(address + path, timeout=10, **options)
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def test_it_answers_and_ends_at_sigterm(web, team):
    child, log = web("--port", "0")
    address = address_in(child, log)

    answer = answering(address, "/connections/", headers={"Authorization": f"Bearer {team.viewer}"})

    assert [each["id"] for each in answer.json()["connections"]] == [team.connection.id]
    assert "server" not in answer.headers
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) in (0, -signal.SIGTERM)
    assert team.viewer not in log.read_text()


def test_a_port_that_is_taken_is_one_sentence_and_exit_2(web, address):
    child, log = web("--port", address.rpartition(":")[2])

    assert child.wait(60) == 2
    assert log.read_text().startswith("Cannot listen on 127.0.0.1, port ")
