"""Probes a platform with one credential, for an account or a connection, and writes the report and the redacted answers."""

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from adpulse import bootstrap
from adpulse.bootstrap import App, clock_of
from adpulse.clock import Clock
from adpulse.errors import Usage
from adpulse.model import Heat, Provider
from adpulse.platforms.base import AnyPlatform, CallSlot, Credential
from adpulse.platforms.registry import platform_of
from adpulse.probe import report
from adpulse.probe.answers import RecordedAnswer, shortened
from adpulse.probe.platform_probe import PlatformProbe, Subject
from adpulse.probe.redaction import Redactor, leaks
from adpulse.probe.report import Findings
from adpulse.probe.running import Answered, hold, judged
from adpulse.redact import redact
from adpulse.settings import Settings

REPORT, ANSWERS = "report.md", "answers"
_SHIFT_DAYS = (400, 4000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a probe found, and where it is written. ``left_out``: answers in which a second reading found something to hide."""

    findings: Findings
    report: Path
    answers: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What is probed, and with what."""

    platform: AnyPlatform
    config: Settings
    clock: Clock
    credential: Credential
    subject: Subject
    slot: CallSlot


def probe_platform(
    config: Settings, provider: Provider, secret: SecretStr, account: str | None, folder: Path, sleep: Callable[[float], None] = time.sleep
) -> Written:
    """Probe an account with a credential that is stored nowhere; needs no installation and creates nothing but the folder.

    Without ``account`` it is the first that the credential reaches and that can be synced.

    Raises:
        Usage: the credential is incomplete, the platform cannot be probed, or the folder cannot be made.
    """
    platform, clock = platform_of(provider), clock_of(config, bootstrap.wall)
    wanted = platform.account_id(account) if account else None
    subject = Subject(now=clock.now(), account=wanted)
    credential = Credential(secret=secret)
    source = _Source(platform=platform, config=config, clock=clock, credential=credential, subject=subject, slot=lambda: None)
    return _probe(source, folder, sleep)


def probe_connection(app: App, reference: str, folder: Path, sleep: Callable[[float], None] = time.sleep) -> Written:
    """Probe a connection's account with its credential; each call takes a slot of the ledger.

    Raises:
        UnknownConnection: there is none.
        AuthExpired: its credential was erased.
        Usage: the platform cannot be probed, or the folder cannot be made.
    """
    connection = app.connections.get(reference).connection
    platform = platform_of(connection.provider)
    secret = app.credentials.open(connection.credential_id)
    credential = Credential(secret=secret, app_id=platform.issuer_of_scope(connection.scope))
    subject = Subject(now=app.clock.now(), account=connection.external_id, connection=connection)

    def slot() -> None:
        app.ledger.take(connection.ledger_key, connection.scope, Heat.HOT)

    source = _Source(platform=platform, config=app.settings, clock=app.clock, credential=credential, subject=subject, slot=slot)
    return _probe(source, folder, sleep)


def _probe(source: _Source, folder: Path, sleep: Callable[[float], None]) -> Written:
    platform, subject = source.platform, source.subject
    if platform.probe is None:
        raise Usage(f"{platform.label} cannot be probed: its folder has no probe.")
    _make(folder / ANSWERS)
    probe = platform.probe()
    asker = probe.asker(source.config.of(platform), source.clock, source.credential)
    outcome = hold(probe, asker, subject, source.slot, sleep)
    found = report.findings(probe, outcome, label=platform.label, version=asker.version, month=f"{subject.now:%Y-%m}")
    days = _SHIFT_DAYS[0] + secrets.randbelow(_SHIFT_DAYS[1] - _SHIFT_DAYS[0])
    redactor = Redactor(allowed=probe.allowed, key=secrets.token_bytes(32), shift=timedelta(days=-days))
    return _write(found, probe, redactor, platform, folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Usage(f"The folder {folder} cannot be made: {error.strerror}. Choose another one with --out.") from None


def _write(found: Findings, probe: PlatformProbe, redactor: Redactor, platform: AnyPlatform, folder: Path) -> Written:
    """Write what a second reading finds nothing in; everything is redacted before anything is read again."""
    recorded = dict(_recorded(found, probe, redactor, platform))
    text = report.markdown(found, probe, redactor.text)
    originals = redactor.originals()

    def is_clean(written: str) -> bool:
        return redact(written) == written and not leaks(written, originals, probe.allowed)

    if not is_clean(text):
        text = report.markdown(found, probe, lambda said: "…" if said else "")
    left_out = tuple(name for name, written in recorded.items() if not is_clean(written))
    for earlier in (folder / ANSWERS).glob(f"{platform.name}-*.json"):
        earlier.unlink()
    for name, written in recorded.items():
        if name not in left_out:
            (folder / ANSWERS / f"{name}.json").write_text(written, "utf-8")
    (folder / REPORT).write_text(text, "utf-8")
    return Written(findings=found, report=folder / REPORT, answers=len(recorded) - len(left_out), left_out=left_out)


def _recorded(found: Findings, probe: PlatformProbe, redactor: Redactor, platform: AnyPlatform) -> Iterable[tuple[str, str]]:
    """The name and text of a file for the last answer of each kind, with the verdict on what the file holds."""
    last: dict[str, Answered] = {each.exchange.kind: each for each in found.outcome.answered}
    source = f"`adpulse probe`, {platform.label} {found.version}, {found.month}; redacted"
    for kind, each in last.items():
        exchange = redactor.exchange(replace(each.exchange, body=shortened(each.exchange.body)))
        judgement = judged(probe, exchange)
        answer = RecordedAnswer(platform=platform.name, source=source, exchange=exchange, verdict=judgement.verdict, reason=judgement.words)
        yield f"{platform.name}-{kind}", answer.to_json()
