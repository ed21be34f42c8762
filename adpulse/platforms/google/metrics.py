"""How Google reports each metric: in a field, or as conversions of some categories. Pure. Step: normalise."""

from collections.abc import Mapping
from dataclasses import replace

from adpulse.attribution import BY_DATE
from adpulse.mapping import DEFAULT, KINDS, OWN, ConversionMapping, MappingRules

FIELDS: Mapping[str, str] = {
    "impressions": "metrics.impressions",
    "clicks": "metrics.clicks",
    "spend": "metrics.cost_micros",
    "conversions": "metrics.conversions",
    "revenue": "metrics.conversions_value",
}
"""Metrics that have a field, which every report has."""

_BY_CONVERSION_DATE: Mapping[str, str] = {
    "conversions": "metrics.conversions_by_conversion_date",
    "revenue": "metrics.conversions_value_by_conversion_date",
}
"""Of primary actions like the fields above; their date is the conversion's (comments of both fields in the SDK's ``Metrics``).

Public queries select them from ``campaign`` by category and action beside ``metrics.conversions``, and from ``ad_group_ad`` by action.
"""


def fields(mapping: ConversionMapping) -> Mapping[str, str]:
    """The field of each metric that has one, in the mapping's attribution."""
    return {**FIELDS, **(_BY_CONVERSION_DATE if mapping.attribution else {})}


def split_field(mapping: ConversionMapping) -> str:
    """The field that a report splits by category and action."""
    return fields(mapping)["conversions"]


LEADS = ("SUBMIT_LEAD_FORM", "PHONE_CALL_LEAD", "MESSAGE_LEAD", "BOOK_APPOINTMENT", "REQUEST_QUOTE", "CONTACT")
"""Imported, qualified and converted leads are later stages of a lead that is counted already.

``MESSAGE_LEAD`` is "a message or chat interaction to indicate interest in an advertiser's offering" (reference of
``ConversionActionCategoryEnum``); versions before v26 report it as UNKNOWN.
"""

CATEGORIES = (
    "DEFAULT", "PAGE_VIEW", "PURCHASE", "SIGNUP", "DOWNLOAD", "ADD_TO_CART", "BEGIN_CHECKOUT", "SUBSCRIBE_PAID", "IMPORTED_LEAD",
    *LEADS, "GET_DIRECTIONS", "OUTBOUND_CLICK", "ENGAGEMENT", "STORE_VISIT", "STORE_SALE", "QUALIFIED_LEAD", "CONVERTED_LEAD",
    "IN_APP_AD_REVENUE", "YOUTUBE_FOLLOW_ON_VIEWS",
)  # fmt: skip
"""The categories of conversion actions, of v26 (reference of ``ConversionActionCategoryEnum``)."""


def _refusal(kind: str) -> str | None:
    """Why a text is neither a category nor the id of a conversion action; None if it is one."""
    if kind in CATEGORIES or (kind.isascii() and kind.isdecimal()):
        return None
    return f"it is neither the id of a conversion action nor a category. Categories are: {', '.join(CATEGORIES)}."


_DEFAULT = ConversionMapping(
    name=DEFAULT, purchases=("PURCHASE",), leads=LEADS, installs=("DOWNLOAD",), visitors=("PAGE_VIEW",), conversions=(OWN,)
)
RULES = MappingRules(
    presets={DEFAULT: _DEFAULT, "purchases": replace(_DEFAULT, name="purchases", conversions=("purchases",))},
    refusal=_refusal,
    has_own_conversions=True,
    attribution=BY_DATE,
)
"""What a mapping may count, and the presets. Google has one kind of clicks, and reports each conversion under one action."""

REPORTED = (*FIELDS, *KINDS)
"""Every metric that Google reports."""

WORDS: Mapping[str, str] = {name: f"`{field}`" for name, field in FIELDS.items()} | {
    name: f"`metrics.conversions` of {', '.join(f'`{category}`' for category in _DEFAULT.types(name))}" for name in KINDS
}
"""Where each metric comes from by the default mapping, for people."""
