"""The sandbox in tests of connectors: the fixtures ``ad_sandbox`` and ``ad_platform_hosts``.

The sandbox is imported when a test asks for it, because pytest imports this module at each start.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from adpulse_sandbox import Sandbox
    from adpulse_sandbox.basis import Gaps
    from adpulse_sandbox.clock import CallLog, SandboxClock
    from adpulse_sandbox.faults import Faults
    from adpulse_sandbox.proxy import Proxy

META_ACCOUNT, META_TOKEN = "Lantern Books", "varied"
GOOGLE_CUSTOMER, GOOGLE_CREDENTIAL = "Alpenglow Reisen", "single"
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
"""When its world begins: every version that the sandbox knows is answered then."""

Level = Literal["account", "campaign", "ad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of one platform. ``token`` is Meta's access token, or Google's refresh token."""

    id: str
    token: str
    reading: Callable[[Level, date, date], list[dict[str, Any]]]

    def truth(self, level: Level, since: date, until: date) -> list[dict[str, Any]]:
        """The rows that the platform reports now, by entity and day: money and conversions in millionths, counts as they are."""
        return self.reading(level, since, until)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdSandbox:
    """A running sandbox with an account of each platform. ``environment`` leads unmodified clients to it."""

    meta: Account
    google: Account
    faults: "Faults"
    clock: "SandboxClock"
    calls: "CallLog"
    gaps: "Gaps"
    environment: Mapping[str, str]
    sandbox: "Sandbox"


@pytest.fixture(scope="session")
def _running_ad_sandbox() -> Iterator[tuple["Sandbox", "Proxy"]]:
    from adpulse_sandbox import Sandbox  # noqa: PLC0415 - see the module's docstring
    from adpulse_sandbox.proxy import Proxy  # noqa: PLC0415 - see the module's docstring

    with Sandbox.start(now=NOW) as sandbox, Proxy(sandbox) as proxy:
        yield sandbox, proxy


@pytest.fixture
def ad_sandbox(_running_ad_sandbox: tuple["Sandbox", "Proxy"]) -> AdSandbox:
    """The sandbox as it began: without faults, logged calls and gaps, and with its clock at the beginning of its world."""
    sandbox, proxy = _running_ad_sandbox
    sandbox.faults.clear()
    sandbox.calls.clear()
    sandbox.gaps.clear()
    sandbox.clock.set(sandbox.world.beginning)
    google = sandbox.google
    return AdSandbox(
        meta=_account(sandbox, sandbox.truth, sandbox.world.account(META_ACCOUNT).id, sandbox.world.token(META_TOKEN).value),
        google=_account(
            sandbox, google.truth, google.world.customer(GOOGLE_CUSTOMER).id, google.world.credentials[GOOGLE_CREDENTIAL].refresh_token
        ),
        faults=sandbox.faults,
        clock=sandbox.clock,
        calls=sandbox.calls,
        gaps=sandbox.gaps,
        environment=proxy.environment,
        sandbox=sandbox,
    )


@pytest.fixture
def ad_platform_hosts(ad_sandbox: AdSandbox, monkeypatch: pytest.MonkeyPatch) -> AdSandbox:
    """The same, and what the test calls under the platforms' own host names, in this process or its children, reaches the sandbox."""
    for name, value in ad_sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return ad_sandbox


def _account(sandbox: "Sandbox", truth: Any, account: str, token: str) -> Account:  # noqa: ANN401 - of either platform
    def reading(level: Level, since: date, until: date) -> list[dict[str, Any]]:
        method = {"account": truth.account_totals, "campaign": truth.totals, "ad": truth.metrics}[level]
        rows: list[dict[str, Any]] = method(account, since, until, sandbox.clock.now()).to_pylist()
        return rows

    return Account(id=account, token=token, reading=reading)
