"""Serves the Google Ads API over gRPC and TLS on loopback.

Generic handlers serve every version, with the compiled protos of the version that is called.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from adpulse_sandbox.basis import HEADER
from adpulse_sandbox.faults import Rule
from adpulse_sandbox.google import wire
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
        context.set_trailing_metadata(_trailing_metadata(call))
        status = "UNKNOWN"
        try:
            handler = self._ads.handler(call.version, call.service, call.method)
            for answer in handler(call, wire.request_class(call.version, call.service, call.method).FromString(body)):
                yield _serialised(answer, call.rule)
            status = "OK"
            context.set_trailing_metadata(_trailing_metadata(call))
        except GeneratorExit:
            status = "CANCELLED"
            raise
        except AdsError as error:
            status = error.status
            self._ads.fail(call, error)
            context.set_trailing_metadata(_trailing_metadata(call, error))
            context.abort(getattr(grpc.StatusCode, status), error.message)
        finally:
            self._ads.end(call, getattr(grpc.StatusCode, status).value[0])


def _serialised(answer: Any, rule: Rule | None) -> bytes:  # noqa: ANN401 - a protobuf message
    if rule and rule.place:
        return rewritten_message(answer, rule.place, rule.value, remove=rule.remove)
    serialised: bytes = answer.SerializeToString()
    return serialised


def _trailing_metadata(call: Call, error: AdsError | None = None) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata; those of an error have the GoogleAdsFailure."""
    always = (("request-id", call.request_id), (HEADER, call.basis.value))
    if error and error.reason:
        return (*always, ("grpc-status-details-bin", wire.status_details(error)))
    if not error or not error.family:
        return always
    failure = wire.failure(call.version, error, call.request_id)
    return (*always, (f"google.ads.googleads.{call.version}.errors.googleadsfailure-bin", failure.SerializeToString()))
