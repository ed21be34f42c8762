"""The app that issued a Meta token, and the token's kind. Pure. Step: fetch.

A call may carry a proof of the app's secret (``appsecret_proof``), and Meta accepts the proof only from the app that issued the token.
Source: Meta's pages "Securing Graph API Requests" and the reference of ``/debug_token``; refusals as people met them live
(facebook-python-business-sdk#155, jeduan/cordova-plugin-facebook4#690). Meta's texts are translated, the names of parameters are not.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from adpulse.errors import AccountRefused, AdpulseError, BadRequest

SCOPE = "meta"
"""What calls with tokens of the installation's own app are counted together as, and with tokens of which nobody knows the app."""

UNNAMED_APP = "another-app"
"""An app that is not the installation's, and whose id Meta did not return."""

_BAD_PARAMETER = 100

_LONGEST = 4_000
"""Characters in a URL. Tokens have no longest length ("Access Token Guide"), but are of some hundred characters. That Meta does not answer
URLs of more than 8 kB with JSON is inferred: no such answer was recorded."""

_PAGE, _APP = "PAGE", "APP"
_KINDS = {_PAGE: "a Page's token", _APP: "an app's own token"}


class ProofRefused(Exception):
    """Meta did not accept the proof: the token is of another app than the one whose secret made it, or the secret is wrong."""


def scope_of(issuer: str | None, own_app: str | None) -> str:
    """What Meta counts the calls of a token together with: those of another app than ours have a limit of their own."""
    return SCOPE if issuer in (None, own_app) else f"{SCOPE}:{issuer}"


def issuer_of_scope(scope: str) -> str | None:
    """The id of the app in a scope; None: the installation's own, as far as anybody knows."""
    return scope.partition(":")[2] or None


def is_about_proof(error: object) -> bool:
    """Whether an ``error`` object complains of the proof: a wrong one, or none where the app requires one."""
    return _refuses(error, "appsecret_proof")


def is_of_another_app(error: object) -> bool:
    """Whether ``/debug_token`` refused an app a token that another app issued."""
    return _refuses(error, "input_token")


def lacks_own_list(error: AdpulseError) -> bool:
    """Whether ``me`` has no edge ``adaccounts``, as it is for some System Users."""
    return "(adaccounts)" in error.message


def unusable(token: str) -> AccountRefused | None:
    """The refusal of what can be seen to reach no ad account without a request: an app's own token is its id and secret."""
    if len(quote(token, safe="")) > _LONGEST:
        return AccountRefused("This is no access token of Meta's: it is longer than any. Give the token and nothing else.", "no_token")
    return wrong_kind(_APP if "|" in token else None)


def kind_in(error: AdpulseError) -> str | None:
    """The token's kind, as a refusal shows it: the type of ``me``."""
    return _PAGE if "(Page)" in error.message else None


def wrong_kind(kind: str | None) -> AccountRefused | None:
    """The refusal of a token that reaches no ad account whatever it is allowed; ``kind`` is the ``type`` of ``/debug_token``."""
    if kind is None or kind not in _KINDS:
        return None
    return AccountRefused(f"This is {_KINDS[kind]}, which reaches no ad account. Give a user's or a System User's token.", kind.lower())


def proof_required(issuer: str | None, own_app: str | None) -> AccountRefused:
    """The app that issued the token wants a proof, and its secret is not set."""
    app = "an app" if issuer in (None, UNNAMED_APP) else f"the app {issuer}"
    own = f" and not by yours ({own_app})" if own_app and issuer != own_app else ""
    message = (
        f"This token was issued by {app}{own}, and that app accepts calls only with a proof of its secret. Turn off 'Require app secret' "
        "in its settings at Meta, or set its id and secret in ADPULSE_META_APP_ID and ADPULSE_META_APP_SECRET."
    )
    return AccountRefused(message, "appsecret_proof")


def secret_refused(own_app: str) -> BadRequest:
    """The token is of our own app and Meta does not accept the proof all the same."""
    message = f"Meta does not accept the secret of the app {own_app}, which issued this token. Check ADPULSE_META_APP_SECRET."
    return BadRequest(message, "appsecret_proof")


def issuer_in_answer(answer: Mapping[str, Any]) -> str:
    """The id in an answer of ``/app``, which is the app that issued the token that asks."""
    value = answer.get("id")
    return str(value) if isinstance(value, str | int) and str(value).isdecimal() else UNNAMED_APP


def _refuses(error: object, parameter: str) -> bool:
    """Whether the message is about the parameter. One that only repeats the request has the parameter with its value."""
    if not isinstance(error, Mapping) or error.get("code") != _BAD_PARAMETER:
        return False
    return re.search(rf"\b{parameter}\b(?![\"']?\s*[=:])", str(error.get("message"))) is not None
