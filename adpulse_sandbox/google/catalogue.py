"""The contents of a Google Ads account: channels, conversion actions, and the fields of resources that never change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Facts = Mapping[str, Any]
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """An advertising channel: the kind of resource that delivers in it (``leaf``), and its rates."""

    leaf: str
    sub_type: str = "UNSPECIFIED"
    group_type: str = "UNSPECIFIED"
    ad_type: str = "UNSPECIFIED"
    bidding: str = "MAXIMIZE_CONVERSIONS"
    networks: tuple[tuple[str, int], ...] = (("SEARCH", 85), ("SEARCH_PARTNERS", 15))
    """The networks, each with its share in per cent."""
    click_rate: float = 0.03
    click_cost: float = 0.8
    viewed: bool = False


CHANNELS: Mapping[str, Channel] = {
    "SEARCH": Channel(leaf="ad_group_ad", group_type="SEARCH_STANDARD", ad_type="RESPONSIVE_SEARCH_AD"),
    "PERFORMANCE_MAX": Channel(leaf="asset_group", bidding="MAXIMIZE_CONVERSION_VALUE", networks=(("MIXED", 100),), click_rate=0.02),
    "DEMAND_GEN": Channel(
        leaf="ad_group_ad", ad_type="DEMAND_GEN_MULTI_ASSET_AD", networks=(("DISCOVER", 60), ("YOUTUBE", 40)), click_rate=0.012
    ),
    "VIDEO": Channel(
        leaf="ad_group_ad", group_type="VIDEO_RESPONSIVE", ad_type="VIDEO_RESPONSIVE_AD", networks=(("YOUTUBE", 100),), click_rate=0.004,
        click_cost=2.5, viewed=True,
    ),
    "SHOPPING": Channel(
        leaf="ad_group_ad", group_type="SHOPPING_PRODUCT_ADS", ad_type="SHOPPING_PRODUCT_AD", bidding="MANUAL_CPC", click_cost=0.4
    ),
    "MULTI_CHANNEL": Channel(leaf="ad_group", sub_type="APP_CAMPAIGN", bidding="TARGET_CPA", networks=(("MIXED", 100),)),
    "SMART": Channel(leaf="campaign", sub_type="SMART_CAMPAIGN", networks=(("MIXED", 100),)),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A conversion action. ``rate`` is conversions per click, ``channels`` the channels in which it happens (empty: all)."""

    id: int
    name: str
    category: str
    rate: float
    type: str = "WEBPAGE"
    source: str = "WEBPAGE"
    primary: bool = True
    channels: tuple[str, ...] = ()
    valued: bool = False
    whole: bool = False
    """Whether conversions count as whole numbers: last click, no data-driven attribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A resource of the whole account, such as a label."""

    kind: str
    name: str
    facts: Facts
    number: int | None = None


def leaf(channel: str) -> str:
    """The kind of resource that delivers in a channel."""
    return CHANNELS[channel].leaf


def actions(*, visits_count: bool) -> tuple[Action, ...]:
    """The conversion actions of an account; ``visits_count`` makes page views a primary one."""
    voiced, first_open = ("SEARCH", "SMART", "PERFORMANCE_MAX"), "FIREBASE_ANDROID_FIRST_OPEN"
    return (
        Action(id=900_001, name="Purchase", category="PURCHASE", rate=0.06, valued=True),
        Action(id=900_002, name="Lead form", category="SUBMIT_LEAD_FORM", rate=0.03),
        Action(
            id=900_003, name="Calls", category="PHONE_CALL_LEAD", rate=0.01, type="AD_CALL", source="AD_CALL_METRICS", whole=True,
            channels=voiced,
        ),
        Action(
            id=900_004, name="Qualified leads", category="QUALIFIED_LEAD", rate=0.008, type="UPLOAD_CLICKS", source="UPLOAD", whole=True
        ),
        Action(
            id=900_005, name="First open", category="DOWNLOAD", rate=0.25, type=first_open, source="FIREBASE", channels=("MULTI_CHANNEL",)
        ),
        Action(id=900_006, name="Page view", category="PAGE_VIEW", rate=0.7, primary=visits_count),
        Action(id=900_007, name="Add to cart", category="ADD_TO_CART", rate=0.12, primary=False),
    )  # fmt: skip


_CALLS = ("PHONE_CALL_LEAD",)
_UPLOADED = ("IMPORTED_LEAD", "QUALIFIED_LEAD", "CONVERTED_LEAD")


def own_actions(rates: Sequence[tuple[str, float]]) -> tuple[Action, ...]:
    """The conversion actions of an account that lives from these categories, each with its conversions per click. All are primary.

    The categories are those of the SDK's enum ``ConversionActionCategory``; ``MESSAGE_LEAD`` is in it from v26 on, earlier versions answer
    UNKNOWN.
    """
    kinds = {**dict.fromkeys(_CALLS, ("AD_CALL", "AD_CALL_METRICS")), **dict.fromkeys(_UPLOADED, ("UPLOAD_CLICKS", "UPLOAD"))}
    return tuple(
        Action(
            id=910_001 + number,
            name=category.replace("_", " ").capitalize(),
            category=category,
            rate=rate,
            type=kinds.get(category, ("WEBPAGE", ""))[0],
            source=kinds.get(category, ("", "WEBPAGE"))[1],
            whole=category in kinds,
        )
        for number, (category, rate) in enumerate(rates)
    )


