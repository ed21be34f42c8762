"""Meta's SDK with one token, and with a proof of the app's secret wherever Meta accepts it. Step: fetch."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from facebook_business.api import FacebookAdsApi, FacebookResponse
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession
from pydantic import SecretStr

from adpulse.platforms.meta import tokens

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how Meta is called, the same for all tokens."""

    graph_url: str
    version: str
    app_id: str | None = None
    app_secret: SecretStr | None = None
    page_size: int = 500
    largest_page: int = 5_000
    timeout: float = 60.0


class TokenSession:
    """Calls with one token. ``issuer`` is the id of the app that issued it; None takes it for the installation's own.

    Its calls carry a proof until Meta refuses one; ``scope`` is another one once it is known whose token it is.
    """

    def __init__(self, token: SecretStr, endpoint: Endpoint, issuer: str | None) -> None:
        self.token = token
        self._endpoint, self._issuer = endpoint, issuer
        self._opened = self._open(proves=endpoint.app_secret is not None and issuer in (None, endpoint.app_id))

    def _open(self, *, proves: bool) -> tuple[FacebookAdsApi, bool]:
        """The SDK, and whether its calls carry a proof: one value, as other threads call meanwhile."""
        endpoint = self._endpoint
        secret = endpoint.app_secret.get_secret_value() if endpoint.app_secret and proves else None
        session = FacebookSession(endpoint.app_id, secret, self.token.get_secret_value(), timeout=endpoint.timeout)
        session.GRAPH = endpoint.graph_url  # per instance, so that real and sandbox accounts live in one process
        return FacebookAdsApi(session, api_version=endpoint.version), proves

    @property
    def scope(self) -> str:
        """What Meta counts the calls together with: the installation's own app, or the one that issued the token."""
        return tokens.scope_of(self._issuer, self._endpoint.app_id)

    def call(self, method: str, path: str, params: dict[str, Any]) -> FacebookResponse:
        """One request.

        Raises:
            ProofRefused: without a proof it may be answered; see ``find_issuer``.
            AccountRefused: it had no proof, and the app requires one.
            FacebookRequestError and what the SDK does not catch: Meta's refusal, or no answer that can be read.
        """
        api, proved = self._opened
        try:
            return api.call(method, tuple(path.split("/")), params=dict(params))
        except FacebookRequestError as error:
            if not tokens.is_about_proof(error_of(error)):
                raise
        raise tokens.ProofRefused if proved else tokens.proof_required(self._issuer, self._endpoint.app_id)

    def find_issuer(self, ask: Callable[[], str]) -> None:
        """Send no proof any more. ``ask`` calls Meta without one and returns the id of the app that issued the token.

        Raises:
            BadRequest: it is our own app, so its secret is wrong; proofs are sent again.
        """
        with_proof, own, issuer = self._opened, self._endpoint.app_id, None
        if not with_proof[1]:  # another thread found out
            return
        self._opened = self._open(proves=False)
        try:
            issuer = ask()
        finally:
            if issuer in (None, own):
                self._opened = with_proof
        if issuer == own:
            raise tokens.secret_refused(issuer)
        self._issuer = issuer
        log.info("a token was issued by the app %s, not by %s: its calls carry no proof", issuer, own)


def error_of(error: FacebookRequestError) -> dict[str, Any]:
    """The ``error`` object of a refusal; empty when there was none."""
    body = error.body()
    content = body.get("error") if isinstance(body, dict) else None
    if not isinstance(content, dict):
        return {}
    return {name: _unicode(value) if isinstance(value, str) else value for name, value in content.items()}


def decoded(body: str | bytes) -> Any:  # noqa: ANN401 - JSON
    """The JSON of a body. Half a surrogate pair, which is JSON but no Unicode, becomes U+FFFD: a name that was cut may end in one.

    Raises:
        ValueError, RecursionError: it is no JSON, or nested without end.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return orjson.loads(_unicode(json.dumps(json.loads(body), ensure_ascii=False)))


def _unicode(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
