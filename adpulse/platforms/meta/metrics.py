"""How Meta reports each metric, and how it is read from a row of an answer. Pure. Step: normalise."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from adpulse.errors import Unavailable
from adpulse.metrics import MICROS

Row = Mapping[str, Any]

PURCHASES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")
LEADS = ("lead", "onsite_conversion.lead_grouped", "offsite_conversion.fb_pixel_lead")
INSTALLS = ("omni_app_install", "app_install", "mobile_app_install")
VISITORS = ("omni_landing_page_view", "landing_page_view")
"""Meta reports one event under several of these types: the first that is present counts all of them, a sum would double them."""


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A row, and what its actions count and are worth, by type: the numbers of each ad set's own attribution setting."""

    fields: Row
    counts: Mapping[str, str]
    values: Mapping[str, str]

    @classmethod
    def of(cls, row: Row) -> "ActionRow":
        """The row with its actions by type."""
        return cls(row, _actions(row, "actions"), _actions(row, "action_values"))

    def count(self, field: str) -> int:
        """A field that counts; absent is zero."""
        value = self.fields.get(field, "0")
        if not str(value).isdecimal():  # isdigit also takes ²
            raise Unavailable(f"Meta sent something that is not a count in the field {field}.", "malformed")
        return int(value)

    def actions(self, *kinds: Iterable[str]) -> int:
        """How many actions there were, of each kind under the first type that is present."""
        return sum(_first(self.counts, types) for types in kinds)

    def worth(self, types: Iterable[str]) -> int:
        """What the actions of the first type that is present are worth."""
        return _first(self.values, types)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a metric comes from: the field to ask for, how it is read, and the same for people."""

    field: str
    read: Callable[[ActionRow], int]
    words: str

    @property
    def of_actions(self) -> bool:
        """Whether it comes with the actions, which Meta does not report at every level."""
        return self.field in ("actions", "action_values")


def _any_of(types: Iterable[str]) -> str:
    return f"the first present of {', '.join(f'`{action_type}`' for action_type in types)}"


SOURCES: Mapping[str, Source] = {
    "impressions": Source("impressions", lambda row: row.count("impressions"), "`impressions`"),
    "clicks": Source("clicks", lambda row: row.count("clicks"), "`clicks`: all of them, not only those that lead away from Meta"),
    "spend": Source("spend", lambda row: micros(row.fields.get("spend"), "spend"), "`spend`"),
    "conversions": Source("actions", lambda row: row.actions(PURCHASES, LEADS, INSTALLS), "Purchases, leads and installs added up"),
    "revenue": Source("action_values", lambda row: row.worth(PURCHASES), f"`action_values`: {_any_of(PURCHASES)}"),
    "leads": Source("actions", lambda row: row.actions(LEADS), f"`actions`: {_any_of(LEADS)}"),
    "installs": Source("actions", lambda row: row.actions(INSTALLS), f"`actions`: {_any_of(INSTALLS)}"),
    "purchases": Source("actions", lambda row: row.actions(PURCHASES), f"`actions`: {_any_of(PURCHASES)}"),
    "visitors": Source("actions", lambda row: row.actions(VISITORS), f"`actions`: {_any_of(VISITORS)}"),
}
"""Every metric that Meta reports, by its name."""

DELIVERY_FIELDS = tuple(dict.fromkeys(source.field for source in SOURCES.values() if not source.of_actions))
ACTION_FIELDS = tuple(dict.fromkeys(source.field for source in SOURCES.values() if source.of_actions))
"""What an answer must have for all of them, in two halves."""

WORDS: Mapping[str, str] = {name: source.words for name, source in SOURCES.items()}


def read(row: Row, *, leaf: bool) -> dict[str, int | None]:
    """Every metric that Meta reports, of one row.

    Absent means zero for ads. In totals, a row without ``actions`` may mean that Meta does not report them at this level
    (ad sets that attribute differently), so its action metrics are null: missing is not zero.

    Raises:
        Unavailable: a value that is not a number.
    """
    actions = ActionRow.of(row)
    silent = not leaf and "actions" not in row
    return {name: None if silent and source.of_actions else source.read(actions) for name, source in SOURCES.items()}


def micros(value: object, field: str) -> int:
    """A platform's decimal string in millionths, exactly; absent is zero.

    Raises:
        Unavailable: not a finite number, or finer than a millionth.
    """
    if value is None:
        return 0
    try:
        scaled = Decimal(str(value)) * MICROS
        if scaled != scaled.to_integral_value():
            scaled = scaled.quantize(Decimal(1), ROUND_HALF_EVEN)
        return int(scaled)
    except (InvalidOperation, ValueError, OverflowError):
        raise Unavailable(f"Meta sent something that is not a number in the field {field}.", "malformed") from None


def _actions(row: Row, field: str) -> dict[str, str]:
    """Action type → ``value``; the columns of attribution windows are parts of it."""
    return {action["action_type"]: action["value"] for action in row.get(field, ()) if "value" in action}


def _first(values: Mapping[str, str], types: Iterable[str]) -> int:
    present = next((action_type for action_type in types if action_type in values), None)
    return micros(values[present], present) if present else 0
