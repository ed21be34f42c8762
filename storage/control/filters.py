"""The report filters that accounts accept, stored with their connections."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from adpulse.status_filter import ReportFilters, StatusFilter
from storage.control.database import Engine
from storage.control.tables import ConnectionRow


class Filters:
    """Stores how an account's reports are requested; what one process learned holds for all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, connection_id: str, filters: ReportFilters) -> None:
        """Store a connection's filters; one that was deleted meanwhile is ignored."""
        values = {
            "ad_filter": filters.ad.value,
            "campaign_filter": filters.campaign.value,
            "refused_fields": ",".join(sorted(filters.refused_fields)),
            "filters_noted_at": filters.noted_at,
        }
        with self._engine.begin() as session:
            session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(**values))


def filters_of(values: Mapping[str, Any]) -> ReportFilters:
    """The filters of a connection's row; the widest one where the account has refused none."""
    return ReportFilters(
        ad=StatusFilter(values["ad_filter"] or StatusFilter.EVERY),
        campaign=StatusFilter(values["campaign_filter"] or StatusFilter.EVERY),
        refused_fields=frozenset(filter(None, (values["refused_fields"] or "").split(","))),
        noted_at=values["filters_noted_at"],
    )
