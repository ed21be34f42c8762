"""Entities that are missing from a complete answer, and entity rows that hold nothing but a status."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from adpulse.entities import ENTITY_SCHEMA
from adpulse.model import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingEntity:
    """A campaign or leaf with stored numbers that is missing from a complete answer, and its parents as far as they are stored."""

    level: Level
    external_id: str
    campaign_id: str | None = None
    ad_set_id: str | None = None
    deleted_parent_status: str | None = None
    """The status of a parent that was deleted or removed; None if no parent is known to be."""

    @property
    def parents(self) -> tuple[tuple[Level, str], ...]:
        """The campaign and the ad set that it is in, as far as they are known."""
        if self.level is Level.CAMPAIGN:
            return ()
        above = ((Level.CAMPAIGN, self.campaign_id), (Level.AD_SET, self.ad_set_id))
        return tuple((level, external_id) for level, external_id in above if external_id)


def status_rows(connection_id: str, statuses: Mapping[tuple[Level, str], str]) -> pa.Table:
    """ENTITY_SCHEMA rows with a status only, by level and id. They leave the other stored columns of these entities as they are."""
    keys = list(statuses)
    nothing = [None] * len(keys)
    columns = [[connection_id] * len(keys), [level for level, _ in keys], [external_id for _, external_id in keys], nothing, nothing]
    return pa.table([*columns, list(statuses.values()), nothing, ["{}"] * len(keys)], schema=ENTITY_SCHEMA)
