"""The businesses that own the accounts, and the people in them.

Source: Meta's reference pages "Business, Owned Ad Accounts", "Business, Client Ad Accounts" and "Ad Account, Assigned Users". An agency
owns the accounts with odd numbers; the others belong to a client that shares them with the agency.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adpulse_sandbox.meta.nodes import Source, constants
from adpulse_sandbox.meta.world import Account

TASKS = ("ADVERTISE", "ANALYZE", "DRAFT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """A business portfolio."""

    id: str
    name: str


AGENCY = Business(id="1270000000000301", name="Harbor Agency")
CLIENT = Business(id="1270000000000302", name="Nordlicht Group")
_PERSON = "1270000000000311"
"""The person's id within the agency."""


def business_of(account: Account) -> Business:
    """The business that owns an account."""
    return AGENCY if account.spec.number % 2 else CLIENT


def accounts_of_business(edge: str, accounts: Sequence[Account]) -> list[Account]:
    """The accounts that an edge of the agency lists, of those that the token reaches."""
    owner = AGENCY if edge == "owned_ad_accounts" else CLIENT
    return [account for account in accounts if business_of(account) is owner]


def business_source(business: Business) -> Source:
    """A business as a node."""
    return constants("Business", id=business.id, name=business.name, verification_status="verified")


def business_user_source() -> Source:
    """The token's person as a user of the agency."""
    return constants("BusinessUser", id=_PERSON, name="Sandbox User", business={"id": AGENCY.id, "name": AGENCY.name})


def assigned_user_source() -> Source:
    """The person as a user to whom an account is assigned: reads and edits ads, does not manage the account."""
    return constants("AssignedUser", id=_PERSON, name="Sandbox User", tasks=list(TASKS))
