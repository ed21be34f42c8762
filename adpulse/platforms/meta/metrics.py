"""How Meta reports each metric, and how it is read from a row of an answer. Pure. Step: normalise."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from adpulse.attribution import IN_WINDOWS, Attribution, parts
from adpulse.mapping import DEFAULT, RESULTS, Clicks, ConversionMapping, MappingRules
from adpulse.metrics import MICROS
from adpulse.platforms.meta import results, shapes
from adpulse.platforms.meta.export_columns import RESULTS_COLUMNS
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

_CHANNELS = ("total", "website", "mobile_app", "on_facebook", "offline")
_OF_CHANNELS = (
    "contact", "customize_product", "donate", "find_location", "schedule", "start_trial", "submit_application", "subscribe",
    "recurring_subscription_payment", "cancel_subscription",
)  # fmt: skip
FAMILIES = (
    (
        *PURCHASES, "onsite_conversion.purchase", "onsite_web_purchase", "onsite_web_app_purchase", "web_in_store_purchase",
        "web_app_in_store_purchase", "onsite_app_purchase", "app_custom_event.fb_mobile_purchase", "offline_conversion.purchase",
    ),
    (*LEADS, "offline_conversion.lead"),
    INSTALLS,
    VISITORS,
    (
        "omni_complete_registration", "complete_registration", "offsite_conversion.fb_pixel_complete_registration",
        "app_custom_event.fb_mobile_complete_registration",
    ),
    ("omni_add_to_cart", "add_to_cart", "offsite_conversion.fb_pixel_add_to_cart", "app_custom_event.fb_mobile_add_to_cart"),
    ("omni_initiated_checkout", "initiate_checkout", "offsite_conversion.fb_pixel_initiate_checkout"),
    ("omni_view_content", "view_content", "offsite_conversion.fb_pixel_view_content", "app_custom_event.fb_mobile_content_view"),
    ("call_confirm_grouped", "click_to_call_call_confirm"),
    *(tuple(f"{event}_{channel}" for channel in _CHANNELS) for event in _OF_CHANNELS),
)  # fmt: skip
"""Types that Meta reports for one event, the widest first. Sources: page "Ads Action Stats"; rows of real accounts in public clients, in
which all types of a purchase, or of a lead, have equal counts."""

_NO_RESULTS = frozenset({*VISITORS, *(kind for family in FAMILIES if "omni_view_content" in family for kind in family)})
_RESULTS = re.compile(
    r"(offsite_conversion|offline_conversion|app_custom_event)\.|onsite_conversion\.(messaging_conversation_started_|total_messaging_connection$)"
)

_TYPE = re.compile(r"[a-z0-9_]+(\.[A-Za-z0-9_]+)*", re.ASCII)
_OF_TWO_EVENTS = re.compile(r"_add_(meta_leads|20_s_calls)$")


def _is_result(action_type: str) -> bool:
    """Whether accounts advertise for it: an event of a family, of a pixel, an app or a shop, or a conversation.

    All others are what people do with an ad or a page, such as ``link_click``, ``post_engagement`` and ``video_view``, or arrive by it.
    """
    if action_type in _NO_RESULTS:
        return False
    return any(action_type in family for family in FAMILIES) or bool(_RESULTS.match(action_type))


def _refusal(action_type: str) -> str | None:
    """Why an action type cannot be counted; None if it can."""
    if _OF_TWO_EVENTS.search(action_type):
        return "Meta adds leads or calls to another event in it, so the same event would count twice."
    if not _TYPE.fullmatch(action_type):
        return "action types are written like onsite_conversion.lead_grouped."
    return None


_DEFAULT = ConversionMapping(
    name=DEFAULT,
    purchases=PURCHASES,
    leads=LEADS,
    installs=INSTALLS,
    visitors=VISITORS,
    conversions=("purchases", "leads", "installs"),
)
RULES = MappingRules(
    presets={
        DEFAULT: _DEFAULT,
        "purchases": ConversionMapping(
            name="purchases", purchases=PURCHASES, leads=LEADS, installs=INSTALLS, visitors=VISITORS, conversions=("purchases",)
        ),
        RESULTS: ConversionMapping(
            name=RESULTS, purchases=PURCHASES, leads=LEADS, installs=INSTALLS, visitors=VISITORS, conversions=(RESULTS,)
        ),
    },
    refusal=_refusal,
    families=FAMILIES,
    clicks=tuple(Clicks),
    results_columns=RESULTS_COLUMNS,
    attribution=IN_WINDOWS,
    is_result=_is_result,
)
"""What a mapping may count, and the presets."""


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A row, and what its actions count and are worth, by type and column, of which ``attribution`` says those that count."""

    fields: Row
    counts: Mapping[str, Row]
    values: Mapping[str, Row]
    attribution: Attribution = ()

    @classmethod
    def of(cls, row: Row, attribution: Attribution = ()) -> "ActionRow":
        """The row with its actions by type."""
        return cls(row, shapes.actions(row, "actions"), shapes.actions(row, "action_values"), attribution)

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

    def actions(self, *events: Iterable[str]) -> int:
        """How many actions there were, of each event under the first type that is present."""
        return sum(self._first(self.counts, types) for types in events)

    def worth(self, *events: Iterable[str]) -> int:
        """What the actions are worth, of each event under the first type that is present."""
        return sum(self._first(self.values, types) for types in events)

    def results(self) -> int | None:
        """How often what the ad is optimised for happened; None where that is unknown."""
        number = results.count(self.fields)
        return None if number is None else micros(number, results.FIELD)

    def _first(self, numbers: Mapping[str, Row], types: Iterable[str]) -> int:
        present = next((action_type for action_type in types if action_type in numbers), None)
        return attributed(numbers[present], present, self.attribution) if present else 0


