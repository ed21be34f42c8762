"""What a sync needs from a platform; declared here, implemented once per platform. Step: fetch."""

from collections.abc import Callable, Sequence
from typing import Protocol

import pyarrow as pa

from adpulse.absent import Absent
from adpulse.model import AccountFacts, Connection, Fetch
from adpulse.names import Numbers

CallSlot = Callable[[], None]
"""Takes one slot of the account's sliding hour; called before each request, raises RateLimited when none is free."""


class PlatformClient(Protocol):
    """One credential's view of a platform. Every method is blocking; every call takes a slot first."""

    @property
    def scope(self) -> str:
        """What the platform counts this credential's calls together with, as far as it is known by now."""
        ...

    def accounts(self, slot: CallSlot) -> list[AccountFacts]:
        """Every account the credential reaches, managers too."""
        ...

    def facts(self, connection: Connection, slot: CallSlot) -> AccountFacts:
        """What the platform says about the connection's account now."""
        ...

    def entities(self, connection: Connection, fetch: Fetch, slot: CallSlot) -> pa.Table:
        """ENTITY_SCHEMA rows: all of them, or those changed since ``fetch.changed_since``."""
        ...

    def page_size(self, connection: Connection) -> int | None:
        """Rows of metrics that are asked for per page at present, which is what a read costs; None where answers come whole."""
        ...

    def look_up(self, connection: Connection, absent: Sequence[Absent], slot: CallSlot) -> pa.Table:
        """ENTITY_SCHEMA rows of these, deleted ones too, maybe of their parents; GONE is what the platform no longer knows.

        Those that would take too many calls are missing.
        """
        ...

    def metrics(self, connection: Connection, fetch: Fetch, slot: CallSlot) -> Numbers:
        """METRIC_SCHEMA rows of the fetch's days, complete or an error, and the names that came with them."""
        ...
