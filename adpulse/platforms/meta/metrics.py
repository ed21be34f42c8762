"""How Meta reports each metric, and how it is read from a row of an answer. Pure. Step: normalise."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from adpulse.metrics import MICROS
from adpulse.platforms.meta import shapes
from adpulse.platforms.meta.shapes import Row
from adpulse.refused_rows import LARGEST, RowRefused

PURCHASES = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")
LEADS = (
    "lead",
    "onsite_conversion.lead_grouped",
    "leadgen_grouped",
    "offsite_conversion.fb_pixel_lead",
    "onsite_web_lead",
    "onsite_conversion.lead",
    "leadgen.other",
)
INSTALLS = ("omni_app_install", "app_install", "mobile_app_install")
VISITORS = ("omni_landing_page_view", "landing_page_view")
"""Meta reports one event under several of these types: the first that is present counts all of them, a sum would double them.

``lead`` is "All offsite leads plus all On-Facebook leads", ``onsite_conversion.lead_grouped`` "All On-Facebook leads" and
``leadgen_grouped`` those "coming from Messenger and Instant Forms" (page "Ads Action Stats", grouped action types). The last three are
documented nowhere. A row recorded in a public client counts each lead under ``lead``, ``onsite_conversion.lead_grouped``,
``onsite_conversion.lead`` and ``onsite_web_lead`` alike; ``leadgen.other`` is the indicator that the field ``results`` has for ad sets that
are optimised for instant forms. So they count only where no type before them is present.
"""


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A row, and what its actions count and are worth, by type: the numbers of each ad set's own attribution setting."""

    fields: Row
    counts: Mapping[str, object]
    values: Mapping[str, object]

    @classmethod
    def of(cls, row: Row) -> "ActionRow":
        """The row with its actions by type."""
        return cls(row, shapes.actions(row, "actions"), shapes.actions(row, "action_values"))

    def count(self, field: str) -> int:
        """A field that counts; absent and null are zero."""
        value = self.fields.get(field)
        if value is None:
            return 0
        digits = str(value)
        if not (digits.isascii() and digits.isdecimal()):  # isdigit also takes ²
            raise RowRefused(f"{field}: not a count")
        if len(digits) > len(str(LARGEST)):
            raise RowRefused(f"{field}: too large")
        return int(digits)

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
        RowRefused: a value that cannot be read.
    """
    actions = ActionRow.of(row)
    silent = not leaf and row.get("actions") is None
    values = {name: None if silent and source.of_actions else source.read(actions) for name, source in SOURCES.items()}
    for name, value in values.items():
        if value is not None and abs(value) > LARGEST:
            raise RowRefused(f"{name}: too large")
    return values


def micros(value: object, field: str) -> int:
    """A platform's decimal string in millionths, exactly, rounded once where it is finer; absent is zero.

    Raises:
        RowRefused: not a finite number, or too large.
    """
    if value is None:
        return 0
    try:
        scaled = Decimal(str(value)) * MICROS
        if abs(scaled) > LARGEST:  # 1e999999999 would take all memory as an integer
            raise RowRefused(f"{field}: too large")
        if scaled != scaled.to_integral_value():
            scaled = scaled.quantize(Decimal(1), ROUND_HALF_EVEN)
        return int(scaled)
    except (ArithmeticError, ValueError):  # Decimal raises several kinds of the former
        raise RowRefused(f"{field}: not a number") from None


def _first(values: Mapping[str, object], types: Iterable[str]) -> int:
    present = next((action_type for action_type in types if action_type in values), None)
    return micros(values[present], present) if present else 0
