"""Airbyte's sources: check, discover, then one read of every stream, in which a stream that fails does not end the others."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from foreign import environments
from foreign.comparison import META, Columns, compared_ids, compared_numbers
from foreign.rig import Done, Outcome, Rig, shortened
from foreign.stored import Level

from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET

Judge = Callable[[str, list[dict[str, Any]]], Outcome]

ENTITIES = {"campaigns": "campaign", "ad_sets": "adset", "ads": "ad"}
REPORTS: dict[str, tuple[Level, str]] = {
    "account_performance_report": ("account", "customer.id"),
    "campaign": ("campaign", "campaign.id"),
    "ad_group_ad_legacy": ("ad", "ad_group_ad.ad.id"),
}
"""Streams of the Google source that have the cost of every day, with the level and the column of the id."""


def facebook_marketing(rig: Rig) -> list[Outcome]:
    """Every stream of ``airbyte-source-facebook-marketing``. It has no setting for the API's version, which is its SDK's.

    It reads entities that changed since its start, so these are read from a year before, and insights from the first day.
    """
    config = {
        "account_ids": [rig.account],
        "start_date": f"{rig.since}T00:00:00Z",
        "end_date": f"{rig.until}T00:00:00Z",
        "credentials": {"auth_type": "Service", "access_token": rig.token},
        "insights_lookback_window": 1,
    }
    earlier = {**config, "start_date": f"{rig.since - timedelta(days=365)}T00:00:00Z"}

    def is_insights(stream: str) -> bool:
        return stream.startswith("ads_insights")

    def judge(stream: str, rows: list[dict[str, Any]]) -> Outcome:
        if stream in ENTITIES:
            return compared_ids(rig, stream, ENTITIES[stream], [row["id"] for row in rows])
        if is_insights(stream):
            return compared_numbers(rig, stream, "ad", rows, META["ad"])
        return Outcome(stream=stream, result="ran", rows=len(rows))

    source = _Source(rig, environments.programs("airbyte-source-facebook-marketing") / "source-facebook-marketing", judge)
    streams = source.discovered(config)
    entities = source.read(earlier, [stream for stream in streams if not is_insights(stream["name"])])
    return [*source.begun, *entities, *source.read(config, [stream for stream in streams if is_insights(stream["name"])])]


def google_ads(rig: Rig) -> list[Outcome]:
    """Every stream of ``airbyte-source-google-ads``, which asks version v23 over REST and has no setting for another one."""
    credentials = {
        "developer_token": "of-the-sandbox",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": rig.refresh_token,
    }
    config = {"credentials": credentials, "start_date": str(rig.since), "end_date": str(rig.until), "conversion_window_days": 1}

    def judge(stream: str, rows: list[dict[str, Any]]) -> Outcome:
        if stream not in REPORTS:
            return Outcome(stream=stream, result="ran", rows=len(rows))
        level, id_column = REPORTS[stream]
        return compared_numbers(rig, stream, level, rows, google_columns(id_column))

    source = _Source(rig, environments.programs("airbyte-source-google-ads") / "source-google-ads", judge)
    return [*source.begun, *source.read(config, streams)] if (streams := source.discovered(config)) else source.begun


def google_columns(id_column: str) -> Columns:
    """Where a flattened row of Google has the numbers."""
    return Columns(
        id=id_column,
        day="segments.date",
        spend="metrics.cost_micros",
        impressions="metrics.impressions",
        clicks="metrics.clicks",
        conversions="metrics.conversions",
        micros=1,
    )


class _Source:
    """One of Airbyte's sources. ``begun`` is how its check and its discovery went."""

    def __init__(self, rig: Rig, program: Path, judge: Judge) -> None:
        self._rig, self._program, self._judge = rig, program, judge
        self.begun: list[Outcome] = []

    def discovered(self, config: dict[str, Any]) -> list[dict[str, Any]]:
        """Check the configuration and discover the streams; none if the check fails."""
        settings = self._rig.file("airbyte.json", json.dumps(config))
        checked = self._rig.run(self._program, "check", "--config", settings)
        status = next((message["connectionStatus"] for message in _messages(checked, "CONNECTION_STATUS")), {"status": "FAILED"})
        if status["status"] != "SUCCEEDED":
            self.begun.append(Outcome(stream="check", result="refused", says=shortened(status.get("message") or checked.err[-400:])))
            return []
        streams: list[dict[str, Any]] = next(_messages(self._rig.run(self._program, "discover", "--config", settings), "CATALOG"))[
            "catalog"
        ]["streams"]
        self.begun += [Outcome(stream="check", result="ran"), Outcome(stream="discover", result="ran", rows=len(streams))]
        return streams

    def read(self, config: dict[str, Any], streams: list[dict[str, Any]]) -> list[Outcome]:
        """Read these streams, all of their rows."""
        chosen = [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"} for stream in streams]
        settings = self._rig.file("airbyte.json", json.dumps(config))
        catalog = self._rig.file("catalog.json", json.dumps({"streams": chosen}))
        done = self._rig.run(self._program, "read", "--config", settings, "--catalog", catalog)
        return _judged(done, [stream["name"] for stream in streams], self._judge)


def _judged(done: Done, streams: list[str], judge: Judge) -> list[Outcome]:
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for message in _messages(done, "RECORD"):
        rows[message["record"]["stream"]].append(message["record"]["data"])
    completed, errors = set(), {}
    for message in _messages(done, "TRACE"):
        trace = message["trace"]
        if trace["type"] == "STREAM_STATUS" and trace["stream_status"]["status"] == "COMPLETE":
            completed.add(trace["stream_status"]["stream_descriptor"]["name"])
        if trace["type"] == "ERROR" and (descriptor := trace["error"].get("stream_descriptor")):
            errors.setdefault(descriptor["name"], trace["error"]["internal_message"] or trace["error"]["message"])
    return [
        judge(stream, rows[stream])
        if stream in completed
        else Outcome(stream=stream, result="refused", says=shortened(errors.get(stream, done.err[-400:])))
        for stream in streams
    ]


def _messages(done: Done, kind: str) -> Iterator[dict[str, Any]]:
    for line in done.out.splitlines():
        if line.startswith("{") and (message := json.loads(line))["type"] == kind:
            yield message