@dataclass(frozen=True, slots=True)
class Source:
    """Where a metric comes from: the field to ask for, how it is read, and the same for people."""

    field: str
    read: Callable[[ActionRow], int | None]
    words: str

    @property
    def of_actions(self) -> bool:
        """Whether it comes with the actions, which Meta does not report at every level."""
        return self.field in ("actions", "action_values", results.FIELD)


def _words(events: Iterable[Iterable[str]]) -> str:
    return " plus ".join(f"the first present of {', '.join(f'`{action_type}`' for action_type in types)}" for types in events)


_CLICKS = {
    Clicks.ALL: ("clicks", "`clicks`: all of them, not only those that lead away from Meta"),
    Clicks.LINK: ("inline_link_clicks", "`inline_link_clicks`: those on links"),
}
"""Source: Insights API, fields ``clicks`` and ``inline_link_clicks``."""

_OWN_RESULTS = Source(results.FIELD, ActionRow.results, "`results`: what the ad is optimised for; null where that does not add up")

CLICK_FIELDS: Mapping[Clicks, str] = {kind: field for kind, (field, _) in _CLICKS.items()}
"""The field that reports each kind of clicks."""


@lru_cache(maxsize=256)
def sources(mapping: ConversionMapping = _DEFAULT) -> Mapping[str, Source]:
    """Every metric that Meta reports, by its name, as a mapping counts it."""
    clicks, clicks_words = _CLICKS[mapping.clicks]

    def counted(metric: str) -> Source:
        events = RULES.events(mapping.types(metric))
        return Source("actions", lambda row: row.actions(*events), f"`actions`: {_words(events)}")

    bought = RULES.events(mapping.purchases)
    return {
        "impressions": Source("impressions", lambda row: row.count("impressions"), "`impressions`"),
        "clicks": Source(clicks, lambda row: row.count(clicks), clicks_words),
        "spend": Source("spend", lambda row: micros(row.fields.get("spend"), "spend"), "`spend`"),
        "conversions": _OWN_RESULTS if mapping.counts_results else counted("conversions"),
        "revenue": Source("action_values", lambda row: row.worth(*bought), f"`action_values`: {_words(bought)}"),
        **{metric: counted(metric) for metric in ("leads", "installs", "purchases", "visitors")},
    }


SOURCES: Mapping[str, Source] = sources()

OPTIONAL_FIELDS = frozenset({results.FIELD})
"""The fields that a report can do without: what only they say is unknown then."""


def delivery_fields(mapping: ConversionMapping) -> tuple[str, ...]:
    """The fields of an answer's first half."""
    return tuple(dict.fromkeys(source.field for source in sources(mapping).values() if not source.of_actions))


def action_fields(mapping: ConversionMapping, *, leaf: bool, refused: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The fields of an answer's second half, without those of ``OPTIONAL_FIELDS`` that the account refuses.

    Results are requested of ads alone: no source says what they are of a campaign whose ad sets are optimised for different things.
    """
    fields = dict.fromkeys(source.field for source in sources(mapping).values() if source.of_actions)
    left_out = refused & OPTIONAL_FIELDS if leaf else OPTIONAL_FIELDS
    return tuple(field for field in fields if field not in left_out)


ACTION_FIELDS = action_fields(_DEFAULT, leaf=True)
"""The fields that list actions."""

WORDS: Mapping[str, str] = {name: source.words for name, source in SOURCES.items()} | {
    "conversions": "Purchases, leads and installs added up"
}
"""Where each metric comes from by the default mapping, for people."""


def read(row: Row, *, leaf: bool, mapping: ConversionMapping = _DEFAULT) -> dict[str, int | None]:
    """Every metric that Meta reports, of one row, as the mapping counts it.

    The windows of a mapping count instead of each ad set's own setting. Absent means zero for ads. In totals, a row without ``actions``
    may mean that Meta does not report them at this level (ad sets that attribute differently), so its action metrics are null: missing is
    not zero.

    Raises:
        RowRefused: a value that cannot be read.
    """
    actions = ActionRow.of(row, mapping.attribution)
    silent = not leaf and row.get("actions") is None
    values = {name: None if silent and source.of_actions else source.read(actions) for name, source in sources(mapping).items()}
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


def attributed(columns: Row, action_type: str, attribution: Attribution) -> int:
    """What an action counts or is worth, in millionths: by each ad set's own setting, or in chosen windows.

    An action without any of their columns happened in other windows, so it counts nothing. A landing page is viewed at once after the
    click, and only conversions are sure to have windows (page "Ads Action Stats"): without a column all of its views count.
    """
    chosen = parts(columns, attribution)
    if not attribution or (not chosen and action_type in VISITORS):
        return micros(columns.get("value"), action_type)
    return sum(micros(number, action_type) for number in chosen)
