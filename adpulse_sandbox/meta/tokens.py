"""Meta's access tokens: the app that issued a token, its kind, and the accounts that it has access to.

Source: Meta's pages "Access Tokens", "System Users", "Securing Graph API Requests" and the reference of ``/debug_token``; answers to a
System User's ``me/adaccounts`` and ``me/assigned_ad_accounts`` as clients met them (empty, or code 100 "nonexisting field").
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adpulse_sandbox.meta import errors

USER, SYSTEM_USER, PAGE, APP = "USER", "SYSTEM_USER", "PAGE", "APP"
ME = {USER: "User", SYSTEM_USER: "SystemUser", PAGE: "Page"}
"""The type of the node ``me``, by the kind of the token."""

_READS_ADS = "ads_read"
_MANAGES_BUSINESSES = "business_management"


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An app at Meta. ``requires_proof``: "Require app secret" is on in its settings, so calls without a proof are refused."""

    id: str
    name: str
    secret: str = field(repr=False)
    requires_proof: bool = False

    @property
    def token(self) -> str:
        """The app's own access token, which belongs to no user."""
        return f"{self.id}|{self.secret}"

    def proof(self, token: str) -> str:
        """The ``appsecret_proof`` of a token, which shows that a call comes from the app's server."""
        return hmac.new(self.secret.encode(), token.encode(), hashlib.sha256).hexdigest()


