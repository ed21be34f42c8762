"""The filters of reports that accounts refused, remembered with their connections."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from adpulse.status_filter import ReportFilters, StatusFilter
from storage.control.database import Engine
from storage.control.tables import ConnectionRow


class Filters:
    """Notes by which statuses reports are filtered; every process asks with what one of them learned."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, connection_id: str, filters: ReportFilters) -> None:
        """Remember them; nothing happens to a connection that is gone meanwhile."""
        values = {"ad_filter": filters.ad.value, "campaign_filter": filters.campaign.value, "filters_noted_at": filters.noted_at}
        with self._engine.begin() as session:
            session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(**values))


def filters_of(told: Mapping[str, Any]) -> ReportFilters:
    """The filters of a row of connections; the widest where none was ever refused."""
    return ReportFilters(
        ad=StatusFilter(told["ad_filter"] or StatusFilter.EVERY),
        campaign=StatusFilter(told["campaign_filter"] or StatusFilter.EVERY),
        noted_at=told["filters_noted_at"],
    )
