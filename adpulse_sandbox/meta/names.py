"""The names that a version of the API knows: fields by type of node, edges, parameters and their values.

The tables are derived from Meta's SDK (``make meta-names``), so that the sandbox knows every name that clients can ask for without
importing an SDK. ``tables/by_hand.toml`` has what the SDK does not say, with sources.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a request: its type in the SDK's words, such as ``list<level_enum>``, and the values of an enum."""

    kind: str
    values: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A type of node. An edge whose parameters no table has is None."""

    fields: frozenset[str]
    parameters: Mapping[str, Parameter]
    edges: Mapping[str, Mapping[str, Parameter] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of a version. ``exact``: its own tables are known; otherwise they are those of the version before."""

    exact: bool
    nodes: Mapping[str, Node]
    ended_fields: Mapping[str, Mapping[str, str]]
    """By type of node and field, how the refusal goes on."""
    ended_values: Mapping[str, Mapping[str, str | None]]
    """By parameter and value, the refusal; None if nothing is returned instead."""

    def values(self, parameter: str) -> Sequence[str]:
        """The values of an enum among the parameters of reports."""
        return (self.nodes["AdAccount"].edges["insights"] or {})[parameter].values

    def has_field(self, node: str, name: str) -> bool:
        """Whether a field exists. A name that is an edge's is no field."""
        return name in self.nodes[node].fields and name not in self.ended_fields.get(node, {})


@lru_cache
def names_of(version: str) -> Names:
    """The names of a version of the API; of the newest version before it if there are no tables of its own."""
    available = sorted((path.stem for path in _FOLDER.glob("v*.json")), key=_number)
    nearest = max((name for name in available if _number(name) <= _number(version)), key=_number, default=available[0])
    tables = json.loads((_FOLDER / f"{nearest}.json").read_text())["nodes"]
    by_hand = tomllib.loads((_FOLDER / "by_hand.toml").read_text())
    ended_values: dict[str, dict[str, str | None]] = {}
    for entry in by_hand["ended_values"]:
        ended_values.setdefault(entry["parameter"], {}).update(dict.fromkeys(entry["values"], entry.get("refusal")))
    return Names(
        exact=nearest == version,
        nodes={name: _node(table) for name, table in tables.items()},
        ended_fields={entry["node"]: dict.fromkeys(entry["fields"], entry["refusal"]) for entry in by_hand["ended_fields"]},
        ended_values=ended_values,
    )


def _node(table: Mapping[str, Any]) -> Node:
    edges = {name: None if edge is None else _parameters(edge["parameters"]) for name, edge in table.get("edges", {}).items()}
    return Node(fields=frozenset(table["fields"]), parameters=_parameters(table.get("parameters", {})), edges=edges)


def _parameters(table: Mapping[str, Any]) -> dict[str, Parameter]:
    return {name: Parameter(kind=entry["type"], values=tuple(entry.get("values", ()))) for name, entry in table.items()}


def _number(version: str) -> float:
    return float(version.removeprefix("v"))
