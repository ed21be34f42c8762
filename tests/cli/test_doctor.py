"""The doctor finds what is wrong, says what to do, and is content with what is right."""

import json
import os
import shutil
import tempfile
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from users import as_nobody

from adpulse import bootstrap, orchestrator, settings
from adpulse.role import Role
from adpulse.services import doctor as doctor_of
from adpulse.settings import Settings
from storage.control.leader import SWEEP


class _Prefect(BaseHTTPRequestHandler):
    """Answers its health check, and lets in who may: as Prefect's server does with a password, or without one."""

    open_to_all = True

    def do_GET(self):
        self._answer(200)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(200 if self.open_to_all else 401)

    def _answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def prefect():
    handler = type("Prefect", (_Prefect,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{server.server_port}/api"
    orchestrator._health.clear()
    yield handler
    server.shutdown()
    server.server_close()
    orchestrator._health.clear()


@pytest.fixture
def doctor(adpulse):
    """Verdicts and sentences by what they are about, and the exit code."""

    def look(*arguments):
        settings.load.cache_clear()
        bootstrap.app.cache_clear()
        code, out, _ = adpulse("doctor", "--json", *arguments)
        return code, {each["about"]: (each["verdict"], each["told"]) for each in json.loads(out)}

    return look


def verdicts(found):
    return {about: verdict for about, (verdict, _) in found.items()}


def test_an_installation_that_does_its_work_is_right(doctor, installation, prefect):
    del prefect
    installation.connect()
    installation.app.leadership.take(SWEEP, "worker")

    code, found = doctor()

    assert code == 0
    assert set(verdicts(found).values()) == {"ok"}
    assert {"database", "Prefect", "worker", "disk", "clock", "home", "secrets", "API version"} == set(found)


@pytest.mark.usefixtures("installation")
def test_what_is_missing_is_wrong_and_says_what_to_do(doctor):
    code, found = doctor()

    assert code == 1
    for about, remedy in (("Prefect", "adpulse up"), ("worker", "adpulse worker")):
        verdict, told = found[about]
        assert (verdict, remedy in told) == ("wrong", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_home_that_is_open_and_somebody_elses_is_wrong(shared):
    said = as_nobody(lambda: " ".join(each.told for each in doctor_of._home(shared) if each.verdict is doctor_of.Verdict.WRONG))

    assert said.startswith(f"Other users may use {shared.home} and 1 more in it, and it could not be closed: it belongs to root.")


@pytest.fixture
def shared():
    """The settings of a home that is root's and open to everybody."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        home.mkdir()
        (home / "control.db").touch()
        home.chmod(0o755)
        (home / "control.db").chmod(0o644)
        yield Settings(home=home)


def test_a_schema_that_is_not_current_is_wrong_and_the_rest_is_told_all_the_same(doctor, installation):
    with installation.engine.begin() as session:
        session.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")

    code, found = doctor()

    assert (code, found["database"][0]) == (1, "wrong")
    assert "adpulse migrate" in found["database"][1]
    assert found["disk"][0] == "ok"
    assert "worker" not in found


@pytest.mark.parametrize(("day", "verdict"), [("2026-11-24", "ok"), ("2026-11-25", "look"), ("2027-02-23", "wrong")])
def test_an_api_version_that_ends_is_told_ahead(doctor, installation, monkeypatch, day, verdict):
    installation.connect()
    monkeypatch.setenv("ADPULSE_META_VERSION", "v25.0")
    installation.sandbox.clock.set(datetime.fromisoformat(f"{day}T12:00:00+00:00"))

    assert doctor()[1]["API version"][0] == verdict


def test_an_api_version_that_is_not_known_is_worth_a_look(doctor, installation, monkeypatch):
    installation.connect()
    monkeypatch.setenv("ADPULSE_META_VERSION", "v99.0")

    verdict, told = doctor()[1]["API version"]

    assert (verdict, "Known are: v25.0" in told) == ("look", True)


def test_a_full_disk_is_wrong(doctor, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 29))

    assert doctor()[1]["disk"][0] == "wrong"


def test_secrets_that_do_not_open_are_wrong_and_those_of_an_older_key_are_worth_a_look(doctor, installation, adpulse):
    installation.connect()
    adpulse("secrets", "new-key")
    assert doctor()[1]["secrets"][0] == "look"

    adpulse("secrets", "rotate")
    assert doctor()[1]["secrets"][0] == "ok"
    installation.app.settings.home.joinpath("secret.key").unlink()
    assert doctor()[1]["secrets"][0] == "wrong"


def test_before_production_the_sandbox_is_wrong_and_what_only_people_know_is_asked(doctor, installation, prefect, monkeypatch):
    del prefect
    installation.connect()
    monkeypatch.delenv("ADPULSE_META_APP_SECRET")
    settings.load.cache_clear()
    bootstrap.app.cache_clear()
    key, text = installation.app.keys.create("ops", Role.OPERATOR, None)
    installation.app.leadership.take(SWEEP, "worker")

    code, found = doctor("--production")

    assert code == 1
    assert {about for about, verdict in verdicts(found).items() if verdict == "wrong"} == {"platforms"}
    assert {"key's backup", "API keys", "Meta Ads", "database's kind", "Prefect's access"} <= {
        a for a, v in verdicts(found).items() if v == "look"
    }
    assert key.prefix in found["API keys"][1]
    assert text.get_secret_value() not in str(found)


def test_before_production_a_prefect_server_that_asks_nobody_is_wrong_beyond_this_machine(doctor, prefect, monkeypatch):
    assert doctor("--production")[1]["Prefect's access"][0] == "look"
    monkeypatch.setattr("adpulse.services.doctor.LOOPBACK_HOSTS", ())
    assert doctor("--production")[1]["Prefect's access"][0] == "wrong"

    prefect.open_to_all = False

    assert doctor("--production")[1]["Prefect's access"][0] == "ok"