OWN_APP = App(id="1270000000000042", name="Sandbox App", secret="sandbox-app-secret")  # noqa: S106 - the sandbox's own
OTHER_APP = App(id="1270000000000043", name="Client's App", secret="sandbox-other-secret")  # noqa: S106 - the sandbox's own
STRICT_APP = App(id="1270000000000044", name="Client's Strict App", secret="sandbox-strict-secret", requires_proof=True)  # noqa: S106 - the sandbox's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token: its accounts, its scopes and its expiry.

    ``assigned``: the accounts that are assigned to a System User; only ``me/assigned_ad_accounts`` lists them.
    ``lists_accounts``: whether ``me`` has the edge ``adaccounts``; it has none for a business integration's System User.
    ``data_access_until``: when the user's consent to data access expires, which is independent of the token's expiry.
    """

    label: str
    value: str
    accounts: tuple[str, ...]
    scopes: tuple[str, ...] = (_READS_ADS,)
    expires_at: datetime | None = None
    data_access_until: datetime | None = None
    app: App = OWN_APP
    kind: str = USER
    assigned: tuple[str, ...] = ()
    lists_accounts: bool = True
    issued_at: datetime | None = None

    def has_ended(self, now: datetime) -> bool:
        """Whether the token or the consent to data access has expired."""
        return any(until is not None and until <= now for until in (self.expires_at, self.data_access_until))

    def me(self) -> dict[str, str]:
        """The node ``me``.

        Raises:
            GraphError: the token is an app's own and belongs to no user.
        """
        if self.kind == APP:
            raise errors.no_token()
        return {"id": "1000042", "name": f"Sandbox {ME[self.kind]}"}

    def accounts_of_edge(self, edge: str) -> list[str]:
        """The accounts that an edge of ``me`` lists.

        Raises:
            GraphError: ``me`` has no such edge, or the token lacks the permission.
        """
        self.me()
        if edge not in ("adaccounts", "assigned_ad_accounts") or self.kind == PAGE or (edge == "adaccounts" and not self.lists_accounts):
            raise errors.unknown_field(edge, ME[self.kind])
        if _READS_ADS not in self.scopes:
            raise errors.no_permission()
        if edge == "adaccounts":
            return [account for account in self.accounts if account not in self.assigned]
        if self.kind == USER and _MANAGES_BUSINESSES not in self.scopes:
            raise errors.needs_permission(_MANAGES_BUSINESSES)
        return list(self.assigned)

    def require_businesses(self) -> None:
        """Refuse a token that may not read businesses.

        Raises:
            GraphError: the token lacks the permission.
        """
        self.me()
        if _MANAGES_BUSINESSES not in self.scopes:
            raise errors.needs_permission(_MANAGES_BUSINESSES)

    def debug_info(self, now: datetime) -> dict[str, Any]:
        """The answer of ``/debug_token``. Times are Unix times, 0 is never. A scope without ``target_ids`` is for all accounts."""
        info: dict[str, Any] = {"app_id": self.app.id, "type": self.kind, "application": self.app.name}
        if self.kind == APP:
            return {**info, "is_valid": True, "scopes": []}
        for name, at in (("data_access_expires_at", self.data_access_until), ("expires_at", self.expires_at)):
            info[name] = _unix(at)
        info["is_valid"] = not self.has_ended(now)
        if self.issued_at:
            info["issued_at"] = _unix(self.issued_at)
        targets = {"target_ids": list(self.assigned)} if self.assigned else {}
        granular = [{"scope": scope, **(targets if scope == _READS_ADS else {})} for scope in self.scopes]
        profile = {"profile_id": self.me()["id"]} if self.kind == PAGE else {}
        return {**info, **profile, "scopes": list(self.scopes), "granular_scopes": granular, "user_id": self.me()["id"]}


def standard(seed: int, beginning: datetime, accounts: Sequence[str], varied: Sequence[str]) -> Iterator[Token]:
    """A token for each case: of the installation's own app and of others, valid and expired, with and without access.

    Only the token ``varied`` reaches the ``varied`` accounts.
    """
    all_accounts, day = tuple(accounts), timedelta(days=1)

    def token(label: str, infix: str, reached: tuple[str, ...] = all_accounts, **more: Any) -> Token:
        return Token(label=label, value=f"EAAsandbox{infix}{seed:04d}", accounts=reached, **more)

    yield token("full", "fullaccess")
    yield token("single", "oneaccount", all_accounts[:1])
    yield token("varied", "variedaccounts", tuple(varied))
    yield token("none", "noaccount", ())
    yield token("unscoped", "withoutscope", scopes=("public_profile",))
    yield token("agency", "agencyaccess", scopes=(_READS_ADS, _MANAGES_BUSINESSES))
    yield token("expired", "expired", expires_at=beginning - day)
    yield token("expiring", "expiring", expires_at=beginning + timedelta(hours=2))
    system: dict[str, Any] = {"kind": SYSTEM_USER, "issued_at": beginning - 30 * day}
    yield token("system_user", "systemuser", assigned=all_accounts, **system)
    yield token("system_user_both", "systemuserboth", assigned=all_accounts[1:], **system)
    yield token("business_system_user", "businessintegration", assigned=all_accounts, lists_accounts=False, **system)
    yield token("page", "pageaccess", (), kind=PAGE, issued_at=beginning - day, scopes=("pages_show_list",))
    yield token("other_app", "ofanotherapp", assigned=all_accounts, app=OTHER_APP, **system)
    yield token("other_app_user", "ofanotherappsuser", app=OTHER_APP)
    yield token("strict_app", "ofastrictapp", assigned=all_accounts, app=STRICT_APP, **system)
    for name, app in (("app", OWN_APP), ("other_apps_own", OTHER_APP)):
        yield Token(label=name, value=app.token, accounts=(), scopes=(), app=app, kind=APP)


def authenticated(tokens: Mapping[str, Token], params: Mapping[str, str], now: datetime) -> Token:
    """The token of a call.

    Raises:
        GraphError: the call has no token or an invalid one, or the ``appsecret_proof`` is missing or of another app.
    """
    value = params.get("access_token")
    if not value:
        raise errors.no_token()
    token = tokens.get(value)
    if token is None:
        raise errors.bad_token()
    if token.has_ended(now):
        raise errors.expired_token()
    proof = params.get("appsecret_proof")
    if proof is None and token.app.requires_proof:
        raise errors.proof_missing()
    if proof is not None and not hmac.compare_digest(proof.encode(), token.app.proof(value).encode()):
        raise errors.proof_invalid()
    return token


def _unix(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0
