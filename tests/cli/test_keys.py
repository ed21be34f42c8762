"""Keys by the command line: shown once, listed without their secret, ended at once."""


def test_a_key_is_made_listed_and_revoked(adpulse):
    code, told, err = adpulse("keys", "create", "dashboard", "--role", "editor", "--days", "30")
    text = told.strip()
    prefix = text[:12]
    assert code == 0
    assert "shown only now" in err
    assert text not in err

    code, out, _ = adpulse("keys", "list")
    assert code == 0
    assert f"{prefix} dashboard editor Acme until " in " ".join(out.split())
    assert text not in out

    assert adpulse("keys", "revoke", prefix)[1] == f"Key {prefix} (dashboard) is revoked.\n"
    assert "revoked" in adpulse("keys", "list")[1]
    assert adpulse("keys", "revoke", "adp_none")[0] == 2


def test_with_several_workspaces_one_must_be_named_but_not_for_an_operator(adpulse, installation):
    installation.app.workspaces.create("Borealis")

    code, _, err = adpulse("keys", "create", "dashboard")
    assert code == 2
    assert "Acme, Borealis" in err
    assert adpulse("keys", "create", "dashboard", "--workspace", "Borealis")[0] == 0
    assert adpulse("keys", "create", "ops", "--role", "operator")[0] == 0
    assert "ops operator every workspace active" in " ".join(adpulse("keys", "list")[1].split())
