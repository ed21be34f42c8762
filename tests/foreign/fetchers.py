"""Google's report fetcher (gaarf) and the two Node clients, each with a few reports that a user would ask for."""

import csv
import json
from pathlib import Path
from typing import Any

from foreign import environments
from foreign.airbyte import google_columns
from foreign.comparison import META, compared_ids, compared_numbers
from foreign.rig import Outcome, Rig, shortened
from foreign.stored import Level

from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET

GOOGLE_REPORTS: dict[str, tuple[Level, str, str]] = {
    "account": ("account", "customer", "customer.id"),
    "campaign": ("campaign", "campaign", "campaign.id"),
    "ad": ("ad", "ad_group_ad", "ad_group_ad.ad.id"),
}
"""Level, resource and id of the reports that the Google clients are asked for."""


def gaarf(rig: Rig) -> list[Outcome]:
    """Queries of ``google-ads-api-report-fetcher``, which speaks gRPC with Google's SDK."""
    login = {**rig.google_login, "use_proto_plus": "true"}
    settings = rig.file("google-ads.yaml", "".join(f"{name}: {value}\n" for name, value in login.items()))
    program = environments.programs("google-ads-api-report-fetcher") / "gaarf"
    outcomes = []
    for stream, (level, resource, id_column) in GOOGLE_REPORTS.items():
        columns = google_columns(id_column)
        names = (id_column, columns.day, *(name for name, _ in columns.numbers.values()))
        selected = ", ".join(f"{name} AS {name.replace('.', '_')}" for name in names)
        query = rig.file(f"{stream}.sql", f"SELECT {selected} FROM {resource} WHERE segments.date BETWEEN '{rig.since}' AND '{rig.until}'")
        options = ("--account", rig.customer, "--output", "csv", f"--csv.destination-folder={rig.folder}")
        done = rig.run(program, query, *options, "--ads-config", settings)
        written = rig.folder / f"{stream}.csv"
        if done.code or not written.exists():
            outcomes.append(Outcome(stream=stream, result="refused", says=shortened((done.out + done.err)[-400:])))
            continue
        with written.open() as file:
            rows = [dict(zip(names, row.values(), strict=True)) for row in csv.DictReader(file)]
        outcomes.append(compared_numbers(rig, stream, level, rows, columns))
    return outcomes


def meta_node(rig: Rig) -> list[Outcome]:
    """Reads of ``facebook-nodejs-business-sdk``: as it is, and at addresses of a living version, which its ``call`` takes."""
    answers = _from_node(rig, "facebook-nodejs-business-sdk", {"token": rig.token, "account": rig.account, "version": "v26.0"})
    outcomes = []
    for stream, answer in answers.items():
        level: Level = stream.split()[0]
        if "error" in answer:
            outcomes.append(Outcome(stream=stream, result="refused", says=shortened(answer["error"])))
        elif "insights" in stream:
            outcomes.append(compared_numbers(rig, stream, level, answer["rows"], META[level]))
        else:
            outcomes.append(compared_ids(rig, stream, level, [row["id"] for row in answer["rows"]]))
    return outcomes


def google_node(rig: Rig) -> list[Outcome]:
    """Opteo's ``google-ads-api``, which lists customers over gRPC and reads reports over REST."""
    login = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": rig.refresh_token, "customer": rig.customer}
    answers = _from_node(rig, "google-ads-api", login)
    outcomes = []
    for stream, answer in answers.items():
        if "error" in answer:
            outcomes.append(Outcome(stream=stream, result="refused", says=shortened(answer["error"])))
        elif stream in GOOGLE_REPORTS:
            level, _, id_column = GOOGLE_REPORTS[stream]
            outcomes.append(compared_numbers(rig, stream, level, answer["rows"], google_columns(id_column)))
        else:
            outcomes.append(Outcome(stream=stream, result="ran", rows=len(answer["rows"])))
    return outcomes


def _from_node(rig: Rig, client: str, settings: dict[str, str]) -> dict[str, Any]:
    """Rows or an error by stream, from the program beside the client's lock."""
    days = {"since": str(rig.since), "until": str(rig.until)}
    program = Path(__file__).parent / client / "read.js"
    done = rig.run("node", program, json.dumps({**settings, **days}), NODE_PATH=str(environments.packages(client) / "node_modules"))
    answers: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return answers
