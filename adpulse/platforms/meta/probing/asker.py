"""Sends the requests of a probe to Meta and records the answers."""

from collections.abc import Mapping
from typing import Any

import requests
from facebook_business.exceptions import FacebookError, FacebookRequestError
from pydantic import SecretStr

from adpulse.platforms.meta import tokens
from adpulse.platforms.meta.requests import ISSUER, MetaRequest
from adpulse.platforms.meta.session import Endpoint, TokenSession, decoded, error_of
from adpulse.probe.exchange import NO_ANSWER, Exchange
from adpulse.probe.platform_probe import CallSlot


class MetaAsker:
    """Calls with one token, nothing twice."""

    def __init__(self, token: SecretStr, endpoint: Endpoint, issuer: str | None) -> None:
        self.version = endpoint.version
        self._session = TokenSession(token, endpoint, issuer)

    def ask(self, request: MetaRequest, slot: CallSlot) -> Exchange:
        """Send a request; once more without a proof if Meta refuses the app's.

        Raises:
            AccountRefused, BadRequest: the app's secret is needed, or wrong.
        """
        try:
            return self._send(request, slot)
        except tokens.ProofRefused:
            self._session.find_issuer(lambda: tokens.issuer_in_answer(self._send(ISSUER, slot).body or {}))
            return self._send(request, slot)

    def _send(self, request: MetaRequest, slot: CallSlot) -> Exchange:
        slot()
        try:
            answer = self._session.call(request.method, request.path, request.params)
            return self._exchange(request, str(answer.status()), answer.headers(), decoded(answer.body()))
        except FacebookRequestError as error:
            refusal = error_of(error)
            return self._exchange(request, str(error.http_status()), error.http_headers() or {}, {"error": refusal} if refusal else None)
        except (FacebookError, requests.RequestException, TypeError, ValueError, AttributeError, RecursionError):
            # as in the client: the SDK mistypes broken bodies, and a connection error's text holds the token
            return self._exchange(request, NO_ANSWER, {}, None)

    def _exchange(self, request: MetaRequest, status: str, headers: Mapping[str, Any], body: Any) -> Exchange:  # noqa: ANN401 - JSON
        return Exchange(
            kind=request.kind,
            request={"version": self.version, "method": request.method, "path": request.path, "params": request.params},
            status=status,
            headers={str(name).lower(): str(value) for name, value in headers.items()},
            body=body,
        )
