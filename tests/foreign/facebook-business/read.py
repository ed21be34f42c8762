"""Reads lists and insights with Meta's own SDK as its README says; prints rows or an error by stream as one line of JSON."""

import json
import sys
import time

from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.campaign import Campaign
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi

settings = json.loads(sys.argv[1])
api = FacebookAdsApi.init(access_token=settings["token"])
account = AdAccount(f"act_{settings['account']}")
days = {"time_range": {name: settings[name] for name in ("since", "until")}, "time_increment": 1, "limit": 3}


def rows(objects):
    return [item.export_all_data() for item in objects]


def insights(level, **how):
    return account.get_insights(fields=[f"{level}_id", "spend", "impressions", "clicks"], params={**days, "level": level}, **how)


def job(level):
    """An asynchronous report, polled until it is done."""
    run = insights(level, is_async=True)
    while run.api_get()["async_status"] != "Job Completed":
        time.sleep(1)
    return run.get_result(params={"limit": 3})


def batch():
    """Every campaign in one request, each as an inner call."""
    answers, calls = [], api.new_batch()
    for campaign in account.get_campaigns():
        Campaign(campaign["id"]).api_get(fields=["name"], batch=calls, success=lambda answer: answers.append(answer.json()))
    calls.execute()
    return answers


STREAMS = {
    "account list": lambda: rows(User(fbid="me").get_ad_accounts(fields=["name", "currency"])),
    "account": lambda: rows([account.api_get(fields=["name", "amount_spent"])]),
    "campaign list": lambda: rows(account.get_campaigns(fields=["name"], params={"limit": 2})),
    "adset list": lambda: rows(account.get_ad_sets(fields=["name"], params={"limit": 2})),
    "ad list": lambda: rows(account.get_ads(fields=["name"], params={"limit": 2})),
    "campaign batch": batch,
    "account insights": lambda: rows(insights("account")),
    "campaign insights": lambda: rows(insights("campaign")),
    "ad insights": lambda: rows(insights("ad")),
    "ad insights job": lambda: rows(job("ad")),
}


def outcome(read):
    try:
        return {"rows": read()}
    except Exception as error:  # noqa: BLE001 - whatever the client raises is its answer
        return {"error": str(error)}


print(json.dumps({stream: outcome(read) for stream, read in STREAMS.items()}))
