"""The services of compose.yaml, started as it says and asked to sync: everything but the containers themselves."""

import base64
import re
import signal
import time

import duckdb
import psycopg
import pytest
import requests
from browsing import consent
from compose.reading import ROOT
from compose.running import Services
from postgres import Server
from running import processes_of

pytestmark = pytest.mark.slow  # the files: test_files.py; the processes with PostgreSQL: tests/e2e/test_postgresql.py

SECONDS = 120
ACCOUNT = "Sakura Tea"


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """Everything runs, the sandbox too, with two workers."""
    variables = {"ADPULSE_ENV_FILE": "docker/sandbox.env"}
    folder = tmp_path_factory.mktemp("compose")
    with Server() as server, Services(folder, server, variables, profiles=["sandbox"]) as services:
        first_start(server, services.secret("postgres_password"))
        services.start_all()
        services.start("worker", " 2")
        yield services
    assert processes_of(folder) == []


def first_start(server, password):
    """What PostgreSQL's image does: a role and a database of that name, then the file of its first start."""
    server._run("CREATE DATABASE adpulse OWNER adpulse")
    server._run(f"ALTER ROLE adpulse CREATEDB PASSWORD '{password}'")
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="adpulse", password=password, dbname="adpulse", autocommit=True
    ) as session:
        session.execute((ROOT / "docker" / "postgres-init.sql").read_text())


@pytest.fixture(scope="module")
def workspace(up):
    """A workspace with an account of each platform, and an operator's key."""
    made = re.search(r"\(([\w-]+)\)", up.run("web", "adpulse", "workspace", "create", "Acme"))[1]
    said = up.log("sandbox").read_text()
    account = re.search(rf"Account act_(\d+)  {ACCOUNT}", said)[1]
    token = re.search(r"Access token +(\S+)", said)[1]
    up.run("web", "adpulse", "connect", "meta", "-w", "Acme", "-a", account, "-f", "hourly", stdin=f"{token}\n")
    key = up.run("web", "adpulse", "keys", "create", "ops", "--role", "operator").strip()
    return made, key, token


def asked(up, path, key, method="GET"):
    answer = requests.request(method, up.address("8400") + path, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert answer.ok, answer.text
    return answer


def ended(up, job, key):
    """The job once it is closed."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = asked(up, f"/jobs/{job}", key).json()
        if found["status"] in ("done", "failed"):
            return found
        time.sleep(0.2)
    raise AssertionError(f"{found}\n{up.log('worker').read_text()}")


def test_what_is_asked_for_over_http_is_synced_by_the_workers_and_published(up, workspace):
    made, key, _ = workspace
    (connection,) = asked(up, "/connections/", key).json()["connections"]

    job = asked(up, f"/connections/{connection['id']}/sync-now", key, "POST").json()["job_id"]
    found = ended(up, job, key)

    assert (found["status"], found["error"]) == ("done", None)
    pull = ("adpulse", "pull", "--url", "http://web:8400", "-w", made, "--to", "/tmp/acme.duckdb")  # noqa: S108 - the container's own
    up.run("web", *pull, stdin=f"{key}\n")
    with duckdb.connect(up.folder / "web" / "tmp" / "acme.duckdb", read_only=True) as copy:
        assert copy.sql("SELECT count(*) FROM daily").fetchone()[0] > 0


@pytest.mark.parametrize("provider", ["meta", "google"])
def test_a_browser_of_this_machine_connects_by_the_sandboxs_consent(up, workspace, provider):
    made, key, _ = workspace
    home, session = up.address("8400").replace("127.0.0.1", "localhost"), requests.Session()
    place, headers = f"{home}/workspaces/{made}/authorizations", {"Authorization": f"Bearer {key}"}
    begun = session.post(place, json={"provider": provider}, headers=headers, timeout=30).json()

    granted = session.get(consent(begun["authorize_url"], "full"), timeout=60)

    assert granted.status_code == 200, granted.text
    assert len(granted.json()["accounts"]) > 1


def test_every_health_check_and_readiness_say_yes_while_everything_runs(up, workspace):
    assert [name for name, service in up.services.items() if service.healthcheck and not up.healthy(name)] == []
    assert requests.get(up.address("8400") + "/readyz", timeout=30).json() == {"status": "ok"}
    assert "adpulse_worker_seen_seconds" in asked(up, "/metrics", workspace[1]).text


def test_the_prefect_server_asks_who_one_is(up):
    login = tuple(up.secret("adpulse_prefect_auth").split(":"))

    statuses = [
        requests.post(up.address("4200") + "/api/flows/count", auth=auth, json={}, timeout=30).status_code for auth in (None, login)
    ]

    assert statuses == [401, 200]


def test_an_operators_link_to_prefect_logs_the_browser_in(up):
    browser = requests.Session()
    browser.get(up.run("web", "adpulse", "login", "--url", up.address("8400")).strip(), timeout=30).raise_for_status()

    page = browser.get(up.address("8400").replace("127.0.0.1", "localhost") + "/app/prefect", timeout=30)

    assert page.status_code == 200, page.text
    assert base64.b64encode(up.secret("adpulse_prefect_auth").encode()).decode() in page.text


def test_no_secret_is_in_a_log_or_in_a_file_of_the_volumes(up, workspace):
    made, key, token = workspace
    secrets = [*(up.secret(name) for name in up.compose.secrets), key, token, up.secret("adpulse_prefect_auth").partition(":")[2]]
    written = [path for folder in (up.folder / "volumes" / "adpulse", up.folder) for path in folder.rglob("*") if path.is_file()]
    kept = {path: path.read_bytes() for path in written if "secrets" not in path.parts and path.name != "sandbox.log"}

    assert made
    assert len(kept) > 5
    assert [(path.name, secret[:4]) for path, text in kept.items() for secret in secrets if secret.encode() in text] == []


def test_they_end_when_they_are_told_and_a_worker_that_stopped_is_missed(up, workspace):
    del workspace
    codes = [up.stop(name) for name in ("worker 2", "worker")]
    answer = requests.get(up.address("8400") + "/readyz", timeout=30)

    assert answer.status_code == 503
    assert "No worker was seen" in answer.json()["detail"]
    codes += [up.stop(name) for name in ("web", "sandbox", "prefect")]
    assert set(codes) <= {0, -signal.SIGTERM, 128 + signal.SIGTERM}
