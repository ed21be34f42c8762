"""Reads reports with Google's own SDK, page by page and as a stream; prints rows or an error by stream as one line of JSON."""

import json
import sys

from google.ads.googleads.client import GoogleAdsClient
from google.protobuf.json_format import MessageToDict

settings = json.loads(sys.argv[1])
service = GoogleAdsClient.load_from_storage().get_service("GoogleAdsService")


def flat(value, prefix=""):
    """A row with the names of GAQL as keys."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {key: part for name, inner in value.items() for key, part in flat(inner, f"{prefix}.{name}" if prefix else name).items()}


def rows(found):
    return [flat(MessageToDict(row._pb, preserving_proto_field_name=True)) for row in found]


def streamed(query):
    return rows(row for batch in service.search_stream(customer_id=settings["customer"], query=query) for row in batch.results)


def paged(query):
    return rows(service.search(customer_id=settings["customer"], query=query))


def outcome(read, query):
    try:
        return {"rows": read(query)}
    except Exception as error:  # noqa: BLE001 - whatever the client raises is its answer
        return {"error": str(error)}


answers = {name: outcome(streamed, query) for name, query in settings["queries"].items()}
answers |= {f"{name}, in pages": outcome(paged, query) for name, query in settings["queries"].items()}
print(json.dumps(answers))
