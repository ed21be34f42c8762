"""The accounts that a credential reaches, as discovered before any of them is connected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adpulse.model import AccountFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredAccounts:
    """The accounts of a credential, what the platform counts its calls together with, and when it ends (business time; None: unknown)."""

    accounts: Sequence[AccountFacts]
    scope: str
    expires_at: datetime | None = None
