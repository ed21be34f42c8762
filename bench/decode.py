"""Reading a big stream of Google's into Arrow: with the SDK's own messages, and with messages of only the selected fields.

A sandbox serves the stream over gRPC and TLS; each way reads it in a process of its own, because what is compared is CPU time
and the most memory that was held. ``plain`` is the SDK as it comes with ``use_proto_plus=False``, ``plus`` its default.
"""

import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from operator import attrgetter
from typing import Any

import pyarrow as pa
from pydantic import SecretStr

from adpulse_sandbox import Sandbox
from adpulse_sandbox.google import oauth
from adpulse_sandbox.meta.world import BEGINNING
from bench.processes import resident_mb

WAYS = ("selected", "plain", "plus")
DAYS = 20
"""Of 5,000 ads: about 70,000 rows, seven messages."""

FIELDS = (
    "campaign.id", "ad_group.id", "ad_group_ad.ad.id", "segments.date", "metrics.impressions", "metrics.clicks", "metrics.cost_micros",
    "metrics.conversions", "metrics.conversions_value",
)  # fmt: skip


def measure() -> list[dict[str, object]]:
    """One row per way: rows, CPU seconds, memory above what the process had before, and both as multiples of ``selected``."""
    with Sandbox.start() as sandbox:
        google = sandbox.google
        arguments = {
            "endpoint": google.endpoint,
            "token_url": google.token_url,
            "refresh_token": google.world.credentials["full"].refresh_token,
            "login": google.world.customer("Summit Media Group").id,
            "customer": google.world.customer("Grand Catalogue").id,
        }
        environment = {**os.environ, **google.environment}
        rows = [_in_a_process(way, arguments, environment) for way in ("selected", *WAYS)][1:]  # the first fills the sandbox's caches
    least = rows[0]
    return [{**row, **{f"{name}_x": round(row[name] / least[name], 1) for name in ("cpu_s", "memory_mb")}} for row in rows]


def _in_a_process(way: str, arguments: dict[str, str], environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.decode", way]
    result = subprocess.run(command, env=environment, input=json.dumps(arguments), capture_output=True, text=True, check=True)
    read: dict[str, Any] = json.loads(result.stdout)
    return read


def _read(way: str, arguments: dict[str, str]) -> dict[str, Any]:
    """Read the stream once to warm up, on a single day, and then whole."""
    from google.ads.googleads.client import GoogleAdsClient

    from adpulse.platforms.google.credentials import OauthClient, parse
    from adpulse.platforms.google.messages import columns, request_class

    client = OauthClient(token_url=arguments["token_url"], id=oauth.CLIENT_ID, secret=SecretStr(oauth.CLIENT_SECRET))
    credentials = parse(SecretStr(arguments["refresh_token"]), client).credentials()
    sdk = GoogleAdsClient(
        credentials, endpoint=arguments["endpoint"], version="v23", login_customer_id=arguments["login"], use_proto_plus=way == "plus"
    )
    service, get = sdk.get_service("GoogleAdsService"), attrgetter(*FIELDS)
    decoder, kind = columns("v23", FIELDS), request_class("v23")
    stream = service.transport.grpc_channel.unary_stream(
        "/google.ads.googleads.v23.services.GoogleAdsService/SearchStream",
        request_serializer=kind.serialize,
        response_deserializer=decoder.deserialize,
    )
    metadata = (("x-goog-request-params", f"customer_id={arguments['customer']}"),)

    def rows(query: str) -> int:
        request = kind(customer_id=arguments["customer"], query=query)
        if way == "selected":
            return pa.concat_tables([decoder.table(message) for message in stream(request, timeout=300, metadata=metadata)]).num_rows
        tables = []
        for message in service.search_stream(request=request, timeout=300):
            cells = list(zip(*map(get, message.results), strict=True))
            tables.append(
                pa.table([pa.array(column, field.type) for column, field in zip(cells, decoder.schema, strict=True)], decoder.schema)
            )
        return pa.concat_tables(tables).num_rows

    until = BEGINNING.date() - timedelta(days=1)
    rows(_query(until, until))
    before, start = resident_mb(os.getpid()), time.process_time()
    count = rows(_query(until - timedelta(days=DAYS - 1), until))
    spent, peak = time.process_time() - start, resident_mb(os.getpid(), "VmHWM")
    return {"way": way, "rows": count, "cpu_s": round(spent, 2), "memory_mb": round(peak - before, 1)}


def _query(since: date, until: date) -> str:
    return f"SELECT {', '.join(FIELDS)} FROM ad_group_ad WHERE segments.date BETWEEN '{since}' AND '{until}'"


if __name__ == "__main__":
    print(json.dumps(_read(sys.argv[1], json.loads(sys.stdin.read()))))
