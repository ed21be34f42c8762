"""Sends the requests of a probe to Google and records the answers, each message whole and as JSON.

The client reads only the selected fields of a message; here everything that came is kept, so that what was not selected shows as well.
"""

from collections.abc import Mapping
from typing import Any

import grpc
from google.ads.googleads.errors import GoogleAdsException
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError

from adpulse.errors import AuthExpired, Unavailable
from adpulse.platforms.google.client import GoogleClient
from adpulse.platforms.google.errors import Failure, failure_of
from adpulse.platforms.google.messages import as_json, error_reason, failure_reader, request_class, response_class
from adpulse.platforms.google.probing.conversation import Accessible, OfCustomer
from adpulse.probe.exchange import NO_ANSWER, Exchange
from adpulse.probe.platform_probe import CallSlot

_OK = "OK"


class GoogleAsker:
    """Calls with one credential, nothing twice."""

    def __init__(self, client: GoogleClient, version: str, timeout: float) -> None:
        self.version = version
        self._client, self._timeout = client, timeout

    def ask(self, request: Accessible | OfCustomer, slot: CallSlot) -> Exchange:
        """Send a request. That no access token is issued for the credential is an answer as well.

        Raises:
            VersionSunset: the SDK has no such version.
        """
        slot()
        sent = {"version": self.version} | request.as_json()
        try:
            return Exchange(kind=request.kind, request=sent, status=_OK, headers={}, body=self._send(request))
        except (grpc.RpcError, GoogleAdsException, GoogleAPICallError) as error:
            failure = failure_of(error, failure_reader(self.version), error_reason)
            return Exchange(kind=request.kind, request=sent, status=failure.status, headers={}, body={"error": _as_json(failure)})
        except AuthExpired as refused:
            failure = Failure(status="UNAUTHENTICATED", code=str(refused.code))
            return Exchange(kind=request.kind, request=sent, status=failure.status, headers={}, body={"error": _as_json(failure)})
        except (GoogleAuthError, Unavailable):
            return Exchange(kind=request.kind, request=sent, status=NO_ANSWER, headers={}, body=None)

    def _send(self, request: Accessible | OfCustomer) -> Any:  # noqa: ANN401 - JSON
        return self._accessible() if isinstance(request, Accessible) else self._stream(request)

    def _accessible(self) -> dict[str, Any]:
        service = self._client.service("CustomerService", None, "these credentials' accounts")
        answer = service.list_accessible_customers(timeout=self._timeout)
        return {"resourceNames": list(answer.resource_names)}

    def _stream(self, request: OfCustomer) -> list[dict[str, Any]]:
        service = self._client.service("GoogleAdsService", request.login, f"customer {request.customer}")
        kind = request_class(self.version)
        call = service.transport.grpc_channel.unary_stream(
            f"/google.ads.googleads.{self.version}.services.GoogleAdsService/SearchStream",
            request_serializer=kind.serialize,
            response_deserializer=response_class(self.version).FromString,
        )
        message = kind(customer_id=request.customer, query=request.query.text)
        metadata = (("x-goog-request-params", f"customer_id={request.customer}"),)
        return [as_json(each) for each in call(message, timeout=self._timeout, metadata=metadata)]


def _as_json(failure: Failure) -> Mapping[str, Any]:
    """A failure as a file keeps it, with the names that ``Failure`` has."""
    return {
        "message": failure.message,
        "reason": failure.reason,
        "family": failure.family,
        "code": failure.code,
        "scope": failure.scope,
        "retry_seconds": failure.retry_seconds,
    }
