"""Checks an installation: what keeps it from working, and with ``production`` what should not go live as it is."""

import os
import pwd
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from adpulse import home, orchestrator
from adpulse.bootstrap import App, app
from adpulse.crypto import KEY_FILE
from adpulse.errors import AdpulseError, KeysLost, Usage
from adpulse.platforms.registry import PLATFORMS
from adpulse.role import Role
from adpulse.settings import LOOPBACK_HOSTS, Settings, variable
from storage.control import database, snapshot, sqlite_file
from storage.control.homes import Homes
from storage.control.keys import ApiKeys
from storage.control.leader import SWEEP, TERM, Leadership
from storage.control.rotation import Uses
from storage.control.schedule_changes import ScheduleChanges
from storage.warehouse.remainders import read_remainders

_MIN_FREE_BYTES = 1 << 30
_MAX_DRIFT = timedelta(seconds=5)


class Verdict(StrEnum):
    """``look``: only a person can decide whether it is right."""

    OK = "ok"
    LOOK = "look"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check. The names of the fields are keys of ``adpulse doctor --json``."""

    about: str
    verdict: Verdict
    told: str


def examine(config: Settings, *, production: bool) -> Iterator[Finding]:
    """Every finding; checks that need the control plane run only when it answers. Calls no platform.

    Changes nothing except the permissions of the home folder, which every process closes to other users when it starts.
    """
    try:
        installation = app()
    except (AdpulseError, OSError) as error:
        yield _wrong("secrets" if isinstance(error, KeysLost) else "database", str(error))
        installation = None
    else:
        yield from _database(config)
    yield from _examine_machine(config, production=production)
    if installation:
        yield from _examine_installation(installation, production=production)


def _database(config: Settings) -> Iterator[Finding]:
    """The database answers. SQLite's integrity check reads all of it: damage in a page that nothing asks for would stay hidden."""
    file = database.file_of(config.control_url)
    problem = snapshot.problem(file) if file else None
    if file and problem:
        yield _wrong("database", str(sqlite_file.damaged(file, problem)))
    elif file:
        yield _ok("database", "It answers, its schema is current, and every page of it is sound.")
    else:
        yield _ok("database", "It answers, and its schema is current.")


def _examine_machine(config: Settings, *, production: bool) -> Iterator[Finding]:
    """The checks that need no control plane."""
    yield from _prefect(config)
    yield from _disk(config)
    yield from _home(config)
    if production:
        yield from _platforms(config)
        yield from _database_kind(config)
        yield from _prefect_access()
        yield from _user()


def _examine_installation(installation: App, *, production: bool) -> Iterator[Finding]:
    """The checks that read the control plane."""
    yield from _worker(installation.leadership)
    yield from _clock(installation.gauges.clock_drift())
    yield from _secrets(installation.rotation.uses())
    yield from _api_versions(installation)
    yield from _totals(installation)
    yield from _homes(installation.homes)
    yield from _schedules(installation.schedule_changes)
    if production:
        yield from _key_backup(installation)
        yield from _api_keys(installation.keys)
        yield from _allowances(installation)


def _disk(config: Settings) -> Iterator[Finding]:
    folder = config.home.absolute()
    free = shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
    largest = max((path.stat().st_size for path in folder.glob("warehouse/*.duckdb")), default=0)
    text = f"{free / 1e9:.1f} GB are free where {config.home} is"
    if free < max(_MIN_FREE_BYTES, 2 * largest):
        yield _wrong(
            "disk", f"{text}; a publication needs room for a copy of the largest warehouse, {largest / 1e9:.1f} GB, and 1 GB besides."
        )
    else:
        yield _ok("disk", f"{text}.")


def _home(config: Settings) -> Iterator[Finding]:
    try:
        exposed = home.exposed_paths(config)
    except Usage as error:
        yield _wrong("home", str(error))
        return
    if not exposed:
        yield _ok("home", f"Only its owner may use what is in {config.home}.")
        return
    path, others = exposed[0], f" and {len(exposed) - 1} more in it" if len(exposed) > 1 else ""
    text = f"Other users may use {path}{others}, and it could not be closed: it belongs to {_name_of(path.stat().st_uid)}."
    yield _wrong("home", f"{text} Let its owner run: chmod -R go= {config.home}. Or give it to the user that runs adpulse.")


def _homes(homes: Homes) -> Iterator[Finding]:
    if text := homes.elsewhere_sentence():
        yield _look("homes", text)


def _schedules(changes: ScheduleChanges) -> Iterator[Finding]:
    for sentence in changes.sentences():
        yield _look("schedules", sentence)


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _prefect(config: Settings) -> Iterator[Finding]:
    orchestrator.use_running_server(config)
    if orchestrator.answers():
        yield _ok("Prefect", "Its server answers.")
    else:
        yield _wrong("Prefect", "Its server does not answer. Start it with adpulse up, or set PREFECT_API_URL.")


