"""How often what each ad is optimised for happened: the truth that results of reports are compared with."""

from datetime import date, datetime

import numpy as np

from adpulse_sandbox.meta.truth import Day, Ints, Truth
from adpulse_sandbox.meta.world import Account

_UNKNOWN = ("OUTCOME_AWARENESS", "OUTCOME_ENGAGEMENT")
"""Objectives whose results do not add up, or are of several kinds."""


def true_results(truth: Truth, account_id: str, day: date, as_of: datetime) -> dict[str, int | None]:
    """The results of each ad that has a row, by its id, in millionths; None where they do not add up."""
    account, delivery = truth.account(account_id), truth.day_of(account_id, day, as_of)
    by_objective = {objective: _of_objective(account, delivery, objective) for objective in {ad.objective for ad in account.ads}}
    counted: dict[str, int | None] = {}
    for index in np.flatnonzero(delivery.reported).tolist():
        ad = account.ads[index]
        counts = by_objective[ad.objective]
        counted[ad.id] = None if counts is None else int(counts[index]) * 1_000_000
    return counted


def _of_objective(account: Account, day: Day, objective: str) -> Ints | None:
    """The results of ads with this objective; an account without purchases and leads lives from its first other type."""
    spec = account.spec
    if spec.lives_from and spec.purchase_types == () and not spec.lead_types:
        return day.clicks * spec.lives_from[0][1] // 100
    if objective in _UNKNOWN:
        return None
    known = {"OUTCOME_SALES": day.purchases, "OUTCOME_LEADS": day.leads, "OUTCOME_APP_PROMOTION": day.installs}
    return known.get(objective, day.clicks * 4 // 5)  # links get four clicks of five
