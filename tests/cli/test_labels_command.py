"""``adpulse labels import`` sets the labels of a file's connections, all of them or none, after a dry run that judges each row."""

import json

import pytest


@pytest.fixture
def two(installation):
    """Two connections, the first with two labels."""
    first, second = installation.connect("Harbor Outdoor"), installation.connect("Alpenglow Reisen")
    installation.app.labels.change(first.id, lambda _: ["eu", "retail"])
    return first, second


@pytest.fixture
def listed(tmp_path):
    def write(*lines):
        path = tmp_path / "labels.csv"
        path.write_text("\n".join(lines))
        return str(path)

    return write


def labels(installation):
    return {view.connection.name: view.labels for view in installation.app.connections.all()}


def test_a_dry_run_judges_each_row_and_changes_nothing(adpulse, installation, two, listed):
    first, second = two
    before = labels(installation)
    path = listed(
        "connection,provider,account,labels",
        f"{first.id},,,eu;dach",
        f",google,{second.external_id[:3]}-{second.external_id[3:6]}-{second.external_id[6:]},",
        ",meta,999,eu",
        f"{first.name},,,eu",
        f"{'x' * 3},,,eu",
        f',google,{second.external_id},"a,b"',
    )

    code, out, _ = adpulse("labels", "import", path, "--json")

    rows = json.loads(out)
    assert (code, [row["verdict"] for row in rows]) == (1, ["changed", "unchanged", *["refused"] * 4])
    assert rows[0]["reason"] == "adds dach; removes retail"
    assert rows[2]["reason"] == "Account 999 is not connected in this workspace."
    assert labels(installation) == before
    assert adpulse("labels", "import", path, "--apply")[0] == 1
    assert labels(installation) == before, "a refused row prevents all"


def test_an_import_sets_exactly_the_labels_of_the_file(adpulse, installation, two, listed):
    first, second = two
    installation.app.labels.change(second.id, lambda _: ["stays"])
    path = listed("account,labels", f"{first.external_id},eu; dach ")

    assert "dry run" in adpulse("labels", "import", path)[1]
    code, out, _ = adpulse("labels", "import", path, "--apply")

    assert (code, "Connections with other labels now: 1." in out) == (0, True)
    assert labels(installation) == {first.name: ("dach", "eu"), second.name: ("stays",)}


@pytest.mark.parametrize("command", [("labels", "export"), ("export-connections",)], ids=str)
def test_what_was_exported_is_imported_again(adpulse, installation, two, tmp_path, command):
    before, path = labels(installation), tmp_path / "exported.csv"
    path.write_text(adpulse(*command)[1])
    installation.app.labels.replace({connection.id: ["other"] for connection in two})

    assert adpulse("labels", "import", str(path), "--apply")[0] == 0
    assert labels(installation) == before


@pytest.mark.parametrize("lines", [("name,labels", "x,eu"), ("connection", "x"), ("connection,labels,colour", "x,eu,red"), (",",)], ids=str)
def test_a_file_of_something_else_is_wrong_usage(adpulse, installation, listed, lines):  # noqa: ARG001 - commands work on its folder
    assert adpulse("labels", "import", listed(*lines))[0] == 2