def _prefect_access() -> Iterator[Finding]:
    url = os.environ.get("PREFECT_API_URL", "")
    if not orchestrator.answers():
        return
    if not orchestrator.lets_anybody_in():
        yield _ok("Prefect's access", "Its server asks for a password.")
    elif urlsplit(url).hostname in LOOPBACK_HOSTS:
        yield _look(
            "Prefect's access",
            "Its server asks for no password: everybody on this machine may change deployments. That of adpulse up asks for one.",
        )
    else:
        yield _wrong("Prefect's access", f"Whoever reaches {urlsplit(url).netloc} may change deployments. Set ADPULSE_PREFECT_AUTH.")


def _platforms(config: Settings) -> Iterator[Finding]:
    overridden = [variable(Settings, "sandbox_url")] if config.sandbox_url else []
    for platform in PLATFORMS.values():
        section = config.of(platform)
        changed = [name for name in platform.addresses if getattr(section, name) != platform.settings.model_fields[name].default]
        overridden += [variable(platform.settings, name) for name in changed]
    if overridden:
        yield _wrong("platforms", f"{', '.join(overridden)} do not point to the platforms.")
    else:
        yield _ok("platforms", "The addresses are those of the platforms.")


def _user() -> Iterator[Finding]:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield _look("user", "This is root; adpulse needs no rights but to its own folder.")


def _database_kind(config: Settings) -> Iterator[Finding]:
    if config.control_url.startswith("sqlite"):
        yield _look("database's kind", "SQLite, which is right for one machine and one worker. For more: docs/howto/postgresql.md")
    else:
        yield _ok("database's kind", "PostgreSQL.")


def _worker(leadership: Leadership) -> Iterator[Finding]:
    last_seen = leadership.time_since_renewal(SWEEP)
    if last_seen is None or last_seen > TERM:
        yield _wrong("worker", "No worker was seen recently. Start one with adpulse up or adpulse worker.")
    else:
        yield _ok("worker", f"One was seen {last_seen.total_seconds():.0f} s ago.")


def _secrets(uses: Uses) -> Iterator[Finding]:
    newest, *older = uses.by_key
    if uses.unreadable:
        yield _wrong("secrets", f"{len(uses.unreadable)} open with no key. Run: adpulse secrets status")
    elif any(uses.by_key[key] for key in older):
        yield _look("secrets", "Some need an older key. Run: adpulse secrets rotate")
    else:
        yield _ok("secrets", f"{uses.by_key[newest]} are stored, all with the newest key.")


def _clock(drift: timedelta) -> Iterator[Finding]:
    if abs(drift) > _MAX_DRIFT:
        yield _wrong("clock", f"This machine's and the database's differ by {abs(drift).total_seconds():.0f} s. Leases rely on both.")
    else:
        yield _ok("clock", "This machine's and the database's agree.")


def _key_backup(installation: App) -> Iterator[Finding]:
    if (stored := sum(installation.rotation.uses().by_key.values())) == 0:
        return
    source = "ADPULSE_SECRET_KEY" if installation.settings.secret_key else str(installation.settings.home / KEY_FILE)
    yield _look("key's backup", f"{stored} tokens open with {source} alone. Is it backed up, apart from the database?")


def _api_keys(keys: ApiKeys) -> Iterator[Finding]:
    endless = [key.prefix for key in keys.all() if key.role is Role.OPERATOR and not (key.expires_at or key.revoked_at)]
    if endless:
        yield _look("API keys", f"Operators' keys that never expire: {', '.join(endless)}.")


def _allowances(installation: App) -> Iterator[Finding]:
    used = {view.connection.provider for view in installation.connections.all()}
    for platform in PLATFORMS.values():
        if platform.name in used:
            yield from (_look(platform.label, question) for question in platform.production_checks(installation.settings.of(platform)))


def _api_versions(installation: App) -> Iterator[Finding]:
    used = {view.connection.provider for view in installation.connections.all()}
    for provider, version in installation.api_versions().items():
        if provider not in used:
            continue
        if version.has_ended:
            yield _wrong("API version", version.sentence)
        elif version.is_ending or not version.is_known:
            yield _look("API version", version.sentence)
        else:
            yield _ok("API version", version.sentence)


def _totals(installation: App) -> Iterator[Finding]:
    """Whether what is stored adds up to what the platforms report, for connections of which something is published."""
    off, compared = [], 0
    for view in installation.connections.all():
        published = installation.published(view.connection.workspace_id)
        if not published.exists():
            continue
        compared += 1
        days = sum(remainder.unexplained for remainder in read_remainders(published, view.connection, installation.clock.now()))
        if days:
            off.append(f"{view.connection.name} ({days})")
    if off:
        yield _look("totals", f"Spend that nothing explains is missing below totals of {', '.join(off)}: `adpulse reconcile CONNECTION`.")
    elif compared:
        yield _ok("totals", "What is stored adds up to what the platforms report, or deleted entities explain the rest.")


def _ok(about: str, text: str) -> Finding:
    return Finding(about=about, verdict=Verdict.OK, told=text)


def _look(about: str, text: str) -> Finding:
    return Finding(about=about, verdict=Verdict.LOOK, told=text)


def _wrong(about: str, text: str) -> Finding:
    return Finding(about=about, verdict=Verdict.WRONG, told=text)
