"""Pages of nodes: the requested fields of each, and the number of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from adpulse_sandbox.faults import Faults
from adpulse_sandbox.meta.calls import Call
from adpulse_sandbox.meta.errors import unsupported
from adpulse_sandbox.meta.nodes import Source, check_fields, node
from adpulse_sandbox.meta.parameters import Fields, parse_fields


@dataclass(frozen=True, slots=True)
class NodeList:
    """The nodes of an edge: their type, the fields of a request without ``fields``, and their values."""

    kind: str
    default: str
    sources: Sequence[Source]


def list_nodes(call: Call, faults: Faults, nodes: NodeList, edge: str) -> dict[str, Any]:
    """A page of an edge; only its rows are rendered.

    Raises:
        GraphError: a field, the cursor or the number of rows is invalid, or a fault strikes.
    """
    fields, default = parse_fields(call.params.get("fields", "")), parse_fields(nodes.default)
    check_fields(nodes.kind, fields, call.names)
    total = _wants_total(call.params)
    page = call.page(edge, [partial(_row, source, fields, default, call) for source in nodes.sources], faults)
    return {**page, "summary": {"total_count": len(nodes.sources)}} if total else page


def _row(source: Source, fields: Fields, default: Fields, call: Call) -> dict[str, Any]:
    """A node. The default fields are not those of the tables alone: Meta's pages name more for some edges."""
    if fields:
        return node(source, fields, call.names)
    return {name: value for name in default if (value := source.value(name)) is not None}


def _wants_total(params: Mapping[str, str]) -> bool:
    requested = params.get("summary", "false").strip("[]\"' ").lower()
    if requested not in ("true", "1", "total_count", "false", "0"):
        raise unsupported("another summary of an edge than its total_count")
    return requested in ("true", "1", "total_count")
