"""A search for deleted campaigns stays within its calls, and asks first for what is most likely deleted."""

from datetime import UTC, datetime

import pytest

from adpulse.deleted_campaigns import DeletedSearch
from adpulse.platforms.meta.costs import DELETED_CAMPAIGN_CALLS
from adpulse.platforms.meta.deleted import DeletedCalls, campaigns_in, search_deleted

SINCE = datetime(2026, 3, 1, tzinfo=UTC)


class Account:
    """Its activities, the statuses of its campaigns, and what was asked."""

    def __init__(self, activities=(), **statuses):
        self.listed, self.statuses, self.asked = list(activities), statuses, []

    def search(self, *known, settled=(), listed=(), calls=100, since=SINCE):
        search = DeletedSearch(
            known=known,
            settled=frozenset(settled),
            listed=frozenset(listed),
            unlisted_statuses=frozenset({"ARCHIVED"}),
            since=since,
            calls=calls,
        )
        return search_deleted(search, DeletedCalls(activities=self.activities, node=self.node, totals=self.totals))

    def activities(self):
        self.asked.append("activities")
        return self.listed

    def node(self, campaign):
        self.asked.append(campaign)
        status = self.statuses.get(campaign)
        return None if status is None else {"id": campaign, "effective_status": status}

    def totals(self, campaign):
        self.asked.append(f"totals of {campaign}")
        return campaign


def changed(campaign, event="update_campaign_name", of="CAMPAIGN", extra="{}"):
    return {"object_id": campaign, "event_type": event, "object_type": of, "extra_data": extra}


def test_numbers_are_asked_of_campaigns_that_reports_leave_out_and_of_no_others():
    account = Account(k1="DELETED", k2="ACTIVE", k3="ARCHIVED")

    result = account.search("k1", "k2", "k3", "k4", since=None)

    assert account.asked == ["k1", "totals of k1", "k2", "k3", "totals of k3", "k4"]
    assert (result.totals, result.statuses) == (["k1", "k3"], {"k4": "GONE"})
    assert [row["id"] for row in result.rows] == ["k1", "k3"]


def test_what_is_known_to_be_deleted_is_not_asked_for_its_name_again():
    account = Account()
    account.search("k1", settled=["k1"], since=None)

    assert account.asked == ["totals of k1"]


@pytest.mark.parametrize("calls", range(DELETED_CAMPAIGN_CALLS + 3))
def test_a_search_keeps_within_its_calls_and_its_room(calls):
    statuses = {f"k{number:02}": "DELETED" for number in range(20)}
    account = Account(map(changed, statuses), **statuses)

    account.search(calls=calls)

    assert len(account.asked) <= min(calls, DELETED_CAMPAIGN_CALLS)
    assert len(account.asked) >= min(calls, DELETED_CAMPAIGN_CALLS) - 1


def test_activities_of_listed_campaigns_lead_nowhere_and_deletions_come_first():
    activities = [
        changed("k1"),
        changed("a1", of="AD", event="update_ad_run_status"),
        changed("k2", event="create_campaign_group"),
        changed("k3", event="update_campaign_run_status", extra='{"new_value":"Deleted"}'),
        changed("k1"),
        {"object_type": "CAMPAIGN"},
        "no activity",
    ]
    account = Account(activities, k1="ACTIVE", k3="DELETED")

    account.search(listed=["k2"])

    assert campaigns_in(activities) == ["k3", "k1", "k2"]
    assert account.asked == ["activities", "k3", "totals of k3", "k1"]
