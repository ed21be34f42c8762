"""``adpulse web`` as a process of its own."""

import re
import signal
import socket
import subprocess
import sys

import pytest
import requests
from waiting import PATIENCE_SECONDS, until

from adpulse.api.server import _bound


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
    def printed():
        assert child.poll() is None, log.read_text()
        return re.search(r"HTTP API: (\S+)", log.read_text())

    return until(printed, log.read_text)[1]


def answering(address, path, **options):
    """It is told where it listens before it answers."""

    def answers():
        try:
            return [requests.get(address + path, timeout=60, **options)]
        except requests.ConnectionError:
            return []

    return until(answers)[0]


def test_it_answers_and_ends_at_sigterm(web, team):
    child, log = web("--port", "0")
    address = address_in(child, log)

    answer = answering(address, "/connections/", headers={"Authorization": f"Bearer {team.viewer}"})

    assert [each["id"] for each in answer.json()["connections"]] == [team.connection.id]
    assert "server" not in answer.headers
    child.send_signal(signal.SIGTERM)
    assert child.wait(PATIENCE_SECONDS) in (0, -signal.SIGTERM)
    assert team.viewer not in log.read_text()


def test_a_port_that_is_taken_is_one_sentence_and_exit_2(web, address):
    child, log = web("--port", address.rpartition(":")[2])

    assert child.wait(PATIENCE_SECONDS) == 2
    assert log.read_text().startswith("Cannot listen on 127.0.0.1, port ")


def wrong_keys(address, tries=30):
    """Statuses of logging in with wrong keys, each time as another client by what the header claims."""
    return [
        requests.post(
            f"{address}/app/login",
            data={"key": "wrong"},
            headers={"Origin": address, "X-Forwarded-For": f"203.0.113.{number}"},
            timeout=30,
        ).status_code
        for number in range(tries)
    ]


@pytest.mark.parametrize(("trusted", "slowed"), [({}, True), ({"ADPULSE_TRUSTED_PROXIES": "10.0.0.0/8,127.0.0.1"}, False)])
def test_a_claimed_client_counts_only_from_a_trusted_proxy(web, installation, monkeypatch, trusted, slowed):  # noqa: ARG001 - its folder
    for name, value in trusted.items():
        monkeypatch.setenv(name, value)
    child, log = web("--port", "0")
    address = address_in(child, log)
    answering(address, "/healthz")

    assert (429 in wrong_keys(address)) is slowed


def test_a_connection_sends_what_it_has_at_once():
    with _bound("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
