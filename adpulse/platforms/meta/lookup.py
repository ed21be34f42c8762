"""Looks up campaigns and ads that are missing from a report, in few calls. Step: fetch.

Edges list a hundred ids a call, but nothing that is deleted; a deleted object answers only by its own id, one call each (page "Manage
your ad object's status"). So the edges are called first, also for the parents of unlisted entities. What no edge lists is then requested
by its own id, parents first: everything below a deleted parent is deleted with it. A call by id settles a deleted
entity for good, so the next sync's calls are free for the rest.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adpulse.gone_statuses import GONE, GONE_STATUSES
from adpulse.missing_entities import MissingEntity
from adpulse.model import Level
from adpulse.platforms.meta.costs import LOOKUP_BY_ID, LOOKUP_EDGE_CALLS

IDS_A_CALL = 100
_RESERVED_FOR_ADS = 2
"""Calls by id reserved for ads: parents that live unlisted would otherwise take all calls of every lookup."""

_MOST_LISTED = LOOKUP_EDGE_CALLS * IDS_A_CALL

Row = Mapping[str, Any]
Key = tuple[Level, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupCalls:
    """The two calls of a lookup: the rows of an edge with these ids, and one node.

    A node is None when Meta says that it does not exist, and empty when Meta refuses to return it.
    """

    edge: Callable[[Level, list[str]], Sequence[Row]]
    node: Callable[[Level, str], Row | None]


@dataclass(slots=True)
class Lookup:
    """Meta's answers: rows of entities, and the status of those that came without a row."""

    rows: dict[Key, Row] = field(default_factory=dict)
    statuses: dict[Key, str] = field(default_factory=dict)
    _unlisted: dict[Level, list[str]] = field(default_factory=dict)
    _calls_left: int = LOOKUP_BY_ID

    def list(self, calls: LookupCalls, level: Level, ids: Iterable[str | None]) -> None:
        """Call the level's edge for these ids, up to the most of one lookup."""
        requested = sorted({external_id for external_id in ids if external_id})[:_MOST_LISTED]
        for start in range(0, len(requested), IDS_A_CALL):
            rows = calls.edge(level, requested[start : start + IDS_A_CALL])
            self.rows.update({(level, str(row["id"])): row for row in rows})
        self._unlisted[level] = [external_id for external_id in requested if (level, external_id) not in self.rows]

    def settle(self, calls: LookupCalls, level: Level, parents: Mapping[str, Sequence[Key]]) -> None:
        """Request unlisted entities by their own id, as far as the calls reach; not below a deleted parent.

        An entity that lives although no edge lists it has a status that reports are not filtered for either. Its missing rows mean
        nothing, and it stays as it is stored. So does what Meta refuses to return.
        """
        reserved = 0 if level is Level.AD else _RESERVED_FOR_ADS
        for external_id in self._unlisted[level]:
            if self._calls_left > reserved and not self.deleted_parent_status(parents.get(external_id, ())):
                self._calls_left -= 1
                row = calls.node(level, external_id)
                if row is None:
                    self.statuses[level, external_id] = GONE
                elif row.get("effective_status") in GONE_STATUSES:
                    self.rows[level, external_id] = row

    def deleted_parent_status(self, parents: Iterable[Key]) -> str | None:
        """The status of the first of these parents that was deleted; None if none was."""
        return next((status for parent in parents if (status := self._status_of(parent)) in GONE_STATUSES), None)

    def _status_of(self, key: Key) -> str | None:
        return self.rows[key]["effective_status"] if key in self.rows else self.statuses.get(key)

    def is_listed(self, key: Key) -> bool:
        """Whether an edge listed it."""
        return key in self.rows


def look_up(absent: Sequence[MissingEntity], calls: LookupCalls) -> Lookup:
    """Look up these entities. Those that do not fit into the calls of one lookup are missing from the result.

    At most ``LOOKUP_EDGE_CALLS`` calls for each of the three edges and ``LOOKUP_BY_ID`` by id.
    """
    lookup = Lookup()
    unsettled = [entity for entity in absent if not entity.deleted_parent_status]
    ads = {entity.external_id: entity for entity in unsettled if entity.level is Level.AD}
    lookup.list(calls, Level.AD, ads)
    unlisted = [entity for entity in ads.values() if not lookup.is_listed((Level.AD, entity.external_id))]
    campaigns = [entity.external_id for entity in unsettled if entity.level is Level.CAMPAIGN]
    lookup.list(calls, Level.CAMPAIGN, [*campaigns, *(entity.campaign_id for entity in unlisted)])
    lookup.list(calls, Level.AD_SET, [entity.ad_set_id for entity in unlisted])
    lookup.settle(calls, Level.CAMPAIGN, {})
    lookup.settle(calls, Level.AD_SET, {entity.ad_set_id: entity.parents[:1] for entity in unlisted if entity.ad_set_id})
    lookup.settle(calls, Level.AD, {entity.external_id: entity.parents for entity in unlisted})
    for entity in absent:
        status = entity.deleted_parent_status or lookup.deleted_parent_status(entity.parents)
        if status and (entity.level, entity.external_id) not in lookup.rows:
            lookup.statuses[entity.level, entity.external_id] = status
    return lookup
