"""Serves the Google Ads API over gRPC and TLS on loopback.

Generic handlers serve every version, with the compiled protos of the version that is called.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from adpulse_sandbox.faults import Rule
from adpulse_sandbox.google import fields, wire
from adpulse_sandbox.google.ads import Ads, Call
from adpulse_sandbox.google.certificate import key_and_certificate
from adpulse_sandbox.google.errors import AdsError
from adpulse_sandbox.rewriting import rewritten_message

_PATH = re.compile(r"/google\.ads\.googleads\.(v\d+)\.services\.(\w+)/(\w+)", re.ASCII)
_THREADS = 32
_STREAMS = ("SearchStream",)


@dataclass(frozen=True, slots=True)
class AdsServer:
    """A running gRPC server and its port."""

    server: Any
    port: int

    def stop(self) -> None:
        """Stop the server and free its port."""
        self.server.stop(grace=None).wait()


def serve(ads: Ads, host: str, port: int) -> AdsServer:
    """Start serving in background threads; port 0 takes a free port."""
    # Without a limit for answers, so that the fault ``oversized`` reaches the client.
    server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=(_Handlers(ads),), options=[("grpc.max_send_message_length", -1)])
    actual_port = server.add_secure_port(f"{host}:{port}", grpc.ssl_server_credentials([key_and_certificate()]))
    server.start()
    return AdsServer(server, actual_port)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """Finds the handler of a path, for every method of every version."""

    def __init__(self, ads: Ads) -> None:
        self._ads = ads

    def service(self, details: Any) -> Any:  # noqa: ANN401 - grpc has no types
        match = _PATH.fullmatch(details.method)
        if not match:
            return None
        call = self._ads.begin(match[1], match[2], match[3], dict(details.invocation_metadata))
        if match[3] in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(lambda request, context: self._answers(call, request, context))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"".join(self._answers(call, request, context)))

    def _answers(self, call: Call, body: bytes, context: Any) -> Iterator[bytes]:  # noqa: ANN401 - grpc has no types
        context.set_trailing_metadata((("request-id", call.request_id),))
        try:
            handler = self._ads.handler(call.version, call.service, call.method)
            for answer in handler(call, _request(call, body)):
                yield _serialised(answer, call.rule)
            call.status = "OK"
        except GeneratorExit:
            call.status = "CANCELLED"
            raise
        except AdsError as error:
            call.status = error.status
            context.set_trailing_metadata(_trailing_metadata(call, error))
            context.abort(getattr(grpc.StatusCode, error.status), error.message)
        finally:
            self._ads.end(call)


def _serialised(answer: Any, rule: Rule | None) -> bytes:  # noqa: ANN401 - a protobuf message
    if rule and rule.place:
        return rewritten_message(answer, rule.place, rule.value, remove=rule.remove)
    serialised: bytes = answer.SerializeToString()
    return serialised


def _request(call: Call, body: bytes) -> Any:  # noqa: ANN401 - a protobuf message
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in call.service).strip("_")
    message_name = {"Search": "SearchGoogleAdsRequest", "SearchStream": "SearchGoogleAdsStreamRequest"}.get(
        call.method, f"{call.method}Request"
    )
    return fields.message_class(call.version, f"services.types.{name}", message_name).FromString(body)


def _trailing_metadata(call: Call, error: AdsError) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata with the GoogleAdsFailure. For a version that is not served it is encoded with the newest protos."""
    if error.reason:
        return (("request-id", call.request_id), ("grpc-status-details-bin", wire.status_details(error)))
    if not error.family:
        return (("request-id", call.request_id),)
    served_version = call.version if call.version in fields.versions() else fields.versions()[-1]
    key = f"google.ads.googleads.{call.version}.errors.googleadsfailure-bin"
    return (("request-id", call.request_id), (key, wire.failure(served_version, error, call.request_id)))
