"""A wrong setting names its variable and what it may be; a secret setting never shows."""

import pytest

from adpulse import settings
from adpulse.errors import Usage


@pytest.fixture(autouse=True)
def _fresh():
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


def test_a_wrong_value_names_the_variable(monkeypatch):
    monkeypatch.setenv("ADPULSE_CALLS_PER_HOUR", "200")

    with pytest.raises(Usage, match=r"ADPULSE_CALLS_PER_HOUR: .*180"):
        settings.load()


def test_secrets_do_not_show_in_the_settings_repr(monkeypatch):
    monkeypatch.setenv("ADPULSE_SECRET_KEY", "sentinel-key")
    monkeypatch.setenv("ADPULSE_DATABASE_URL", "postgresql://u:sentinel-pw@127.0.0.1/x")

    assert "sentinel" not in repr(settings.load())


def test_the_control_plane_lives_in_the_home_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("ADPULSE_HOME", str(tmp_path))

    assert settings.load().control_url == f"sqlite:///{tmp_path}/control.db"
