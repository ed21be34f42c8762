"""The size of a connection's account, on which the cost of later reads depends. Step: telemetry."""

from sqlalchemy import or_, update

from adpulse.model import Connection, PageSizes
from storage.control.database import Engine
from storage.control.tables import ConnectionRow


class Sizes:
    """The sizes of this installation's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set_walked(self, connection_id: str, *, ad_count: int, campaign_count: int) -> None:
        """Store the counts of a full walk."""
        self._set(connection_id, ad_count=ad_count, campaign_count=campaign_count)

    def set_asset_groups(self, connection_id: str, count: int) -> None:
        """Store the number of asset groups; with none, their metrics are not requested."""
        self._set(connection_id, asset_group_count=count)

    def set_estimate(self, connection: Connection, *, ads: int, campaigns: int) -> None:
        """Raise the estimated size of an account that no walk has read, by the counts of one day's metrics; it is never lowered."""
        known = connection.delivering_ads, connection.delivering_campaigns
        if None not in known and ads <= (known[0] or 0) and campaigns <= (known[1] or 0):
            return  # most days change nothing, and cost no write transaction
        counts = {ConnectionRow.delivering_ads: ads, ConnectionRow.delivering_campaigns: campaigns}
        with self._engine.begin() as session:
            for column, count in counts.items():
                is_less = or_(column.is_(None), column < count)
                session.execute(update(ConnectionRow).where(ConnectionRow.id == connection.id, is_less).values({column: count}))

    def set_delivering(self, connection: Connection, *, ads: int, campaigns: int | None, whole_day: bool) -> None:
        """Store how much delivers on a day, by the last reads; only those of a ``whole_day`` lower the stored counts."""
        before = connection.delivering_ads, connection.delivering_campaigns
        after = ads, connection.delivering_campaigns if campaigns is None else campaigns
        if not whole_day:
            if connection.delivering_ads is None:
                return
            after = max(ads, connection.delivering_ads), max(after[1] or 0, before[1] or 0)
        if after != before:
            self._set(connection.id, delivering_ads=after[0], delivering_campaigns=after[1])

    def set_page_sizes(self, connection: Connection, sizes: PageSizes) -> None:
        """Store the page sizes that the account's reads have reached; nothing is written when they are stored already."""
        if sizes != connection.page_sizes:
            self._set(connection.id, report_page=sizes.report, walk_page=sizes.walk)

    def _set(self, connection_id: str, **values: int | None) -> None:
        with self._engine.begin() as session:
            session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(**values))
