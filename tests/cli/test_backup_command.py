"""`adpulse backup` says what it took, and what is not in it."""

import json

from storage import backup_folder


def test_backup_says_where_it_is_and_that_the_keys_are_not_in_it(adpulse, installation, tmp_path):
    code, out, _ = adpulse("backup", str(tmp_path / "new"))

    assert code == 0
    assert f"{tmp_path / 'new'}, read back and verified" in " ".join(out.split())
    assert f"keep a copy of {installation.app.settings.home / 'secret.key'}" in " ".join(out.split())


def test_backup_reports_as_json(adpulse, tmp_path):
    _, out, _ = adpulse("backup", str(tmp_path / "new"), "--json")

    fields = json.loads(out)
    assert fields["folder"] == str(tmp_path / "new")
    assert fields["at"] == backup_folder.verify(tmp_path / "new").at


def test_a_folder_that_is_no_backup_is_refused_in_one_sentence(adpulse, tmp_path):
    code, _, err = adpulse("restore", f"{tmp_path}/")

    assert (code, err.count("\n")) == (2, 1)
    assert "is no complete backup" in err


def test_a_workspace_whose_name_has_a_slash_is_no_folder(adpulse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Acme").mkdir()
    adpulse("workspace", "create", "Acme/EU")

    said = {name: adpulse("restore", name, "--force") for name in ("Acme", "Acme/EU", "Acme/US")}

    assert {name: code for name, (code, _, _) in said.items()} == {"Acme": 0, "Acme/EU": 0, "Acme/US": 2}
    assert all("There was no copy to restore" in said[name][1] for name in ("Acme", "Acme/EU"))
    assert "There is no workspace 'Acme/US'" in said["Acme/US"][2]
