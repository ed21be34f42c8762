"""Runs dlt's sources for Facebook Ads and Google Ads, as ingestr ships them; prints rows or an error by stream as one line of JSON."""

import json
import sys
from datetime import datetime

import dlt
from facebook_business.exceptions import FacebookRequestError
from google.ads.googleads.client import GoogleAdsClient
from ingestr.src.facebook_ads import facebook_ads_source, facebook_insights_source
from ingestr.src.google_ads import google_ads

settings = json.loads(sys.argv[1])
since, until = settings["since"], settings["until"]
first, last = (dlt.common.pendulum.parse(day) for day in (since, until))
of_meta = {"account_id": settings["account"], "access_token": settings["token"], "app_api_version": settings["version"]}
spend = ["ad_id", "campaign_id", "account_id", "spend", "impressions", "clicks"]


def outcome(read):
    try:
        return {"rows": json.loads(json.dumps(read(), default=str))}
    except Exception as error:  # noqa: BLE001 - whatever the client raises is its answer
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        return {"error": error.api_error_message() if isinstance(error, FacebookRequestError) else str(error)}


def insights(level):
    source = facebook_insights_source(**of_meta, level=level, fields=spend, start_date=first, end_date=last)
    return list(source.resources["facebook_insights"])


def google():
    client = GoogleAdsClient.load_from_dict({**settings["google"], "use_proto_plus": True})
    return google_ads(client, [settings["customer"]], start_date=datetime.fromisoformat(since), end_date=datetime.fromisoformat(until))


answers = {}
for name in ("campaigns", "ad_sets", "ads", "ad_creatives", "leads"):
    answers[name] = outcome(lambda name=name: list(facebook_ads_source(**of_meta, interval_start=settings["created"]).resources[name]))
for level in ("account", "campaign", "ad"):
    answers[f"{level} facebook_insights"] = outcome(lambda level=level: insights(level))
for name in google().resources:
    answers[name] = outcome(lambda name=name: list(google().resources[name]))
print(json.dumps(answers))
