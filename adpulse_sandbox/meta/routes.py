"""The routes of the Graph API: which node, edge or report a path is about."""

from typing import Any

from adpulse_sandbox.clock import SandboxClock
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.meta import errors
from adpulse_sandbox.meta.calls import Call
from adpulse_sandbox.meta.entities import Snapshot, account_source, ad_of_creative, creative_source, entity_source
from adpulse_sandbox.meta.listing import Listing, edge_of
from adpulse_sandbox.meta.node_lists import NodeList, list_nodes
from adpulse_sandbox.meta.nodes import Source, node
from adpulse_sandbox.meta.of_token import OfToken
from adpulse_sandbox.meta.parameters import check_parameters, parse_fields, without_effect
from adpulse_sandbox.meta.points import Points
from adpulse_sandbox.meta.reports import Reports
from adpulse_sandbox.meta.world import Account, Entity, World


class Routes:
    """Answers one call. ``points`` limits the calls of an account, if there is a limit."""

    def __init__(self, world: World, reports: Reports, clock: SandboxClock, faults: Faults, points: Points | None) -> None:
        self._world, self._reports, self._clock, self._faults, self._points = world, reports, clock, faults, points
        self._of_token = OfToken(world, clock, faults)

    def answer(self, method: str, path: list[str], call: Call) -> Any:
        """The body of the answer.

        Raises:
            GraphError: the request is refused.
        """
        if not path:
            return self._by_ids(method, call)
        if self._of_token.has(path[0]):
            return self._of_token.answer(method, path, call)
        if self._reports.is_job(path[0]):
            call.account = self._reports.account_of(path[0])
            self._spend_point(call)
            return self._reports.job(method, path, call)
        return self._of_object(method, path, call)

    def _of_object(self, method: str, path: list[str], call: Call) -> Any:
        account, source, entity = self._find_object(path[0], call)
        if method != "GET":
            if method == "POST" and path[1:] == ["insights"] and source.kind != "AdCreative":
                return self._reports.start(account, entity, call)
            raise errors.write_refused()
        if len(path) == 1:
            return self._node(source, call)
        if len(path) > 2:  # noqa: PLR2004 - a node and its edge
            raise errors.unknown_field("/".join(path[1:]), source.kind)
        if path[1] == "insights" and "insights" in call.names.nodes[source.kind].edges:
            return self._reports.read(account, entity, call)
        return self._edge(account, entity, source.kind, path[1], call)

    def _node(self, source: Source, call: Call) -> dict[str, Any]:
        call.kind = "node"
        check_parameters(call.params, without_effect("nodes", call.names.nodes[source.kind].parameters), f"the node {source.kind}")
        call.apply_faults(self._faults)
        return node(source, parse_fields(call.params.get("fields", "id")), call.names)

    def _find_object(self, object_id: str, call: Call) -> tuple[Account, Source, Entity | None]:
        """An account, an entity of one, or a creative. The token must have access to the account."""
        if not (object_id.removeprefix("act_").isdigit()):
            raise errors.unknown_path(object_id)
        now = self._clock.now()
        match = self._find_account(object_id) if object_id.startswith("act_") else self._find_entity(object_id)
        if match is None or (match[2] and match[2].created_at > now):
            raise errors.unreachable(object_id)
        call.account = match[0].id
        if call.account not in call.token.accounts:
            raise errors.unreachable(object_id)
        if "ads_read" not in call.token.scopes:
            raise errors.no_permission()
        self._spend_point(call)
        return match

    def _spend_point(self, call: Call) -> None:
        if self._points and not self._points.spend(call.token.app.id, call.account, self._clock.now()):
            call.throttled = True
            raise errors.too_many_calls()

    def _find_account(self, object_id: str) -> tuple[Account, Source, Entity | None] | None:
        account = self._world.accounts.get(object_id.removeprefix("act_"))
        return (account, account_source(account, self._clock.now()), None) if account else None

    def _find_entity(self, object_id: str) -> tuple[Account, Source, Entity | None] | None:
        match = self._world.find(object_id)
        if match:
            account, entity = match
            return account, entity_source(Snapshot(account, entity, self._clock.now())), entity
        for account in self._world.accounts.values():
            ad = ad_of_creative(account, object_id)
            if ad:
                return account, creative_source(Snapshot(account, ad, self._clock.now())), ad
        return None

    def _by_ids(self, method: str, call: Call) -> dict[str, Any]:
        if method != "GET" or "ids" not in call.params:
            raise errors.unknown_path("")
        check_parameters(call.params, ("ids",), "several nodes")
        fields = parse_fields(call.params.get("fields", "id"))
        nodes = {}
        for object_id in call.params["ids"].split(","):
            _, source, _ = self._find_object(object_id, call)
            nodes[object_id] = node(source, fields, call.names)
        call.kind, call.rows = "ids", len(nodes)
        call.apply_faults(self._faults)
        return nodes

    def _edge(self, account: Account, parent: Entity | None, kind: str, name: str, call: Call) -> dict[str, Any]:
        call.kind = name
        if kind == "AdCreative":
            raise errors.unsupported(f"the edge {name} of {kind}")
        now = self._clock.now()
        listing = Listing(account=account, parent=parent, params=call.params, at=now)
        edge = edge_of(listing, name, call.names)
        if listing.is_inferred:
            call.infer()
        deleted = sum(at <= now for at, _ in account.deletions)  # a deletion invalidates the cursors that were issued before
        return list_nodes(call, self._faults, NodeList(edge.kind, edge.default, edge.sources(listing)), f"{call.account}/{name}/{deleted}")
