"""A wrong setting names its variable and what it may be; a secret setting never shows."""

import pytest

from adpulse import settings
from adpulse.errors import Usage
from adpulse.mail_server import MailServer
from adpulse.platforms.google.platform import GOOGLE
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.platforms.meta.platform import META


@pytest.fixture(autouse=True)
def _fresh():
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


def test_a_wrong_value_names_the_variable(monkeypatch):
    monkeypatch.setenv("ADPULSE_CALLS_PER_HOUR", "10001")

    with pytest.raises(Usage, match=r"ADPULSE_CALLS_PER_HOUR: .*10000"):
        settings.load()


def test_wrong_values_of_platforms_are_named_with_the_others(monkeypatch):
    monkeypatch.setenv("ADPULSE_CALLS_PER_HOUR", "10001")
    monkeypatch.setenv("ADPULSE_META_PAGE_SIZE", "0")
    monkeypatch.setenv("ADPULSE_GOOGLE_ACCESS", "sentinel")

    with pytest.raises(Usage, match=r"_CALLS_PER_HOUR: .*; ADPULSE_META_PAGE_SIZE: .*; ADPULSE_GOOGLE_ACCESS: .*standard") as refused:
        settings.load()
    assert "input was" not in str(refused.value)
    assert "sentinel" not in str(refused.value)


def test_each_platform_has_its_own_settings(monkeypatch, tmp_path):
    (tmp_path / "adpulse_meta_app_secret").write_text("sentinel-secret\n")
    monkeypatch.setenv("ADPULSE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("ADPULSE_META_VERSION", "v27.0")
    monkeypatch.setenv("ADPULSE_GOOGLE_TIMEOUT_SECONDS", "7")

    found = settings.load()

    assert found.of(META).version == "v27.0"
    assert found.of(META).app_secret.get_secret_value() == "sentinel-secret"
    assert found.of(GOOGLE).timeout_seconds == 7
    assert found.of(GOOGLE).version == GoogleSettings.model_fields["version"].default
    assert "sentinel" not in f"{found!r} {found.of(META)!r}"


def test_other_settings_for_one_platform_leave_those_of_the_others(monkeypatch):
    monkeypatch.setenv("ADPULSE_META_VERSION", "v27.0")
    before = settings.load()

    after = before.with_platform_settings(GoogleSettings(access="standard"))

    assert (after.of(GOOGLE).access, before.of(GOOGLE).access) == ("standard", "explorer")
    assert after.of(META).version == "v27.0"


def test_secrets_do_not_show_in_the_settings_repr(monkeypatch):
    monkeypatch.setenv("ADPULSE_SECRET_KEY", "sentinel-key")
    monkeypatch.setenv("ADPULSE_DATABASE_URL", "postgresql://u:sentinel-pw@127.0.0.1/x")
    monkeypatch.setenv("ADPULSE_PREFECT_DATABASE_URL", "postgresql://u:sentinel-pw@127.0.0.1/y")

    assert "sentinel" not in repr(settings.load())


def test_the_control_plane_lives_in_the_home_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("ADPULSE_HOME", str(tmp_path))

    assert settings.load().control_url == f"sqlite:///{tmp_path}/control.db"


def test_prefect_may_not_share_the_control_planes_database(monkeypatch):
    monkeypatch.setenv("ADPULSE_DATABASE_URL", "postgresql+psycopg://u:sentinel-pw@db:5432/adpulse")
    monkeypatch.setenv("ADPULSE_PREFECT_DATABASE_URL", "postgresql://u:sentinel-pw@db:5432/adpulse")

    with pytest.raises(Usage, match=r"ADPULSE_PREFECT_DATABASE_URL: .*of its own") as refused:
        settings.load()
    assert "sentinel" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["https://ads.example", "https://ads.example/adpulse/", "http://localhost:8400", "http://127.0.0.1:8400"]
)
def test_an_address_for_browsers_is_kept_without_its_last_slash(monkeypatch, address):
    monkeypatch.setenv("ADPULSE_PUBLIC_URL", address)

    assert settings.load().public_url == address.rstrip("/")


@pytest.mark.parametrize(
    "address", ["http://ads.example", "ads.example", "https://", "https://u:sentinel@ads.example", "https://ads.example/?a=1"]
)
def test_an_address_that_no_platform_sends_people_back_to_is_refused(monkeypatch, address):
    monkeypatch.setenv("ADPULSE_PUBLIC_URL", address)

    with pytest.raises(Usage, match="ADPULSE_PUBLIC_URL") as refused:
        settings.load()

    assert "sentinel" not in str(refused.value)


def test_a_setting_may_be_a_file_and_the_variable_comes_first(monkeypatch, tmp_path):
    (tmp_path / "adpulse_database_url").write_text("postgresql://u:sentinel-pw@127.0.0.1/x\n")
    (tmp_path / "adpulse_calls_per_hour").write_text("7")
    monkeypatch.setenv("ADPULSE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("ADPULSE_CALLS_PER_HOUR", "8")

    found = settings.load()

    assert found.control_url == "postgresql://u:sentinel-pw@127.0.0.1/x"
    assert found.calls_per_hour == 8
    assert "sentinel" not in repr(found)


def test_a_folder_of_secrets_that_is_not_there_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("ADPULSE_SECRETS_DIR", str(tmp_path / "nowhere"))

    with pytest.raises(Usage, match="ADPULSE_SECRETS_DIR: there is no folder"):
        settings.load()


SMTP = {"ADPULSE_SMTP_HOST": "mail.example.com", "ADPULSE_SMTP_FROM": "adpulse <adpulse@example.com>"}


@pytest.mark.parametrize(
    ("variables", "port"),
    [
        ({}, 587),
        ({"ADPULSE_SMTP_TLS": "tls"}, 465),
        ({"ADPULSE_SMTP_TLS": "tls", "ADPULSE_SMTP_PORT": "2465"}, 2465),
        ({"ADPULSE_SMTP_TLS": "none", "ADPULSE_SMTP_HOST": "localhost"}, 25),
        ({"ADPULSE_SMTP_TLS": "none", "ADPULSE_SMTP_UNENCRYPTED": "true"}, 25),
    ],
)
def test_a_mail_server_has_the_port_of_its_encryption(monkeypatch, variables, port):
    for name, value in (SMTP | variables).items():
        monkeypatch.setenv(name, value)

    server = MailServer.of(settings.load())

    assert (server.port, server.sender) == (port, ("adpulse", "adpulse@example.com"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ADPULSE_SMTP_TLS", "none", "ADPULSE_SMTP_UNENCRYPTED=true"),
        ("ADPULSE_SMTP_TLS", "maybe", "starttls"),
        ("ADPULSE_SMTP_FROM", "adpulse", "must be an address"),
        ("ADPULSE_SMTP_FROM", "adpulse@example.com\r\nBcc: spy@example.com", "must be an address"),
        ("ADPULSE_SMTP_USER", "adpulse", "needs ADPULSE_SMTP_PASSWORD"),
        ("ADPULSE_SMTP_PORT", "0", "greater than or equal to 1"),
    ],
)
def test_a_mail_server_that_cannot_be_is_refused(monkeypatch, name, value, said):
    for other, right in SMTP.items():
        monkeypatch.setenv(other, right)
    monkeypatch.setenv(name, value)

    with pytest.raises(Usage, match=f"{name}.*{said}"):
        settings.load()


def test_without_a_sender_there_is_no_mail_server(monkeypatch):
    monkeypatch.setenv("ADPULSE_SMTP_HOST", "mail.example.com")

    assert MailServer.of(settings.load()) is None
