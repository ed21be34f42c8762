"""``adpulse import`` connects a list whole or not at all; ``adpulse export-connections`` writes one."""

import json

import pytest

from adpulse.errors import Conflict
from adpulse.services import importing
from adpulse.services.connection_file import read_list


@pytest.fixture
def listed(installation, tmp_path):
    """Writes a list of accounts, by their names in the sandbox; tokens are in files beside it."""
    for provider in ("meta", "google"):
        token = tmp_path / f"{provider}.token"
        token.write_text(installation.secret(provider).get_secret_value())
        token.chmod(0o600)
    world = installation.sandbox.world
    accounts = {"harbor": world.account("Harbor Outdoor").id, "corner": world.account("Corner Store 1").id}

    def write(*rows, header="provider,account,token_file,frequency,labels,margin", name="list.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *(row.format(**accounts) for row in rows)]))
        return path

    return write


def connections(installation):
    return {view.connection.external_id: view for view in installation.app.connections.all()}


def test_a_dry_run_judges_and_stores_nothing(adpulse, installation, listed):
    path = listed("meta,{harbor},meta.token,hourly,eu;retail,35%")

    code, out, _ = adpulse("import", str(path), "-w", "Acme", "--json")

    assert (code, [row["verdict"] for row in json.loads(out)]) == (0, ["new"])
    assert connections(installation) == {}


def test_an_import_connects_with_frequency_labels_and_margin_and_queues_the_first_sync(adpulse, installation, listed):
    path = listed("meta,act_{harbor},meta.token,hourly,eu; retail,35%")

    code, _, _ = adpulse("import", str(path), "-w", "Acme", "--apply")

    (view,) = connections(installation).values()
    assert (code, view.connection.frequency, view.labels, float(view.connection.gross_margin)) == (0, "hourly", ("eu", "retail"), 0.35)
    assert view.sync_status == "queued"


def test_one_refused_row_prevents_the_import_of_all(adpulse, installation, listed):
    path = listed(
        "meta,{harbor},meta.token,hourly,,",
        "meta,999,meta.token,hourly,,",
        "meta,{corner},meta.token,sometimes,,",
        "myspace,1,meta.token,,,",
        "meta,{harbor},meta.token,daily,,",
        "meta,{corner},missing.token,daily,,",
        "meta,{corner},meta.token,realtime,,",
        "meta,{corner},meta.token,daily,,150%",
        "meta,{corner},,daily,,",
    )

    code, out, error = adpulse("import", str(path), "-w", "Acme", "--apply", "--json")

    reasons = [row["reason"] for row in json.loads(out) if row["verdict"] == "refused"]
    words = ["reach", "sync frequency", "platform", "twice", "cannot be read", "not granted", "margin", "There is no token"]
    assert [word in reason for word, reason in zip(words, reasons, strict=True)] == [True] * 8
    assert (code, "8 of 9 rows are refused" in error) == (1, True)
    assert connections(installation) == {}


def test_what_is_connected_already_stays_as_it_is(adpulse, installation, listed):
    path = listed("meta,{harbor},meta.token,hourly,,")
    adpulse("import", str(path), "-w", "Acme", "--apply")
    again = listed("meta,{harbor},meta.token,daily,new,")

    code, out, _ = adpulse("import", str(again), "-w", "Acme", "--apply", "--json")

    (view,) = connections(installation).values()
    assert (code, json.loads(out)[0]["verdict"]) == (0, "exists")
    assert (view.connection.frequency, view.labels) == ("hourly", ())


def test_accounts_of_one_token_share_a_credential(adpulse, installation, listed):
    path = listed("meta,{harbor},meta.token,hourly,,", "meta,{corner},meta.token,hourly,,")

    adpulse("import", str(path), "-w", "Acme", "--apply")

    assert len({view.connection.credential_id for view in connections(installation).values()}) == 1
    assert len(connections(installation)) == 2


def test_when_the_last_row_cannot_be_stored_none_is(installation, listed):
    """Somebody connects an account of the list between the verdicts and the import."""
    path = listed("meta,{harbor},meta.token,hourly,,", "meta,{corner},meta.token,hourly,,")
    planned = importing.plan(installation.app, "Acme", read_list(path), path.parent, None)
    taken = next(new.facts.name for credential in planned.credentials for new in credential.connections[1:])
    installation.connect(taken)

    with pytest.raises(Conflict):
        importing.apply(installation.app, "Acme", planned, dispatcher=lambda *_: None)

    assert [view.connection.name for view in connections(installation).values()] == [taken]


def test_a_token_comes_from_standard_input(adpulse, installation, listed):
    path = listed("meta,{harbor},,hourly,,")

    code, out, _ = adpulse("import", str(path), "-w", "Acme", "--token-stdin", stdin=installation.secret("meta").get_secret_value())

    assert (code, "new" in out) == (0, True)


def test_a_token_file_that_others_can_read_is_refused(adpulse, listed):
    path = listed("meta,{harbor},meta.token,hourly,,")
    (path.parent / "meta.token").chmod(0o640)

    code, out, _ = adpulse("import", str(path), "-w", "Acme", "--json")

    assert (code, "chmod 600" in out) == (1, True)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("provider,account,token", "meta,1,2", "token_file"),
        ("provider,account,konto", "meta,1,2", "unknown columns: 'konto'"),
        ("provider", "meta", "no account"),
        ("provider,account", "meta,1,2", "more values than columns"),
    ],
)
def test_a_list_with_other_columns_is_refused(adpulse, listed, header, row, message):
    code, _, error = adpulse("import", str(listed(row, header=header)), "-w", "Acme")

    assert (code, message in error) == (2, True)


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_an_exported_list_is_imported_elsewhere(adpulse, installation, tmp_path, ending):
    connection = installation.connect("Harbor Outdoor", "daily")
    installation.app.labels.change(connection.id, lambda _: {"=eu", "retail"})
    (tmp_path / f"list.{ending}").write_text(adpulse("export-connections", *(["--json"] if ending == "json" else []))[1])
    other = installation.app.workspaces.create("Other")
    token = installation.secret("meta").get_secret_value()

    code, _, _ = adpulse("import", str(tmp_path / f"list.{ending}"), "-w", "Other", "--apply", "--token-stdin", stdin=token)

    (view,) = installation.app.connections.all(other.id)
    assert (code, view.connection.frequency, view.labels) == (0, "daily", ("=eu", "retail"))
    assert token not in (tmp_path / f"list.{ending}").read_text()
