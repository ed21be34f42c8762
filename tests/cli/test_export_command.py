"""``adpulse export`` and the exports after publications."""

import asyncio
import json
from urllib.parse import quote

import duckdb
import psycopg
import pytest

from adpulse import settings
from adpulse.bootstrap import app
from adpulse.errors import Usage
from adpulse.services.exporting import export_all
from flows.export import export


@pytest.fixture
def exporting(installation, tmp_path, monkeypatch):
    """An installation that exports into a folder after publications."""
    installation.synced()
    monkeypatch.setenv("ADPULSE_EXPORT_TO", str(tmp_path / "exports"))
    for cached in (settings.load, app):
        cached.cache_clear()
    return installation


def test_an_export_holds_the_published_rows_and_the_next_one_nothing(installation, adpulse, tmp_path):
    installation.synced()
    folder = tmp_path / "target"

    _, first, _ = adpulse("export", "-w", "Acme", "--to", str(folder), "--json")
    _, second, _ = adpulse("export", "-w", "Acme", "--to", str(folder))

    manifest = json.loads(first)
    with duckdb.connect(installation.app.published(installation.workspace.id), read_only=True) as copy:
        ((expected,),) = copy.sql("SELECT count(*) FROM daily").fetchall()
    assert manifest["views"]["daily"]["changed"] == expected > 0
    assert second == "Acme: nothing changed since the last export.\n"


def test_an_unknown_format_is_refused(adpulse, tmp_path):
    code, _, error = adpulse("export", "-w", "Acme", "--to", str(tmp_path), "--format", "xlsx")

    assert (code, "parquet, csv" in error) == (2, True)


def test_every_workspace_is_exported_into_a_folder_of_its_own(exporting, tmp_path):
    unpublished = exporting.app.workspaces.create("Nothing yet")

    exported = export_all(app())

    assert set(exported.manifests) == {exporting.workspace.id}
    assert (tmp_path / "exports" / exporting.workspace.id / "manifests" / "00000001.json").exists()
    assert not (tmp_path / "exports" / unpublished.id).exists()


def test_a_workspace_that_cannot_be_exported_is_named_and_fails_the_flow_run(exporting, tmp_path):
    blocked = tmp_path / "exports" / exporting.workspace.id
    blocked.parent.mkdir()
    blocked.write_text("a file where the folder should be")

    state = asyncio.run(export.fn())

    assert state.is_failed()
    assert state.message.startswith("Acme: The export to ")


def test_without_a_target_the_flow_says_which_setting_it_needs(installation):
    with pytest.raises(Usage, match="ADPULSE_EXPORT_TO"):
        export_all(installation.app)


def test_exports_to_postgresql_are_configured_once_and_their_password_is_nowhere(installation, adpulse, postgres, monkeypatch, caplog):
    installation.synced()
    with postgres.database() as address, psycopg.connect(address) as reader:
        monkeypatch.setenv("ADPULSE_EXPORT_TO", f"{address}?schema=Ads")
        for cached in (settings.load, app):
            cached.cache_clear()

        state = asyncio.run(export.fn())
        _, unchanged, _ = adpulse("export", "-w", "Acme")
        _, full, _ = adpulse("export", "-w", "Acme", "--full")
        code, _, refused = adpulse("export", "-w", "Acme", "--to", address)

        assert state.message == "1 workspaces had changes, 0 had none."
        assert unchanged == "Acme: nothing changed since the last export.\n"
        assert full.startswith("Acme: export 2.\n  daily: ")
        assert (code, "PGPASSWORD" in refused) == (2, True)
        ours = reader.execute('SELECT count(*), sum(spend), max(export) FROM "Ads".daily, "Ads".exports WHERE export = 2').fetchone()
        with duckdb.connect(installation.app.published(installation.workspace.id), read_only=True) as copy:
            assert copy.sql("SELECT count(*), sum(spend), 2 FROM daily").fetchone() == ours
        for text in (repr(app().settings), state.message, full, refused, caplog.text):
            assert postgres.password not in text
            assert quote(postgres.password, safe="") not in text
