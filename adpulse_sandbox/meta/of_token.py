"""What belongs to the token: its user (``me``), the app that issued it, and the businesses of the user.

Source: Meta's reference pages "User", "User, Permissions", "User, Businesses" and "Business".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adpulse_sandbox.clock import SandboxClock
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.meta import errors
from adpulse_sandbox.meta.businesses import AGENCY, CLIENT, accounts_of_business, business_source, business_user_source
from adpulse_sandbox.meta.calls import Call
from adpulse_sandbox.meta.entities import account_source
from adpulse_sandbox.meta.node_lists import NodeList, list_nodes
from adpulse_sandbox.meta.nodes import Source, constants, node
from adpulse_sandbox.meta.parameters import OF_PAGES, check_parameters, parse_fields, without_effect
from adpulse_sandbox.meta.tokens import ME
from adpulse_sandbox.meta.world import World

_BUSINESSES = {business.id: business for business in (AGENCY, CLIENT)}
_OF_ACCOUNT, _OF_USER = "account_id,id", "id,name,business"


class OfToken:
    """Answers calls about the token's user, app and businesses."""

    def __init__(self, world: World, clock: SandboxClock, faults: Faults) -> None:
        self._world, self._clock, self._faults = world, clock, faults
        self._edges: Mapping[str, Callable[[Call], NodeList]] = {
            "adaccounts": lambda call: self._accounts(call.token.accounts_of_edge("adaccounts")),
            "assigned_ad_accounts": lambda call: self._accounts(call.token.accounts_of_edge("assigned_ad_accounts")),
            "permissions": lambda call: NodeList("Permission", "permission,status", list(_permissions(call.token.scopes, call.params))),
            "businesses": lambda _: NodeList("Business", "id,name", [business_source(AGENCY)]),
            "business_users": lambda _: NodeList("BusinessUser", _OF_USER, [business_user_source()]),
        }

    def has(self, name: str) -> bool:
        """Whether a path that begins so is about the token."""
        return name in ("me", "app") or name in _BUSINESSES

    def answer(self, method: str, path: list[str], call: Call) -> dict[str, Any]:
        """The body of the answer.

        Raises:
            GraphError: the request is refused.
        """
        if method != "GET":
            raise errors.write_refused()
        call.kind = "/".join(path)
        if path[0] in _BUSINESSES:
            return self._business(path, call)
        if path == ["me"]:
            return self._own_node(constants("User", **call.token.me()), call)
        if path == ["app"]:
            return self._app(call)
        edge = "/".join(path[1:])
        if path[0] == "app":
            raise errors.unknown_field(edge, "Application")
        return self._edge_of_me(edge, call)

    def _own_node(self, source: Source, call: Call) -> dict[str, Any]:
        check_parameters(call.params, (), call.kind)
        call.apply_faults(self._faults)
        return node(source, parse_fields(call.params.get("fields", "id,name")), call.names)

    def _app(self, call: Call) -> dict[str, Any]:
        check_parameters(call.params, (), "app")
        call.apply_faults(self._faults)
        values = {"id": call.token.app.id, "name": call.token.app.name}
        fields = parse_fields(call.params.get("fields", "id,name"))
        unserved = next((name for name in fields if name not in values), None)
        if unserved:
            raise errors.unsupported(f"the field {unserved} of app")
        return {name: values[name] for name in {"id": None, **fields}}

    def _edge_of_me(self, name: str, call: Call) -> dict[str, Any]:
        kind = ME.get(call.token.kind, "User")
        call.token.me()
        if name not in self._edges:
            if name in call.names.nodes["User"].edges:
                raise errors.unsupported(f"the edge {name} of {kind}")
            raise errors.unknown_field(name, kind)
        if name == "businesses":
            call.token.require_businesses()
        own = ("permission", "status") if name == "permissions" else ()
        check_parameters(call.params, {*OF_PAGES, *own, "summary", *without_effect("edges", ())}, f"the edge {name} of me")
        return list_nodes(call, self._faults, self._edges[name](call), call.kind)

    def _business(self, path: list[str], call: Call) -> dict[str, Any]:
        """The agency of the token's user, and the client as far as an account names it."""
        business = _BUSINESSES[path[0]]
        call.token.require_businesses()
        if len(path) == 1:
            call.kind = "business"
            return self._own_node(business_source(business), call)
        call.kind = edge = path[1]
        if edge not in call.names.nodes["Business"].edges:
            raise errors.unknown_field(edge, "Business")
        if business is not AGENCY or edge not in ("owned_ad_accounts", "client_ad_accounts", "business_users"):
            raise errors.unsupported(f"the edge {edge} of Business")
        check_parameters(call.params, {*OF_PAGES, "summary"}, f"the edge {edge} of Business")
        if edge == "business_users":
            return list_nodes(call, self._faults, NodeList("BusinessUser", _OF_USER, [business_user_source()]), edge)
        reached = [self._world.accounts[identifier] for identifier in call.token.accounts]
        nodes = self._accounts([account.id for account in accounts_of_business(edge, reached)])
        return list_nodes(call, self._faults, nodes, edge)

    def _accounts(self, ids: list[str]) -> NodeList:
        now = self._clock.now()
        return NodeList("AdAccount", _OF_ACCOUNT, [account_source(self._world.accounts[identifier], now) for identifier in ids])


def _permissions(scopes: tuple[str, ...], params: Mapping[str, str]) -> Iterator[Source]:
    """The granted permissions. ``permission`` and ``status`` choose among them."""
    for scope in scopes:
        if params.get("permission", scope) == scope and params.get("status", "granted") == "granted":
            yield constants("Permission", permission=scope, status="granted")
