"""Clients written in Python: the platforms' own SDKs, with Google's sample programs, and dlt's two sources. A program beside each lock."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from foreign import environments
from foreign.airbyte import google_columns
from foreign.comparison import META, Columns, compared_ids, compared_numbers
from foreign.fetchers import GOOGLE_REPORTS
from foreign.rig import Outcome, Rig, shortened
from foreign.stored import Level

SAMPLES = {
    "account_management.list_accessible_customers": (),
    "basic_operations.get_campaigns": ("-c", "{customer}"),
    "basic_operations.get_responsive_search_ads": ("-c", "{customer}"),
    "misc.campaign_report_to_csv": ("-c", "{customer}", "-o", "{folder}/campaigns.csv"),
    "reporting.parallel_report_download": ("-c", "{customer}", "-l", "{customer}"),
}
"""Samples of Google's SDK that read, with their arguments. The others that read are run in ``tests/sandbox/test_google_samples.py``."""

LISTS = {"campaigns": "campaign", "ad_sets": "adset", "ads": "ad"}
DAILY: dict[str, tuple[Level, str]] = {
    "account_report_daily": ("account", "customer_id"),
    "campaign_report_daily": ("campaign", "campaign_id"),
    "ad_report_daily": ("ad", "ad_group_ad_ad_id"),
}
"""Of dlt's sources: the lists of Meta's entities by level, and Google's reports of every cost with the level and the column of the id."""


def facebook_business(rig: Rig) -> list[Outcome]:
    """Meta's own SDK, by the calls of its README; its wheel has no samples."""
    answers = _read(rig, "facebook-business", {"token": rig.token, "account": rig.account})
    return [_of_meta(rig, stream, stream.split()[0], answer) for stream, answer in answers.items()]


def google_ads(rig: Rig) -> list[Outcome]:
    """Google's own SDK: its samples as they are, then reports that have numbers to compare."""
    login = {**rig.google_login, "use_proto_plus": True}
    rig.file("google-ads.yaml", "".join(f"{name}: {value}\n" for name, value in login.items()))  # in the home folder, where the SDK looks
    columns = {stream: google_columns(id_column) for stream, (_, _, id_column) in GOOGLE_REPORTS.items()}
    queries = {stream: _query(rig, GOOGLE_REPORTS[stream][1], columns[stream]) for stream in GOOGLE_REPORTS}
    outcomes = [_sample(rig, name) for name in SAMPLES]
    for stream, answer in _read(rig, "google-ads", {"customer": rig.customer, "queries": queries}).items():
        report = stream.partition(",")[0]
        outcomes.append(_judged(rig, stream, GOOGLE_REPORTS[report][0], answer, columns[report]))
    return outcomes


def dlt_sources(rig: Rig) -> list[Outcome]:
    """dlt's sources for Facebook Ads and Google Ads, as ingestr ships them; every resource and, of insights, three levels."""
    settings = {"token": rig.token, "account": rig.account, "version": "v26.0", "created": str(rig.since - timedelta(days=365))}
    outcomes = []
    for stream, answer in _read(rig, "ingestr", {**settings, "customer": rig.customer, "google": rig.google_login}).items():
        if stream in DAILY:
            level, id_column = DAILY[stream]
            outcomes.append(_judged(rig, stream, level, answer, _underscored(google_columns(id_column))))
        elif stream.endswith("_daily"):
            outcomes.append(_unjudged(stream, answer))
        else:
            outcomes.append(_of_meta(rig, stream, LISTS.get(stream, stream.split()[0]), answer))
    return outcomes


def _of_meta(rig: Rig, stream: str, level: Any, answer: dict[str, Any]) -> Outcome:
    """Insights by their numbers, lists of entities by their ids."""
    if "error" not in answer and "insights" in stream:
        return compared_numbers(rig, stream, level, answer["rows"], META[level])
    if "error" not in answer and (stream in LISTS or stream.endswith((" list", " batch"))) and level != "account":
        return compared_ids(rig, stream, level, [row["id"] for row in answer["rows"]])
    return _unjudged(stream, answer)


def _judged(rig: Rig, stream: str, level: Level, answer: dict[str, Any], columns: Columns) -> Outcome:
    return _unjudged(stream, answer) if "error" in answer else compared_numbers(rig, stream, level, answer["rows"], columns)


def _unjudged(stream: str, answer: dict[str, Any]) -> Outcome:
    if "error" in answer:
        return Outcome(stream=stream, result="refused", says=shortened(answer["error"]))
    return Outcome(stream=stream, result="ran", rows=len(answer["rows"]))


def _sample(rig: Rig, name: str) -> Outcome:
    names = {"customer": rig.customer, "folder": rig.folder}
    python = environments.programs("google-ads") / "python"
    done = rig.run(python, "-m", f"examples.{name}", *(argument.format(**names) for argument in SAMPLES[name]))
    if done.code:
        return Outcome(stream=name, result="refused", says=shortened((done.out + done.err)[-400:]))
    return Outcome(stream=name, result="ran", rows=len(done.out.splitlines()))


def _query(rig: Rig, resource: str, columns: Columns) -> str:
    names = (columns.id, columns.day, *(name for name, _ in columns.numbers.values()))
    return f"SELECT {', '.join(names)} FROM {resource} WHERE segments.date BETWEEN '{rig.since}' AND '{rig.until}'"


def _underscored(columns: Columns) -> Columns:
    """The columns as dlt's source names them."""
    return Columns(
        id=columns.id.replace(".", "_"),
        day=columns.day.replace(".", "_"),
        spend=columns.spend.replace(".", "_"),
        impressions=columns.impressions.replace(".", "_"),
        clicks=columns.clicks.replace(".", "_"),
        conversions=(columns.conversions or "").replace(".", "_"),
        micros=columns.micros,
    )


def _read(rig: Rig, client: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Rows or an error by stream, from the program beside the client's lock, run by the client's own Python."""
    days = {"since": str(rig.since), "until": str(rig.until)}
    program = Path(__file__).parent / client / "read.py"
    done = rig.run(environments.programs(client) / "python", program, json.dumps({**settings, **days}))
    assert done.code == 0, done.err
    answers: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return answers
