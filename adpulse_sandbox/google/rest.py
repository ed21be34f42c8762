"""The REST interface of the Google Ads API: the calls that ``ads`` answers, as HTTP requests and answers in JSON.

It is gRPC transcoded: the JSON is the protobuf mapping of the same messages (lowerCamelCase names, int64 as text, enums as names).
Sources: "REST interface: JSON mappings", "Search and SearchStream", read 2026-11-29; google-ads-api#460 for clients that need it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from google.protobuf import json_format

from adpulse_sandbox.basis import HEADER, Basis
from adpulse_sandbox.faults import Rule
from adpulse_sandbox.google import errors, wire
from adpulse_sandbox.google.ads import Ads, Call
from adpulse_sandbox.google.errors import AdsError
from adpulse_sandbox.rewriting import rewritten_text
from adpulse_sandbox.serving import Answer

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500,
    "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
}  # fmt: skip
"""The HTTP status of an error's status. Source: google/rpc/code.proto."""

_TITLES = {
    "INVALID_ARGUMENT": "Request contains an invalid argument.",
    "UNAUTHENTICATED": "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    "PERMISSION_DENIED": "The caller does not have permission",
    "RESOURCE_EXHAUSTED": "Resource has been exhausted (e.g. check quota).",
    "INTERNAL": "Internal error encountered.",
}
"""The message of an error that has a GoogleAdsFailure, whose own message is more precise. Recorded answers."""

_ROUTES = (
    ("POST", r"customers/(?P<customer_id>[^/:]+)/googleAds:search", "GoogleAdsService", "Search"),
    ("POST", r"customers/(?P<customer_id>[^/:]+)/googleAds:searchStream", "GoogleAdsService", "SearchStream"),
    ("GET", r"customers:listAccessibleCustomers", "CustomerService", "ListAccessibleCustomers"),
    ("POST", r"googleAdsFields:search", "GoogleAdsFieldService", "SearchGoogleAdsFields"),
    ("GET", r"(?P<resource_name>googleAdsFields/[^/:]+)", "GoogleAdsFieldService", "GetGoogleAdsField"),
)
_STREAM = "SearchStream"
_VERSIONED = re.compile(r"/(v\d+)/(.+)", re.ASCII)
_SYSTEM_PARAMETERS = {"alt": ("json",), "$alt": ("json",), "prettyPrint": None, "quotaUser": None}
"""Parameters of every Google API that leave the content of an answer as it is: their values, None if any. Source: "System parameters"."""

_NOT_FOUND = b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title><p><b>404.</b> <ins>That's an error.</ins>"


