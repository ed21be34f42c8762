"""Which statuses each kind of object has, and which of them a request may ask for.

Written from Meta's reference pages "Campaign", "Ad Set" and "Ad" (field ``effective_status``), never from the SDK: a client that
takes its lists from there would be compared with itself.
"""

from collections.abc import Iterable

from adpulse_sandbox.meta.errors import bad_status, deleted_asked
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN

_CAMPAIGN = ("ACTIVE", "PAUSED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES")
_AD_SET = (*_CAMPAIGN, "CAMPAIGN_PAUSED")
_AD = (*_AD_SET, "ADSET_PAUSED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED", "PENDING_BILLING_INFO")
LISTED = {CAMPAIGN: _CAMPAIGN, AD_SET: _AD_SET, AD: _AD}
"""What an edge can be asked for. An ad's statuses are refused by /campaigns: issue 388 of facebook-python-business-sdk."""

DELETED = "DELETED"


def check_edge(level: str, statuses: Iterable[object]) -> None:
    """Refuse what an edge refuses: deleted objects (Meta's blog, 2014-09-24; reported live 2026-05), and statuses of other objects.

    Raises:
        GraphError: with the body that Meta sends.
    """
    for status in statuses:
        if status == DELETED:
            raise deleted_asked()
        if status not in LISTED[level]:
            raise bad_status()


def check_report(level: str, statuses: Iterable[object]) -> None:
    """Refuse what the level does not have; reports may be asked for deleted objects (page "Manage your ad object's status").

    Raises:
        GraphError: a status that objects of this level do not have.
    """
    for status in statuses:
        if status not in (*LISTED[level], DELETED):
            raise bad_status()
