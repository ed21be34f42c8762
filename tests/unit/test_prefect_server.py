"""The Prefect server asks for a password: its own, or the one of the setting."""

import json
import os
import re
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from adpulse import orchestrator, prefect_login, private_file, redact
from adpulse.errors import Usage
from adpulse.settings import Settings
from deployments import server


@pytest.fixture
def become(monkeypatch):
    """What the process would become: its environment."""
    became = []
    monkeypatch.setattr(os, "execve", lambda _program, _command, environment: became.append(environment))

    def run(config, host):
        server.become_server(config, host, 4200)
        return became[-1]

    return run


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "prefect"])  # noqa: S104 - it is refused
def test_without_a_password_nobody_else_may_reach_it(become, tmp_path, host):
    with pytest.raises(Usage, match="ADPULSE_PREFECT_AUTH"):
        become(Settings(home=tmp_path), host)


def test_its_secrets_are_told_in_its_environment_and_its_settings_are_ours_unless_one_is_set(become, tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS", "7")
    config = Settings(home=tmp_path, prefect_auth=SecretStr("ops:sentinel"), prefect_database_url=SecretStr("postgresql://u:pw@db/prefect"))

    environment = become(config, "0.0.0.0")  # noqa: S104 - a container's

    assert environment["PREFECT_SERVER_API_AUTH_STRING"] == "ops:sentinel"
    assert environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://u:pw@db/prefect"
    assert environment["PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS"] == "7"
    assert environment["PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS"] == "15"


def test_a_server_on_loopback_has_a_password_of_its_own(become, tmp_path):
    environment = become(Settings(home=tmp_path), "127.0.0.1")

    stored = tmp_path / "prefect" / "login"
    assert (
        environment["PREFECT_SERVER_API_AUTH_STRING"]
        == stored.read_text()
        == become(Settings(home=tmp_path), "::1")["PREFECT_SERVER_API_AUTH_STRING"]
    )
    assert re.fullmatch(r"adpulse:[\w-]{43}", stored.read_text())
    assert stored.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({"PREFECT_API_URL": "http://127.0.0.1:4200/api"}, True),
        ({"PREFECT_API_URL": "http://localhost:4200/api"}, True),
        ({"PREFECT_API_URL": "https://prefect.example.com/api"}, False),
        ({"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_KEY": "cloud"}, False),
        ({}, False),
    ],
)
def test_the_own_password_is_shown_to_a_server_on_this_machine_only(tmp_path, monkeypatch, variables, shown):
    login = prefect_login.own_login(tmp_path).get_secret_value()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    orchestrator.use_running_server(Settings(home=tmp_path))

    assert os.environ.get("PREFECT_API_AUTH_STRING") == (login if shown else None)
    assert redact.redact(f"it is {login}") == "it is adpulse:[redacted]" or not shown


def test_every_process_of_ours_shows_the_password(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    orchestrator.use_running_server(Settings(home=tmp_path))
    assert "PREFECT_API_AUTH_STRING" not in os.environ

    orchestrator.use_running_server(Settings(home=tmp_path, prefect_auth=SecretStr("ops:sentinel")))

    assert os.environ["PREFECT_API_AUTH_STRING"] == "ops:sentinel"


def test_a_key_of_prefects_cloud_keeps_no_command_from_the_server_of_adpulse_up(tmp_path, monkeypatch):
    login, address = prefect_login.own_login(tmp_path).get_secret_value(), {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}
    private_file.write(tmp_path / "prefect" / "server.json", json.dumps({"environment": address}))
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_of-a-cloud")

    orchestrator.use_running_server(Settings(home=tmp_path))

    assert (os.environ.get("PREFECT_API_AUTH_STRING"), os.environ.get("PREFECT_API_KEY")) == (login, None)


@pytest.mark.parametrize(("shown", "ticket"), [(None, True), ("ops:sentinel", True), ("ops:of-another", False)])
def test_a_link_has_a_ticket_of_the_setting_unless_another_password_is_shown(tmp_path, monkeypatch, shown, ticket):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    if shown:
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", shown)

    link = orchestrator.pages_link(Settings(home=tmp_path, prefect_auth=SecretStr("ops:sentinel")), "/runs", datetime.now(UTC))

    assert (prefect_login.TICKET_PATH in link) == ticket


def test_prefects_cloud_is_shown_its_key_and_not_the_password_of_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "https://api.prefect.cloud/api/accounts/a-1/workspaces/w-2")
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_sentinel")
    config = Settings(home=tmp_path, prefect_auth=SecretStr("ops:sentinel"))

    orchestrator.use_running_server(config)

    assert "PREFECT_API_AUTH_STRING" not in os.environ
    assert orchestrator.pages_link(config, "/runs", datetime.now(UTC)) == "https://app.prefect.cloud/account/a-1/workspace/w-2/runs"


@pytest.mark.parametrize(
    ("api", "pages"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200"),
        ("https://prefect.example.com/teams/api", "https://prefect.example.com/teams"),
        ("https://api.prefect.cloud/api/accounts/a-1/workspaces/w-2", "https://app.prefect.cloud/account/a-1/workspace/w-2"),
        ("https://api.stg.prefect.dev/api/accounts/a-1/workspaces/w-2/", "https://app.stg.prefect.dev/account/a-1/workspace/w-2"),
    ],
)
def test_links_lead_to_the_pages_of_a_server_and_of_a_workspace_in_the_cloud(monkeypatch, api, pages):
    monkeypatch.setenv("PREFECT_API_URL", api)

    assert orchestrator.pages_url() == pages


@pytest.mark.parametrize(("variable", "text"), [("PREFECT_API_KEY", "pnu_of-a-cloud"), ("PREFECT_API_AUTH_STRING", "ops:of-another")])
def test_what_the_environment_shows_to_another_server_is_kept_out_of_logs(tmp_path, monkeypatch, variable, text):
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.com/api")
    monkeypatch.setenv(variable, text)

    orchestrator.use_running_server(Settings(home=tmp_path))

    assert redact.redact(f"it is {text}") in ("it is [redacted]", "it is ops:[redacted]")
