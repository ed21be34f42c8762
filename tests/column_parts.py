"""Which parts go through which statement, of all that have a column for each metric."""

from columns import (
    changes,
    estimated,
    missing,
    remargined,
    running_day,
    spending,
    split,
    split_conversions,
    unknown,
    vanishing,
    whole_account,
)
from columns_of_costs import costs
from columns_of_delivery import delivered
from columns_of_remainders import beyond_campaigns, remaining

PARTS = {
    "analysis.sql": (changes, unknown, estimated, delivered, costs),
    "applied_since.sql": (spending,),
    "complete_leaves.sql": (split, split_conversions, unknown),
    "diff_metrics.sql": (changes, vanishing, unknown),
    "diff_not_by_campaign.sql": (beyond_campaigns, whole_account),
    "diff_unreported.sql": (changes, remargined, unknown),
    "history.sql": (changes,),
    "insert_intraday_points.sql": (running_day, unknown),
    "insert_remainder_changes.sql": (changes,),
    "kinds.sql": (changes, delivered, costs),
    "missing_entities.sql": (missing,),
    "update_metrics.sql": (changes,),
    "views.sql": (changes, remaining, unknown, estimated, delivered, costs),
}
"""The files with a term for each metric, and the parts that go through all of them."""

EVERY_PART = tuple(dict.fromkeys(part for parts in PARTS.values() for part in parts))
