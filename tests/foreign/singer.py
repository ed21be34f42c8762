"""Singer's taps: a catalog is discovered, then each stream is read by itself, as a tap ends with the first error of any stream."""

import json
import re
from typing import Any

from foreign import environments
from foreign.comparison import META, compared_ids, compared_numbers
from foreign.rig import Done, Outcome, Rig, shortened

ENTITIES = {"campaigns": "campaign", "adsets": "adset", "ads": "ad"}


def tap_facebook(rig: Rig) -> list[Outcome]:
    """Every stream of ``tap-facebook``. It has no setting for the API's version, which is its SDK's."""
    config = {
        "start_date": f"{rig.until}T00:00:00Z",
        "end_date": f"{rig.until}T00:00:00Z",
        "insights_buffer_days": "1",  # it begins a day earlier, on ``since``
        "account_id": rig.account,
        "access_token": rig.token,
    }
    program = environments.programs("tap-facebook") / "tap-facebook"
    settings = rig.file("tap-facebook.json", json.dumps(config))
    discovered = rig.run(program, "--config", settings, "--discover")
    if discovered.code:
        return [Outcome(stream="discover", result="refused", says=_error(discovered))]
    streams = json.loads(discovered.out)["streams"]
    outcomes = [Outcome(stream="discover", result="ran", rows=len(streams))]
    for stream in streams:
        name = stream["tap_stream_id"]
        catalog = rig.file("catalog.json", json.dumps({"streams": [_selected(stream)]}))
        outcomes.append(_outcome(rig, name, rig.run(program, "--config", settings, "--properties", catalog)))
    return outcomes


def meltano_tap_facebook(rig: Rig) -> list[Outcome]:
    """The insights of ``meltano-tap-facebook``, in the living version that has all its fields.

    Its other streams do not trust the authority.
    """
    config = {
        "start_date": str(rig.since),
        "end_date": str(rig.until),
        "account_id": rig.account,
        "access_token": rig.token,
        "api_version": "v25.0",
    }
    program = environments.programs("meltano-tap-facebook") / "tap-facebook"
    settings = rig.file("meltano.json", json.dumps(config))
    discovered = rig.run(program, "--config", settings, "--discover")
    streams = json.loads(discovered.out)["streams"]
    outcomes = [Outcome(stream="discover", result="ran", rows=len(streams))]
    insights = next(stream for stream in streams if stream["tap_stream_id"] == "adsinsights_default")
    catalog = rig.file("catalog.json", json.dumps({"streams": [_selected(insights)]}))
    done = rig.run(program, "--config", settings, "--catalog", catalog)
    return [*outcomes, _outcome(rig, insights["tap_stream_id"], done)]


def _selected(stream: dict[str, Any]) -> dict[str, Any]:
    """The stream with all its fields."""
    metadata = [{**entry, "metadata": {**entry["metadata"], "selected": True}} for entry in stream["metadata"]]
    return {**stream, "metadata": metadata}


def _outcome(rig: Rig, stream: str, done: Done) -> Outcome:
    if done.code:
        return Outcome(stream=stream, result="refused", says=_error(done))
    messages = [json.loads(line) for line in done.out.splitlines()]
    rows = _last_of_each_key(messages)
    if stream in ENTITIES:
        return compared_ids(rig, stream, ENTITIES[stream], [row["id"] for row in rows])
    if "insights" in stream:
        return compared_numbers(rig, stream, "ad", rows, META["ad"])
    return Outcome(stream=stream, result="ran", rows=len(rows))


def _last_of_each_key(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as a target holds them: a row replaces an earlier one with the same key properties."""
    keys = next((message["key_properties"] for message in messages if message["type"] == "SCHEMA"), [])
    rows = [message["record"] for message in messages if message["type"] == "RECORD"]
    return list({tuple(row[key] for key in keys) if keys else number: row for number, row in enumerate(rows)}.values())


def _error(done: Done) -> str:
    lines = [line.removeprefix("CRITICAL ") for line in done.err.splitlines() if line.startswith("CRITICAL")]
    messages = re.findall(r'"message": "(.*)"', done.err)
    return shortened((lines or messages or [done.err[-400:]])[-1])
