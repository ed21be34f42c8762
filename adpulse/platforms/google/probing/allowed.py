"""What a recorded answer of Google may keep. Everything else is replaced. Pure."""

import re

from adpulse import zones
from adpulse.platforms.google.metrics import FIELDS
from adpulse.platforms.google.normalise import ACTION, CATEGORY
from adpulse.platforms.google.probing.conversation import camel
from adpulse.platforms.google.queries import ADS, ASSET_GROUPS, CAMPAIGNS, HIERARCHY, PROFILE
from adpulse.platforms.google.requests import ACTION_NAME, DATED_SPLIT, DATED_VALUE
from adpulse.platforms.words import WORDS, words_in
from adpulse.probe.redaction import Allowed

_SELECTED = (
    *(path for kind in HIERARCHY.values() for path in kind.fields.values()),
    *(path for report in (ADS, ASSET_GROUPS, CAMPAIGNS) for path in (*report.fields.values(), report.within)),
    *FIELDS.values(),
    DATED_SPLIT,
    DATED_VALUE,
    *(f"{resource}.{name}" for resource in ("customer", "customer_client") for name in PROFILE),
    *(f"change_status.{name}" for name in ("last_change_date_time", "resource_type", "campaign_budget", *HIERARCHY)),
    *(f"change_status.{kind.resource}" for kind in HIERARCHY.values()),
    CATEGORY,
    ACTION,
    ACTION_NAME,
    "segments.date",
)
_ENUMERATED = (
    "status", "primaryStatus", "advertisingChannelType", "advertisingChannelSubType", "biddingStrategyType", "type", "approvalStatus",
    "adStrength", "resourceType", "conversionActionCategory",
)  # fmt: skip
"""Fields that protobuf gives the names of an enumeration; a value that the SDK does not know comes as its number."""

_ZONES = "|".join(map(re.escape, sorted(zones.names(), key=len, reverse=True)))

ALLOWED = Allowed(
    fields=frozenset(camel(part) for path in _SELECTED for part in path.split("."))
    | words_in(
        """
        results fieldMask requestId queryResourceConsumption resourceName resourceNames summaryRow error message reason family code scope
        retry_seconds clientCustomer level
        """
    ),
    values={
        **dict.fromkeys(_ENUMERATED, re.compile(r"[A-Z][A-Z0-9_]{1,60}")),
        "currencyCode": re.compile(r"[A-Z]{3}"),
        "timeZone": re.compile(_ZONES),
        "fieldMask": re.compile(r"[a-zA-Z0-9_.]+(?:,[a-zA-Z0-9_.]+)*"),
        "family": re.compile(r"[a-z_]{1,60}"),
        "code": re.compile(r"[A-Z0-9_]{1,80}"),
        "reason": re.compile(r"[A-Z0-9_]{1,80}"),
        "scope": re.compile(r"[A-Z]{1,20}"),
    },
    numbers=frozenset({"queryResourceConsumption", "retry_seconds", "level"}),
    names={
        "campaign.name": "campaign",
        "adGroup.name": "ad group",
        "ad.name": "ad",
        "assetGroup.name": "asset group",
        "conversionActionName": "conversion action",
        "descriptiveName": "customer",
        "requestId": "request",
        "finalUrls": "url",
    },
    texts=frozenset({"error.message"}),
    words=WORDS
    | words_in(
        """
        login-customer-id cid ads googleads select where
        """
    )
    | frozenset(_SELECTED),
    headers=frozenset(),
    resources=words_in(
        """
        customers campaigns adGroups adGroupAds ads assetGroups labels campaignBudgets changeStatus customerClients conversionActions
        """
    ),
)
