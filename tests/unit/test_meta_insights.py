"""What Meta's reports are requested with."""

from datetime import date

import pytest
from connecting import unstored

from adpulse.metrics_request import MetricsRequest
from adpulse.model import FetchKind, Heat
from adpulse.platforms.meta.insights import parameters

DAY = date(2026, 3, 20)


@pytest.mark.parametrize(("kind", "filtered"), [(FetchKind.ADS, True), (FetchKind.CAMPAIGNS, True), (FetchKind.ACCOUNT, False)])
def test_reports_of_objects_are_filtered_by_status_and_the_accounts_totals_have_all_of_them(kind, filtered):
    asked = parameters(unstored(), MetricsRequest(kind=kind, heat=Heat.HOT, since=DAY, until=DAY))

    assert ("filtering" in asked) == filtered
