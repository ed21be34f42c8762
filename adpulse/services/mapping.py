"""Chooses what counts as a connection's conversions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from adpulse.bootstrap import App
from adpulse.conversion_types import KeptTypes, MetricChange
from adpulse.conversion_types import changes as changes_between
from adpulse.mapping import ConversionMapping
from adpulse.model import Connection, ConnectionStatus
from adpulse.platforms.registry import mapping_of, platform_of
from adpulse.services import conversion_types
from adpulse.services.syncing import Dispatch, dispatch, request_sync
from storage.control.sync_requests import Ticket


def revised(
    connection: Connection, *, preset: str | None = None, changes: Mapping[str, Iterable[str]], name: str | None = None
) -> ConversionMapping:
    """The connection's mapping, or a preset in its attribution, with these changes. Nothing is stored.

    Raises:
        Usage: a preset, metric or type that cannot be chosen.
    """
    rules, present = platform_of(connection.provider).mapping, mapping_of(connection)
    return rules.revised(replace(rules.preset(preset), attribution=present.attribution) if preset else present, changes, name)


def choose(app: App, connection: Connection, mapping: ConversionMapping, *, dispatcher: Dispatch = dispatch) -> Ticket | None:
    """Store another mapping and request the sync that reads the lookback again by it.

    A sync under way loses its lease and starts again with the new mapping. Returns None where nothing changes, and while the connection is
    not synced: its next sync follows the mapping.
    """
    if mapping == mapping_of(connection):
        return None
    app.mappings.choose(connection, mapping)
    conversion_types.judge_again(app.conversion_types, replace(connection, mapping=mapping))
    app.leases.release(app.runs.leases_of_connection(connection.id))
    return request_sync(app, connection.id, dispatcher=dispatcher) if connection.status is ConnectionStatus.ACTIVE else None


def preview(connection: Connection, mapping: ConversionMapping, kept: KeptTypes) -> list[MetricChange]:
    """What each metric of the account was over the days that are kept, by its present mapping and by another one. Nothing is stored."""
    return changes_between(kept.types, mapping_of(connection), mapping, platform_of(connection.provider).mapping)