_BASES = {
    "campaign": (20_000_000_000, 37), "ad_group": (150_000_000_000, 53), "ad_group_ad": (700_000_000_000, 71),
    "asset_group": (6_500_000_000, 43), "campaign_budget": (13_000_000_000, 29), "ad_group_criterion": (300_000_000_000, 17),
    "bidding_strategy": (9_000_000_000, 13), "label": (21_000_000_000, 11), "asset": (110_000_000_000, 19),
}  # fmt: skip


def node_id(kind: str, customer: int, index: int) -> int:
    """An id that is unique within the kind across all customers."""
    base, step = _BASES.get(kind, (1_000_000, 7))
    return base + customer * 10_000_000 + index * step


def shared(conversion_actions: Sequence[Action]) -> Iterator[Shared]:
    """The resources of every account: labels, assets, bidding strategies and its conversion actions."""
    for name, colour in (("Brand", "#0B8043"), ("Season", "#D50000")):
        yield Shared(kind="label", name=name, facts={"status": "ENABLED", "text_label.background_color": colour})
    for name in ("Fresh every day", "Free returns"):
        yield Shared(kind="asset", name=name, facts={"type": "TEXT", "text_asset.text": name, "source": "ADVERTISER"})
    strategy = {"type": "TARGET_CPA", "status": "ENABLED", "currency_code": "EUR"}
    for name in ("Portfolio", "Unused portfolio"):
        yield Shared(kind="bidding_strategy", name=name, facts=strategy)
    for action in conversion_actions:
        yield Shared(kind="conversion_action", name=action.name, facts=_action_facts(action), number=action.id)


def _action_facts(action: Action) -> Facts:
    return {
        "category": action.category,
        "type": action.type,
        "status": "ENABLED",
        "primary_for_goal": action.primary,
        "include_in_conversions_metric": action.primary,
        "counting_type": "MANY_PER_CLICK" if action.valued else "ONE_PER_CLICK",
        "click_through_lookback_window_days": 90,
        "attribution_model_settings.attribution_model": "GOOGLE_ADS_LAST_CLICK"
        if action.whole
        else "GOOGLE_SEARCH_ATTRIBUTION_DATA_DRIVEN",
    }


def budget(amount: int, channel: str) -> Facts:
    """A campaign's own budget."""
    return {
        "amount_micros": amount * _MICROS,
        "status": "ENABLED",
        "delivery_method": "STANDARD",
        "explicitly_shared": False,
        "reference_count": 1,
        "period": "DAILY",
        "type": "SMART_CAMPAIGN" if channel == "SMART" else "STANDARD",
    }


def campaign(channel: str, *, portfolio: bool) -> Facts:
    """A campaign of a channel; with ``portfolio`` it uses a shared bidding strategy."""
    facts = CHANNELS[channel]
    return {
        "advertising_channel_type": channel,
        "advertising_channel_sub_type": facts.sub_type,
        "bidding_strategy_type": "TARGET_CPA" if portfolio else facts.bidding,
        "serving_status": "SERVING",
        "final_url_suffix": "src=google",
        "tracking_url_template": "{lpurl}?utm_source=google",
        "payment_mode": "CLICKS",
        "experiment_type": "BASE",
        "network_settings.target_google_search": channel == "SEARCH",
        "contains_eu_political_advertising": "DOES_NOT_CONTAIN_EU_POLITICAL_ADVERTISING",
    }


def ad_group(channel: str) -> Facts:
    """An ad group of a channel."""
    return {"type": CHANNELS[channel].group_type, "cpc_bid_micros": 500_000, "effective_cpc_bid_micros": 500_000}


def ad(channel: str, index: int) -> Facts:
    """An ad of a channel; every 50th is disapproved."""
    disapproved = index % 50 == 49  # noqa: PLR2004 - every 50th
    facts: dict[str, Any] = {
        "ad.type": CHANNELS[channel].ad_type,
        "ad.final_urls": [f"https://shop.example/{index}"],
        "ad.final_url_suffix": "src=google",
        "ad.tracking_url_template": "{lpurl}?utm_source=google",
        "policy_summary.approval_status": "DISAPPROVED" if disapproved else "APPROVED",
        "policy_summary.review_status": "REVIEWED",
        "policy_summary.policy_topic_entries": [{"topic": "TRADEMARKS_IN_AD_TEXT", "type_": "PROHIBITED"}] if disapproved else [],
        "ad_strength": "GOOD",
    }
    if channel == "SEARCH":
        facts["ad.responsive_search_ad.headlines"] = [{"text": f"Headline {index}"}, {"text": "Fresh every day"}]
        facts["ad.responsive_search_ad.descriptions"] = [{"text": "Free returns"}]
    return facts


def asset_group(index: int) -> Facts:
    """An asset group of a Performance Max campaign."""
    return {"final_urls": [f"https://shop.example/pmax/{index}"], "path1": "deals", "ad_strength": "EXCELLENT"}


def keyword(group: int, index: int) -> Facts:
    """A keyword of a Search ad group."""
    return {
        "type": "KEYWORD",
        "status": "ENABLED",
        "negative": False,
        "keyword.text": f"word {group} {'abc'[index]}",
        "keyword.match_type": ("EXACT", "PHRASE")[index % 2],
    }


def location(index: int) -> Facts:
    """A campaign's targeted location."""
    code = (2276, 2840, 2826)[index % 3]
    return {"type": "LOCATION", "status": "ENABLED", "negative": False, "location.geo_target_constant": f"geoTargetConstants/{code}"}
