"""Exports of the installation's workspaces: one on request, all after publications."""

import logging
from dataclasses import dataclass
from importlib.metadata import version

from adpulse.bootstrap import App
from adpulse.errors import AdpulseError, Usage
from adpulse.home import EXPORTS, LOCKS
from adpulse.settings import Settings
from storage.exports.exporter import Exporter
from storage.exports.manifest import Format, Manifest
from storage.exports.target import Target, target_at

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The exports of all workspaces: manifests and error messages by workspace, and how many workspaces had no changes."""

    manifests: dict[str, Manifest]
    failed: dict[str, str]
    unchanged: int


def exporter_of(app: App, workspace_id: str) -> Exporter:
    """What exports a workspace of the installation."""
    home = app.settings.home
    return Exporter(
        workspace_id=workspace_id,
        published=app.published(workspace_id),
        locks=home / LOCKS,
        building=home / EXPORTS,
        version=version("adpulse"),
        wall=app.wall,
    )


def configured_target(settings: Settings) -> Target:
    """The target of the installation's exports.

    Raises:
        Usage: ADPULSE_EXPORT_TO is not set, or is not an address of a target.
    """
    if settings.export_to is None:
        raise Usage(
            "Exports are not set up: set ADPULSE_EXPORT_TO to a folder, s3://BUCKET/PREFIX or postgresql://USER:PASSWORD@HOST/DATABASE."
        )
    return target_at(settings.export_to.get_secret_value(), hidden=True)


def export_all(app: App) -> Exported:
    """Export every workspace of which something was published, to where ADPULSE_EXPORT_TO has a place for it.

    Raises:
        Usage: ADPULSE_EXPORT_TO is not set, or is not an address of a target.
    """
    target, format_ = configured_target(app.settings), Format(app.settings.export_format)
    manifests, failed, unchanged = dict[str, Manifest](), dict[str, str](), 0
    for workspace in app.workspaces.all():
        if not app.published(workspace.id).exists():
            continue
        try:
            manifest = exporter_of(app, workspace.id).export(target.beneath(workspace.id), format_=format_)
        except AdpulseError as error:
            log.warning("workspace %s was not exported: %s", workspace.name, error)
            failed[workspace.id] = f"{workspace.name}: {error}"
            continue
        if manifest is None:
            unchanged += 1
            continue
        manifests[workspace.id] = manifest
        if manifest.restored:
            log.warning("workspace %s went back to an earlier state of %s connections", workspace.name, len(manifest.restored))
    return Exported(manifests=manifests, failed=failed, unchanged=unchanged)
