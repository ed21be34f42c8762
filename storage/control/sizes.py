"""How much a connection's account holds: what its later reads cost depends on it. Step: telemetry."""

from sqlalchemy import update

from adpulse.model import Connection
from storage.control.database import Engine
from storage.control.tables import ConnectionRow


class Sizes:
    """The sizes of this installation's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set_walked(self, connection_id: str, *, ad_count: int, campaign_count: int) -> None:
        """Remember what a full walk counted."""
        self._set(connection_id, ad_count=ad_count, campaign_count=campaign_count)

    def set_asset_groups(self, connection_id: str, count: int) -> None:
        """Remember how many asset groups there are; their numbers are asked for unless it is none."""
        self._set(connection_id, asset_group_count=count)

    def set_estimate(self, connection: Connection, *, ads: int, campaigns: int) -> None:
        """Remember what a day's numbers show of the size of an account that no walk has read; the estimate never falls."""
        ads, campaigns = max(ads, connection.delivering_ads or 0), max(campaigns, connection.delivering_campaigns or 0)
        if (ads, campaigns) != (connection.delivering_ads, connection.delivering_campaigns):
            self._set(connection.id, delivering_ads=ads, delivering_campaigns=campaigns)

    def _set(self, connection_id: str, **values: int) -> None:
        with self._engine.begin() as session:
            session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(**values))
