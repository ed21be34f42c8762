"""compose.yaml and the Dockerfile hold together, and with the repository. The image itself is not built here."""

import re
import subprocess

import pytest
from compose.reading import ROOT, compose, dockerfile, env_file, in_order
from compose.specification import Compose
from pydantic import ValidationError
from typer.main import get_command

from adpulse.cli import cli
from adpulse.settings import sections, variable
from adpulse_sandbox.google import certificate, oauth
from adpulse_sandbox.meta import graph

COMPOSE = compose()
OURS = {name: service for name, service in COMPOSE.services.items() if service.image == "adpulse"}
ONCE = {"migrate", "deploy"}


def test_a_misspelt_key_is_refused():
    document = COMPOSE.model_dump(exclude_unset=True)
    document["services"]["web"]["helthcheck"] = {}

    with pytest.raises(ValidationError, match="helthcheck"):
        Compose.model_validate(document)


@pytest.mark.parametrize("name", OURS)
def test_each_service_runs_a_command_of_adpulse_with_options_that_it_has(name):
    program, words, *arguments = OURS[name].command
    options = {each for parameter in get_command(cli).commands[words].params for each in parameter.opts}

    assert program == "adpulse"
    assert {each for each in arguments if each.startswith("--")} <= options


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_few_rights_and_a_limit(name):
    service = OURS[name]

    assert (service.read_only, service.cap_drop, service.security_opt) == (True, ["ALL"], ["no-new-privileges:true"])
    assert service.tmpfs == ["/tmp"]  # noqa: S108 - the container's own
    assert service.deploy.resources.limits.memory


def test_what_goes_on_has_a_health_check_and_is_started_again_and_what_runs_once_is_not():
    assert {name for name, service in COMPOSE.services.items() if service.healthcheck is None} == ONCE
    assert {name for name, service in COMPOSE.services.items() if service.restart == "on-failure"} == ONCE


def test_who_waits_for_health_waits_for_something_that_tells_it_and_nobody_for_himself():
    for service in COMPOSE.services.values():
        for name, dependency in service.depends_on.items():
            needed = COMPOSE.services[name]
            assert not needed.profiles
            assert dependency.condition == ("service_completed_successfully" if name in ONCE else "service_healthy")
    assert set(in_order(COMPOSE.services)) == set(COMPOSE.services)


def test_every_volume_and_secret_is_declared_and_used():
    volumes = {volume.partition(":")[0] for service in COMPOSE.services.values() for volume in service.volumes}
    secrets = {secret for service in COMPOSE.services.values() for secret in service.secrets}

    assert {name for name in volumes if not name.startswith("./")} == set(COMPOSE.volumes)
    assert [name for name in volumes if name.startswith("./") and not (ROOT / name).exists()] == []
    assert secrets == set(COMPOSE.secrets)


def test_every_setting_it_names_is_there_and_none_is_a_secret():
    names = {name for service in OURS.values() for name in (*service.environment, *service.secrets)} | set(env_file("docker/sandbox.env"))
    ours = {name.upper() for name in names if name.upper().startswith("ADPULSE_")}
    known = {variable(section, name) for section in sections() for name in section.model_fields}
    text = (ROOT / "compose.yaml").read_text()

    assert ours - known == {"ADPULSE_SECRETS_DIR"}
    assert not re.search(r"password\s*[:=]\s*\w|://[^/\s]*@", text, re.IGNORECASE)


def test_the_prefect_server_is_known_by_the_name_that_the_others_call_it_by():
    called = {
        service.environment["PREFECT_API_URL"].removesuffix("/api") for service in OURS.values() if "PREFECT_API_URL" in service.environment
    }

    assert called == {OURS["prefect"].environment["ADPULSE_PREFECT_ORIGINS"]}


def test_the_sandboxs_settings_are_those_of_the_sandbox():
    told, command = env_file("docker/sandbox.env"), " ".join(OURS["sandbox"].command)

    assert (told["ADPULSE_GOOGLE_CLIENT_ID"], told["ADPULSE_GOOGLE_CLIENT_SECRET"]) == (oauth.CLIENT_ID, oauth.CLIENT_SECRET)
    assert (told["ADPULSE_META_APP_ID"], told["ADPULSE_META_APP_SECRET"]) == (graph.APP_ID, graph.APP_SECRET)
    assert "sandbox" in certificate._HOST_NAMES
    for name, option in (
        ("META_GRAPH_URL", "graph"),
        ("SANDBOX_URL", "control"),
        ("GOOGLE_ENDPOINT", "ads"),
        ("GOOGLE_TOKEN_URL", "token"),
        ("META_LOGIN_URL", "login"),
        ("GOOGLE_AUTH_URL", "login"),
    ):
        assert f"--{option}-port {re.search(r':([0-9]+)', told[f'ADPULSE_{name}'])[1]}" in command


def test_the_dockerfile_copies_what_is_there_and_nothing_that_is_kept_from_it():
    copied = [path for name, arguments in dockerfile() if name == "COPY" and "--from" not in arguments for path in arguments.split()[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert set(copied) == allowed
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_the_image_runs_as_nobody_special_in_the_folder_of_its_volume():
    names = [name for name, _ in dockerfile()]
    arguments = dict(dockerfile())

    assert arguments["USER"] == "10001:10001"
    assert names.index("USER") > len(names) - names[::-1].index("RUN") - 1
    assert f"adpulse:{dict(each.split('=', 1) for n, each in dockerfile() if n == 'ENV')['ADPULSE_HOME']}" in OURS["web"].volumes


def test_the_runtimes_lock_is_a_part_of_the_whole_lock():
    pins = [
        set(re.findall(r"^([\w.-]+==[^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements-runtime.lock", "requirements.lock")
    ]

    assert pins[0] < pins[1]
    assert not [pin for pin in pins[0] if pin.startswith(("pytest", "ruff", "mypy", "playwright"))]
    assert any(pin.startswith("setuptools==") for pin in pins[0])


def test_secrets_are_made_once_and_are_closed_to_others(tmp_path):
    folder = tmp_path / "secrets"

    def made():
        subprocess.run(["/bin/sh", ROOT / "docker" / "make-secrets.sh", folder], check=True)
        return {path.name: path.read_text() for path in folder.iterdir()}

    first = made()

    assert set(first) == set(COMPOSE.secrets)
    assert made() == first
    assert oct(folder.stat().st_mode)[-3:] == "700"
    assert len(first["postgres_password"]) == 48
    assert all(first["postgres_password"] in first[name] for name in first if name.endswith("database_url"))
