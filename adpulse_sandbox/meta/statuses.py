"""The statuses that each kind of object has, and which of them a request may name.

Source: Meta's reference pages "Campaign", "Ad Set" and "Ad" (field ``effective_status``). The lists are not taken from the SDK,
because a client that takes its lists from the SDK would then be compared with itself.
"""

from collections.abc import Iterable

from adpulse_sandbox.meta.errors import bad_status, deleted_requested
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN

_CAMPAIGN = ("ACTIVE", "PAUSED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES")
_AD_SET = (*_CAMPAIGN, "CAMPAIGN_PAUSED")
_AD = (*_AD_SET, "ADSET_PAUSED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED", "PENDING_BILLING_INFO")
EDGE_STATUSES = {CAMPAIGN: _CAMPAIGN, AD_SET: _AD_SET, AD: _AD}
"""The statuses that an edge accepts. /campaigns refuses the statuses of ads: issue 388 of facebook-python-business-sdk."""

DELETED = "DELETED"

HIDDEN_STATUSES = ("ARCHIVED", DELETED)
"""The statuses of objects that are not listed by default."""

_DELIVERY = {
    "ACTIVE": "active",
    "PAUSED": "inactive",
    "CAMPAIGN_PAUSED": "inactive",
    "ADSET_PAUSED": "inactive",
    "ARCHIVED": "archived",
    DELETED: "deleted",
}
"""The words of ``delivery_info`` by status. Meta's pages list the words without their meaning, which is inferred."""


def delivery_info(status: str) -> str:
    """The word of ``delivery_info`` for an effective status."""
    return _DELIVERY[status]


def check_edge(level: str, statuses: Iterable[object]) -> None:
    """Refuse statuses that an edge refuses: DELETED (Meta's blog, 2014-09-24; reported live 2026-05) and those of other objects.

    Raises:
        GraphError: a status is refused.
    """
    for status in statuses:
        if status == DELETED:
            raise deleted_requested()
        if status not in EDGE_STATUSES[level]:
            raise bad_status()


def check_report(level: str, statuses: Iterable[object]) -> None:
    """Refuse statuses that the level does not have. Reports accept DELETED (page "Manage your ad object's status").

    Raises:
        GraphError: objects of this level do not have a status.
    """
    for status in statuses:
        if status not in (*EDGE_STATUSES[level], DELETED):
            raise bad_status()
