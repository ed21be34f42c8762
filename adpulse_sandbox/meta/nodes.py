"""Nodes of the Graph API: the requested fields of an object, of which those without a value are absent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from adpulse_sandbox.meta.errors import unknown_field, unsupported
from adpulse_sandbox.meta.names import Names
from adpulse_sandbox.meta.parameters import Fields

NESTED = {"campaign": "Campaign", "adset": "AdSet", "creative": "AdCreative"}
"""The fields whose value is a node, with its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a node's fields are computed from, when a page shows it. A field that is not among them has no value in this world."""

    kind: str
    """The type of the node, as the names have it."""
    subject: Any
    fields: Mapping[str, Callable[[Any], Any]]
    """Computes a field from the subject."""

    def value(self, name: str) -> Any:
        """A field's value; None if there is none."""
        return self.fields[name](self.subject) if name in self.fields else None


def node(source: Source, fields: Fields, names: Names) -> dict[str, Any]:
    """The node with the requested fields, and with its id if it has one.

    Raises:
        GraphError: the node does not have a field.
    """
    check_fields(source.kind, fields, names)
    values: dict[str, Any] = {}
    for name, inner in {"id": None, **fields}.items():
        value = source.value(name)
        if isinstance(value, Source):
            value = node(value, inner or {}, names)
        if value is not None:
            values[name] = value
    return values


def check_fields(kind: str, fields: Fields, names: Names) -> None:
    """Refuse fields that the node does not have, also when the answer has no rows.

    Raises:
        GraphError: the node does not have a field, or one that is an edge or has fields inside is not served.
    """
    for name, inner in fields.items():
        if not names.has_field(kind, name):
            if name in names.nodes[kind].edges:
                raise unsupported(f"the edge {name} inside the fields of {kind}")
            error = unknown_field(name, kind)
            raise error if names.exact else error.inferred()
        if name in NESTED and NESTED[name] != kind:
            check_fields(NESTED[name], inner or {}, names)
        elif inner is not None:
            raise unsupported(f"fields inside the field {name} of {kind}")


def constants(kind: str, **values: Any) -> Source:
    """A node of values that are known already."""
    return Source(kind=kind, subject=values, fields={name: itemgetter(name) for name in values})
