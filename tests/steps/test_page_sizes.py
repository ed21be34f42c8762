"""Pages grow on the real path, and everything that reckons with calls reckons with them."""

import pytest
from installation import Installation

from adpulse.frequency import Frequency
from adpulse.model import PageSizes


@pytest.fixture
def small_pages(sandbox, tmp_path):
    made = Installation(tmp_path / "home", sandbox, ADPULSE_META_PAGE_SIZE="30", ADPULSE_META_LARGEST_PAGE="120")
    yield made
    made.close()


def test_a_synced_account_is_planned_and_paced_by_the_pages_that_its_reads_have_reached(small_pages):
    connection = small_pages.connect("Harbor Outdoor")
    small_pages.sync(connection)
    app = small_pages.app
    app.workspaces.grant_realtime(small_pages.workspace.id)
    app.connections.set_frequency(connection.id, Frequency.REALTIME)
    stored = app.connections.get(connection.id).connection
    (group,) = app.connections.groups_of(stored.scope, 30)

    assert stored.page_sizes == PageSizes(report=120, walk=120)
    assert group.size.page_sizes == stored.page_sizes
    assert app.cadences([stored])[stored.id].interval == Frequency.REALTIME.interval
    assert small_pages.differences(connection) == []


def test_what_delivers_is_remembered_and_only_a_whole_day_lowers_it(small_pages):
    connection, sizes = small_pages.connect("Harbor Outdoor"), small_pages.app.sizes

    def after(**read):
        sizes.set_delivering(small_pages.app.connections.get(connection.id).connection, campaigns=2, **read)
        return small_pages.app.connections.get(connection.id).connection.delivering_ads

    assert after(ads=3, whole_day=False) is None
    assert [after(ads=ads, whole_day=whole) for ads, whole in ((90, True), (40, False), (95, False), (60, True))] == [90, 90, 95, 60]
