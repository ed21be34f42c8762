"""Rows of a platform's answers that were refused: what they are about, as far as that can be told, and why. Pure. Steps: fetch, diff.

A refused row leaves what is stored of its entity and day as it is; the rest of the answer is stored.
"""

from dataclasses import dataclass
from datetime import date

LARGEST = 2**61
"""The largest number that is believed, in micros or as a count: sums of such rows still fit into 64 bits."""


class RowRefused(Exception):
    """A row cannot be stored. The message is the reason: the field, and what is wrong with it (``clicks: not a count``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was refused. Without an ``external_id`` its entity is unknown; rows of entities have no ``day``."""

    level: str
    external_id: str | None
    campaign_id: str | None = None
    day: date | None = None
    reason: str
