"""The statuses that each of Meta's edges and reports is filtered by. Without a filter Meta leaves archived objects out. Step: fetch.

Edges refuse the status of deleted objects (error 100/1815001: Meta's blog of 2014-09-24, reported live 2026-05) and those of
another kind of object (100/1487561: issue 388 of facebook-python-business-sdk). Reports may be asked for deleted objects (page "Manage
your ad object's status").
"""

from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.campaign import Campaign

from adpulse.model import Level
from adpulse.status_filter import StatusFilter

DELETED = "DELETED"


def _values(names: type) -> tuple[str, ...]:
    return tuple(sorted(value for name, value in vars(names).items() if not name.startswith("_")))


_OF_LEVEL = {
    Level.CAMPAIGN: _values(Campaign.EffectiveStatus),
    Level.AD_SET: _values(AdSet.EffectiveStatus),
    Level.AD: _values(Ad.EffectiveStatus),
}


_GOALS = {Level.CAMPAIGN: _values(Campaign.Objective), Level.AD_SET: _values(AdSet.OptimizationGoal)}
_KNOWN = {"status": _OF_LEVEL, "objective": _GOALS}


def is_known(level: Level, field: str, value: str) -> bool:
    """Whether the SDK knows a value of an entity's column ``status`` or ``objective``."""
    return value in _KNOWN[field].get(level, ())


def edge_statuses(level: Level) -> list[str]:
    """What the edge of a level can list: every status of its objects but deleted."""
    return [status for status in _OF_LEVEL[level] if status != DELETED]


def report_filter(level: Level, chosen: StatusFilter) -> list[dict[str, object]]:
    """The filters of a report by the statuses of its objects; none where the account takes no such filter."""
    if chosen is StatusFilter.NONE:
        return []
    statuses = list(_OF_LEVEL[level]) if chosen is StatusFilter.EVERY else edge_statuses(level)
    return [{"field": f"{level.value}.effective_status", "operator": "IN", "value": statuses}]