class Rest:
    """Answers HTTP requests with the same implementation as gRPC."""

    def __init__(self, ads: Ads) -> None:
        self._ads = ads

    def answer(self, verb: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request. Of an answer that breaks off midway ``body`` is what is sent.

        Args:
            verb: the HTTP method.
            target: the path with its query.
            headers: by their names in small letters.
            body: the JSON text.
        """
        path, _, query = target.partition("?")
        versioned = _VERSIONED.fullmatch(path)
        if not versioned:
            return Answer(404, _NOT_FOUND, {"content-type": "text/html; charset=UTF-8", HEADER: Basis.INFERRED.value})
        version, inner = versioned[1], versioned[2]
        service, method, fields = _route(verb, inner)
        call = self._ads.begin(version, service, method, headers, transport=verb, path=path.lstrip("/"))
        pieces: list[str] = []
        status, broken = 500, None
        try:
            handler = self._ads.handler(version, service, method)
            _check_parameters(query)
            for message in handler(call, _request(call, fields, body)):
                pieces.append(_json(message, call.rule))  # noqa: PERF401 - what came before an error counts
            status = 200
        except AdsError as error:
            self._ads.fail(call, error)
            status, broken = HTTP_STATUS[error.status], _broken(call, pieces)
            pieces = pieces or [json.dumps(_error(call, error))]
        finally:
            self._ads.end(call, status)
        own_headers = {"content-type": "application/json; charset=UTF-8", "request-id": call.request_id, HEADER: call.basis.value}
        text = f"[{','.join(pieces)}" if method == _STREAM else "".join(pieces)
        return Answer(status, (text if method != _STREAM or broken else f"{text}]").encode(), own_headers, broken)


def _route(verb: str, path: str) -> tuple[str, str, dict[str, str]]:
    """The service and method that a path names, and the fields of the request that are in it.

    Methods of other services get a name like theirs, so that writes are refused as over gRPC: ``…/campaigns:mutate`` is Mutate.
    """
    for route_verb, pattern, service, method in _ROUTES:
        match = re.fullmatch(pattern, path, re.ASCII)
        if match and verb == route_verb:
            return service, method, {name: unquote(value) for name, value in match.groupdict().items()}
    collection, _, last = path.rpartition(":")
    name = re.sub(r"(?<=/)\d+", "{id}", collection or last)
    return f"{verb} {name}", (last[:1].upper() + last[1:]) if collection else "Get", {}


def _check_parameters(query: str) -> None:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _SYSTEM_PARAMETERS:
            raise errors.unsupported("parameters in the address of REST calls other than alt, prettyPrint and quotaUser")
        allowed = _SYSTEM_PARAMETERS[name]
        if allowed and value not in allowed:
            raise errors.unsupported(f"the parameter {name} with another value than json")


def _request(call: Call, fields: Mapping[str, str], body: bytes) -> Any:  # noqa: ANN401 - a protobuf message
    request = wire.request_class(call.version, call.service, call.method)()
    try:
        values = json.loads(body) if body.strip() else {}
        if not isinstance(values, dict):
            raise _bad_json(request, body)
        json_format.ParseDict(values, request)
    except (ValueError, RecursionError, json_format.ParseError):
        raise _bad_json(request, body) from None
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def _bad_json(request: Any, body: bytes) -> AdsError:  # noqa: ANN401 - a protobuf message
    """A body that is no request. It is refused before it reaches the Ads API, so without a GoogleAdsFailure.

    Sources: google-marketing-solutions/dv360-api-appsscript-samples#7 (an unknown name), google-wallet/rest-samples#22 (a body that
    is no object). That a body nested too deeply is refused as one with an unexpected token is inferred.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return _invalid_json("Unexpected token or value.")
    if not isinstance(values, dict):
        return _invalid_json('Unknown name "": Root element must be a message.')
    names = {name for field in request.DESCRIPTOR.fields for name in (field.name, field.json_name)}
    unknown = next((name for name in values if name not in names), None)
    return _invalid_json(f'Unknown name "{unknown}": Cannot find field.' if unknown else "Unexpected token or value.")


def _invalid_json(detail: str) -> AdsError:
    return AdsError("INVALID_ARGUMENT", "", "", f"Invalid JSON payload received. {detail}")


def _json(message: Any, rule: Rule | None) -> str:  # noqa: ANN401 - a protobuf message
    if rule and rule.place:
        return rewritten_text(message, _to_json, rule.place, rule.value, remove=rule.remove)
    return _to_json(message)


def _to_json(message: Any) -> str:  # noqa: ANN401 - a protobuf message
    values: dict[str, Any] = {}
    if "field_mask" in message.DESCRIPTOR.fields_by_name:
        # The library refuses to convert names such as google_analytics_4_settings.
        values["fieldMask"] = ",".join(re.sub(r"_(.)", lambda match: match[1].upper(), path) for path in message.field_mask.paths)
        message.ClearField("field_mask")
    return json.dumps(json_format.MessageToDict(message) | values, ensure_ascii=False)


def _broken(call: Call, pieces: list[str]) -> str | None:
    if call.rule and call.rule.action == "drop":
        return "drop"
    return "drop_midway" if pieces else None


def _error(call: Call, error: AdsError) -> dict[str, Any]:
    """The JSON of an error. Source of the form: dubinc/dub#4409, and clients' recorded answers."""
    described: dict[str, Any] = {"code": HTTP_STATUS[error.status], "message": error.message, "status": error.status}
    if error.reason:
        information = json_format.MessageToDict(wire.error_info(error))
        described["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **information}]
    elif error.family:
        described["message"] = _TITLES.get(error.status, error.message)
        failure = json_format.MessageToDict(wire.failure(call.version, error, call.request_id))
        described["details"] = [{"@type": f"type.googleapis.com/google.ads.googleads.{call.version}.errors.GoogleAdsFailure", **failure}]
    return {"error": described}
