"""``adpulse analytics`` and ``adpulse.open_analytics`` find the published copies by their workspaces' names."""

import pytest

import adpulse as package
from adpulse.errors import Usage
from deployments.sweep import Sweep


@pytest.fixture
def linked(installation):
    """An installation with a published copy that the sweep has linked."""
    installation.synced()
    Sweep(installation.app)._link()
    return installation


@pytest.mark.usefixtures("linked")
def test_the_file_of_each_workspace_is_printed_and_opens(adpulse):
    _, out, _ = adpulse("analytics")

    name, path = out.split()
    assert name == "acme"
    with package.open_analytics(path) as analytics:
        assert analytics.sql("SELECT count(*) AS rows FROM daily").to_pylist()[0]["rows"] > 0


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("reference", [["Acme"], ["acme"], []])
def test_a_workspace_is_opened_by_its_name(reference):
    with package.open_analytics(*reference) as analytics:
        (row,) = analytics.sql("SELECT DISTINCT workspace, currency FROM daily").to_pylist()

    assert row["workspace"] == (reference or ["acme"])[0]


def test_the_lines_for_other_programs_name_the_link(adpulse, linked):
    _, out, _ = adpulse("analytics", linked.workspace.id, "Acme", "--sql")

    assert f"/acme-{linked.workspace.id[:8]}.duckdb' AS acme (READ_ONLY);" in out


@pytest.mark.usefixtures("linked")
def test_an_unknown_workspace_is_refused():
    with pytest.raises(Usage, match="no published copy of a workspace 'Umbrella'"):
        package.open_analytics("Umbrella")
