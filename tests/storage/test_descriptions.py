"""What the published copy says of connections beside their numbers: what was true when it was published, whoever writes."""

from dataclasses import replace

import duckdb
import pytest

from adpulse.budgets import Budget, Period
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus
from adpulse.workspace_description import ConnectionDescription, WorkspaceDescription
from storage.files import exclusive
from storage.warehouse.analytics import read
from storage.warehouse.schema import latest
from storage.warehouse.warehouse import Warehouse

FIRST = ConnectionDescription(
    connection_id="c1", name="Account c1", frequency=Frequency.HOURLY, labels=("Client A", "EU"), status=ConnectionStatus.ACTIVE
)
SECOND = replace(FIRST, connection_id="c2", name="Account c2", labels=(), frequency=Frequency.DAILY)
UNSYNCED = replace(FIRST, connection_id="c3", name="Account c3")
OF_LABEL = Budget(
    id="b1", workspace_id="w", connection_id=None, label="EU", campaign_id="", currency="USD", period=Period.DAILY, amount=1_000_000
)
OF_FIRST = replace(OF_LABEL, id="b2", connection_id="c1", label="")
OF_UNSYNCED = replace(OF_LABEL, id="b3", connection_id="c3", label="")


def description(said):
    """Connections and budgets in one list, as what publishes is given them."""
    connections = tuple(one for one in said if isinstance(one, ConnectionDescription))
    return WorkspaceDescription(connections=connections, budgets=tuple(one for one in said if isinstance(one, Budget)))


@pytest.fixture
def described(workspace, build):
    """What is said of the connections, in a list that a test changes; two of them have numbers, and a third has none."""
    said = [FIRST, SECOND, UNSYNCED]
    workspace.warehouse = Warehouse(workspace.path, workspace.published, describe=lambda: description(said))
    workspace.sync(*(build.run(build.ads({"connection_id": name, "spend": 1}), connection_id=name) for name in ("c1", "c2")))
    workspace.warehouse.publish(min_interval_seconds=0)
    return said


def shown(workspace, columns="name, frequency, labels, status, paused"):
    return [tuple(row.values()) for row in read(workspace.published, f"SELECT {columns} FROM connections ORDER BY id").to_pylist()]


@pytest.mark.usefixtures("described")
def test_a_published_copy_has_what_is_said_of_each_connection_that_has_numbers(workspace):
    assert shown(workspace) == [
        ("Account c1", "hourly", ["Client A", "EU"], "active", False),
        ("Account c2", "daily", [], "active", False),
    ]


def test_a_change_reaches_the_copy_without_a_sync_and_alone(workspace, described):
    others = "id, provider, external_id, currency, timezone, gross_margin, mapping, mapping_since, attribution"
    before = shown(workspace, others), workspace.rows("FROM raw.metric_facts")
    described[:2] = [replace(FIRST, status=ConnectionStatus.PAUSED, labels=()), replace(SECOND, name="Second", frequency=Frequency.HOURLY)]

    workspace.warehouse.describe()

    assert workspace.warehouse.publish(min_interval_seconds=0)
    assert shown(workspace) == [("Account c1", "hourly", [], "paused", True), ("Second", "hourly", [], "active", False)]
    assert (shown(workspace, others), workspace.rows("FROM raw.metric_facts")) == before


@pytest.mark.parametrize(
    "change",
    [{"name": "Other"}, {"frequency": Frequency.DAILY}, {"labels": ("B",)}, {"status": ConnectionStatus.PAUSED}],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_one_thing_alone_is_published(workspace, described, change):
    described[0] = replace(FIRST, **change)
    workspace.warehouse.describe()
    ((name, value),) = change.items()

    assert workspace.warehouse.publish(min_interval_seconds=0)
    assert shown(workspace, name)[0] == ([*value] if name == "labels" else value,)


@pytest.mark.usefixtures("described")
def test_what_is_said_as_before_is_not_published_again(workspace):
    with exclusive(workspace.path.with_suffix(".lock"), 0):
        assert workspace.warehouse.describe()  # and the file is not opened for it

    assert not workspace.warehouse.publish(min_interval_seconds=0)


def test_nobody_waits_for_a_file_that_is_being_written(workspace, described):
    described[0] = replace(FIRST, status=ConnectionStatus.PAUSED)
    with exclusive(workspace.path.with_suffix(".lock"), 0):
        assert not workspace.warehouse.describe()

    assert workspace.warehouse.describe()
    workspace.warehouse.publish(min_interval_seconds=0)
    assert shown(workspace, "paused") == [(True,), (False,)]


def test_a_sync_that_began_before_a_change_does_not_take_it_back(workspace, build, described):
    described[0] = replace(FIRST, name="Renamed", status=ConnectionStatus.PAUSED)
    workspace.warehouse.describe()
    workspace.sync(build.run(build.ads({"spend": 2}), generation=2))
    workspace.warehouse.publish(min_interval_seconds=0)

    assert shown(workspace, "name, status")[0] == ("Renamed", "paused")


def test_without_a_file_nothing_is_made(workspace):
    workspace.warehouse.describe()

    assert workspace.files() in ([], ["w.lock"])


@pytest.mark.usefixtures("described")
def test_a_file_of_before_has_the_status_once_it_is_published(workspace, build):
    workspace.downgrade(19)
    workspace.sync(build.run(build.ads({"spend": 2}), generation=2))
    unpublished = workspace.rows("SELECT status, paused FROM connections ORDER BY id")
    workspace.warehouse.publish(min_interval_seconds=0)

    assert unpublished == [(None, None), (None, None)]
    assert shown(workspace, "status, paused") == [("active", False), ("active", False)]
    with duckdb.connect(workspace.published, read_only=True) as copy:
        assert copy.sql("SELECT max(version) FROM schema_version").fetchall() == [(latest(),)]


def budgets(workspace):
    return [row["id"] for row in read(workspace.published, "SELECT id FROM raw.budgets ORDER BY id").to_pylist()]


@pytest.mark.parametrize(
    ("said_before", "said", "shown"),
    [
        ([], [OF_LABEL, OF_FIRST], ["b1", "b2"]),
        ([OF_LABEL, OF_FIRST], [OF_FIRST], ["b2"]),
        ([OF_LABEL], [replace(OF_LABEL, id="b4", amount=2)], ["b4"]),
        ([], [OF_UNSYNCED, OF_FIRST], ["b2"]),
    ],
)
def test_a_change_of_a_budget_is_published_without_a_sync(workspace, described, said_before, said, shown):
    described.extend(said_before)
    workspace.warehouse.describe()
    workspace.warehouse.publish(min_interval_seconds=0)
    described[3:] = said
    workspace.warehouse.describe()

    assert workspace.warehouse.publish(min_interval_seconds=0)
    assert budgets(workspace) == shown
    with exclusive(workspace.path.with_suffix(".lock"), 0):
        assert workspace.warehouse.describe()  # and what is said as before is not written again
    assert not workspace.warehouse.publish(min_interval_seconds=0)


def test_of_an_erased_connection_no_budget_is_left_and_those_of_labels_stay(workspace, described):
    described.extend([OF_LABEL, OF_FIRST])
    workspace.warehouse.describe()
    workspace.warehouse.erase("c1")

    assert budgets(workspace) == ["b1"]
