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
    assert app.cadences([stored])[stored.id].limited_by == "one read takes 3 calls of the account's 180 an hour"
    assert small_pages.differences(connection) == []
