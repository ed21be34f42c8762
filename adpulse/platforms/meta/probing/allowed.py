"""What a recorded answer of Meta may keep. Everything else is replaced. Pure."""

import re

from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adactivity import AdActivity
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.campaign import Campaign

from adpulse import zones
from adpulse.platforms.meta.metrics import INSTALLS, LEADS, PURCHASES, VISITORS
from adpulse.platforms.words import WORDS, words_in
from adpulse.probe.redaction import Allowed

_ENUMERATIONS = (
    Ad.EffectiveStatus, Ad.ConfiguredStatus, AdSet.EffectiveStatus, AdSet.OptimizationGoal, AdSet.BillingEvent, AdSet.BidStrategy,
    Campaign.EffectiveStatus, Campaign.Objective, Campaign.BidStrategy,
)  # fmt: skip
_BUYING_TYPES = ("AUCTION", "RESERVED", "FIXED_PRICE", "MIXED")
_ACTION_TYPES = (
    *PURCHASES, *LEADS, *INSTALLS, *VISITORS, "link_click", "page_engagement", "post_engagement", "post_reaction", "post", "comment",
    "like", "video_view", "outbound_click", "onsite_conversion.purchase", "onsite_conversion.lead", "onsite_conversion.post_save",
    "onsite_conversion.messaging_conversation_started_7d", "offsite_content_view_add_meta_leads", "leadgen.other", "add_to_cart",
    "initiate_checkout", "view_content", "complete_registration", "search", "omni_add_to_cart", "omni_initiated_checkout",
    "omni_view_content", "omni_complete_registration", "omni_search", "offsite_conversion.fb_pixel_add_to_cart",
    "offsite_conversion.fb_pixel_view_content", "offsite_conversion.fb_pixel_initiate_checkout",
    "offsite_conversion.fb_pixel_complete_registration", "offsite_conversion.fb_pixel_search", "offsite_conversion.fb_pixel_custom",
    "onsite_web_purchase", "onsite_web_app_purchase", "onsite_web_lead", "web_in_store_purchase", "web_app_in_store_purchase",
)  # fmt: skip
_STATES = ("Job Not Started", "Job Started", "Job Running", "Job Completed", "Job Failed", "Job Skipped")
_ERROR_TYPES = ("OAuthException", "GraphMethodException", "FacebookApiException", "Exception")
_USE_CASES = ("ads_insights", "ads_management", "custom_audience", "instagram", "leadgen", "messenger", "pages")
_TIERS = ("development_access", "standard_access")
_WINDOWS = ("default", "1d_click", "7d_click", "28d_click", "1d_view", "1d_ev", "7d_view", "dda", "skan_click", "skan_view")


def _one_of(values: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(set(values), key=len, reverse=True))))


def _enumerated(*enumerations: type) -> tuple[str, ...]:
    """The values of the SDK's enumerations: an unknown one is replaced, as it may be anything."""
    known = [value for names in enumerations for name, value in vars(names).items() if not name.startswith("_")]
    return tuple(value for value in known if isinstance(value, str))


_ENUMERATION = _one_of((*_enumerated(*_ENUMERATIONS), *_BUYING_TYPES))
_INDICATORS = tuple(f"{prefix}{kind}" for kind in _ACTION_TYPES for prefix in ("", "actions:", "cost_per_action_type:"))

ALLOWED = Allowed(
    fields=words_in(
        """
        data paging cursors before after next previous id account_id name currency timezone_name account_status status effective_status
        configured_status created_time updated_time adlabels objective buying_type bid_strategy daily_budget lifetime_budget spend_cap
        campaign_id campaign_name adset_id adset_name ad_id ad_name optimization_goal billing_event attribution_spec event_type
        window_days creative link_url object_story_spec url_tags page_id instagram_user_id link_data video_data message link picture
        call_to_action type value image_hash description caption title account_name account_currency spend impressions clicks actions
        action_values action_type date_start date_stop results indicator values attribution_windows attribution_setting reach frequency
        cpc cpm ctr inline_link_clicks cost_per_action_type outbound_clicks website_ctr 1d_click 7d_click 28d_click 1d_view 7d_view 1d_ev
        report_run_id async_status async_percent_completion is_running time_ref error error_code error_message error_subcode
        error_user_title error_user_msg code is_transient fbtrace_id error_data call_count total_cputime total_time
        estimated_time_to_regain_access ads_api_access_tier acc_id_util_pct app_id_util_pct reset_time_duration summary total_count
        headers body amount_spent balance budget_remaining start_time stop_time timezone_id timezone_offset_hours_utc submit running
        object_id object_type event_time extra_data
        """
    ),
    values={
        **dict.fromkeys(("status", "effective_status", "configured_status", "objective", "buying_type"), _ENUMERATION),
        **dict.fromkeys(("bid_strategy", "optimization_goal", "billing_event"), _ENUMERATION),
        "event_type": _one_of(("CLICK_THROUGH", "VIEW_THROUGH", "ENGAGED_VIDEO_VIEW", *_enumerated(AdActivity.EventType))),
        "object_type": _one_of(("ACCOUNT", "AD", "AD_SET", "CAMPAIGN")),
        "action_type": _one_of(_ACTION_TYPES),
        "indicator": _one_of(_INDICATORS),
        "attribution_windows": _one_of(_WINDOWS),
        "attribution_setting": re.compile(r"(?:\d+d_(?:click|view|ev)_?)+|multiple|skan|default"),
        "currency": re.compile(r"[A-Z]{3}"),
        "account_currency": re.compile(r"[A-Z]{3}"),
        "timezone_name": _one_of(zones.names()),
        "async_status": _one_of(_STATES),
        "type": _one_of((*_ERROR_TYPES, *_USE_CASES)),
        "ads_api_access_tier": _one_of(_TIERS),
    },
    numbers=words_in(
        """
        account_status window_days async_percent_completion code error_code error_subcode call_count total_cputime total_time
        estimated_time_to_regain_access acc_id_util_pct app_id_util_pct reset_time_duration timezone_offset_hours_utc
        """
    ),
    names={
        "campaign_name": "campaign",
        "adset_name": "ad set",
        "ad_name": "ad",
        "account_name": "account",
        "name": "name",
        "adlabels.name": "label",
        "before": "cursor",
        "after": "cursor",
        "next": "next page",
        "previous": "next page",
        "action_type": "action type",
    },
    texts=frozenset({"error.message", "error_message", "error_user_title", "error_user_msg", "x-ad-api-version-warning"}),
    words=WORDS
    | words_in(
        """
        adaccount adaccounts assigned_ad_accounts user systemuser page application adset adsets insights effective_status run_status
        appsecret_proof access_token ads_management ads_read business_management campaign_id adset_id ad_id fields filtering limit
        updated_time time_range date_start date_stop actions action_values impressions clicks spend level oauth graph
        """
    ),
    headers=frozenset(
        {
            "facebook-api-version", "x-ad-api-version-warning", "x-business-use-case-usage", "x-ad-account-usage", "x-app-usage",
            "x-fb-ads-insights-throttle",
        }
    ),
)  # fmt: skip
