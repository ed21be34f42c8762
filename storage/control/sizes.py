"""The size of a connection's account, on which the cost of later reads depends. Step: telemetry."""

from sqlalchemy import update

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
        ads, campaigns = max(ads, connection.delivering_ads or 0), max(campaigns, connection.delivering_campaigns or 0)
        # Most days change nothing, and cost no write transaction.
        if (ads, campaigns) != (connection.delivering_ads, connection.delivering_campaigns):
            self._set(connection.id, delivering_ads=ads, delivering_campaigns=campaigns)

    def set_page_sizes(self, connection: Connection, sizes: PageSizes) -> None:
        """Store the page sizes that the account's reads have reached; nothing is written when they are stored already."""
        if sizes != connection.page_sizes:
            self._set(connection.id, report_page=sizes.report, walk_page=sizes.walk)

    def _set(self, connection_id: str, **values: int | None) -> None:
        with self._engine.begin() as session:
            session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(**values))
