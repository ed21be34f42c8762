"""How Google reports each metric: in a field, or as conversions of some categories. Pure. Step: normalise."""

from collections.abc import Mapping

FIELDS: Mapping[str, str] = {
    "impressions": "metrics.impressions",
    "clicks": "metrics.clicks",
    "spend": "metrics.cost_micros",
    "conversions": "metrics.conversions",
    "revenue": "metrics.conversions_value",
}
"""Metrics that have a field, which every report has."""

CATEGORIES: Mapping[str, str] = {
    "PURCHASE": "purchases",
    **dict.fromkeys(("SUBMIT_LEAD_FORM", "PHONE_CALL_LEAD", "MESSAGE_LEAD", "BOOK_APPOINTMENT", "REQUEST_QUOTE", "CONTACT"), "leads"),
    "DOWNLOAD": "installs",
    "PAGE_VIEW": "visitors",
}
"""Conversion category → metric. Imported, qualified and converted leads are later stages of a lead that is counted already.

``MESSAGE_LEAD`` is "a message or chat interaction to indicate interest in an advertiser's offering" (reference of
``ConversionActionCategoryEnum``); versions before v26 report it as UNKNOWN.
"""

KINDS = tuple(dict.fromkeys(CATEGORIES.values()))
"""The metrics that are kinds of conversions."""

REPORTED = (*FIELDS, *KINDS)
"""Every metric that Google reports."""

WORDS: Mapping[str, str] = {name: f"`{field}`" for name, field in FIELDS.items()} | {
    name: f"`metrics.conversions` of {', '.join(f'`{category}`' for category, metric in CATEGORIES.items() if metric == name)}"
    for name in KINDS
}
