"""A local stand-in for both platforms that speaks their wire protocols and knows the true numbers.

It imports nothing of the product, so that the product's mistakes cannot hide in shared code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from adpulse_sandbox import control
from adpulse_sandbox.basis import Gaps
from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.google import login as google_login
from adpulse_sandbox.google import versions as google_versions
from adpulse_sandbox.google.running import Google, Options
from adpulse_sandbox.login import server as login_server
from adpulse_sandbox.meta import login as graph_login
from adpulse_sandbox.meta import server as graph_server
from adpulse_sandbox.meta import versions as meta_versions
from adpulse_sandbox.meta import world
from adpulse_sandbox.meta.graph import Graph
from adpulse_sandbox.meta.graph import Options as MetaOptions
from adpulse_sandbox.meta.truth import REFRESH_SECONDS, Truth
from adpulse_sandbox.meta.world import BEGINNING, EXTRA_ADS, World

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A running sandbox: its parts and their addresses. As a context manager it stops at the end of the block."""

    world: World
    truth: Truth
    clock: SandboxClock
    calls: CallLog
    faults: Faults
    gaps: Gaps
    graph_url: str
    login_url: str
    control_url: str
    google: Google
    servers: tuple[ThreadingHTTPServer, ...]

    @classmethod
    def start(  # noqa: PLR0913 - independent options, given by name
        cls,
        *,
        seed: int = 1,
        now: datetime = BEGINNING,
        rate: float = 0.0,
        extra: int = 0,
        extra_ads: Sequence[int] = EXTRA_ADS,
        refresh_seconds: int = REFRESH_SECONDS,
        graph_port: int = 0,
        login_port: int = 0,
        control_port: int = 0,
        host: str = LOOPBACK,
        redirect_uris: tuple[str, ...] = (),
        meta: MetaOptions = MetaOptions(),  # noqa: B008 - immutable
        google: Options = Options(),  # noqa: B008 - immutable
    ) -> Self:
        """Start a sandbox in this process, on loopback or at ``host``.

        Port 0 takes a free port. ``rate`` is sandbox seconds per real second; 0 freezes the clock at ``now``. ``redirect_uris`` are
        registered with the OAuth clients of both platforms; loopback addresses need no registration.
        """
        meta_world = world.create(seed=seed, beginning=now, extra=extra, extra_ads=extra_ads)
        truth, clock = Truth(meta_world, refresh_seconds, meta.turns), SandboxClock(now, rate)
        calls, faults, gaps = CallLog(), Faults(seed=seed), Gaps()
        meta_login = graph_login.MetaLogin(meta_world, clock, calls, faults, redirect_uris)
        graph_half = Graph(world=meta_world, truth=truth, clock=clock, calls=calls, faults=faults, gaps=gaps, options=meta)
        graph = graph_server.serve(graph_half, meta_login, host, graph_port)
        google_half = Google.start(
            seed=seed,
            beginning=now,
            refresh_seconds=refresh_seconds,
            clock=clock,
            calls=calls,
            faults=faults,
            gaps=gaps,
            host=host,
            options=google,
            redirect_uris=redirect_uris,
        )
        login_pages = login_server.serve({graph_login.DIALOG: meta_login, google_login.PATH: google_half.login}, host, login_port)
        graph_url, login_url = (f"http://{host}:{server.server_port}" for server in (graph, login_pages))
        controls = control.Controls(
            world=meta_world,
            truth=truth,
            clock=clock,
            calls=calls,
            faults=faults,
            gaps=gaps,
            graph_url=graph_url,
            login_url=login_url,
            google=google_half,
        )
        control_server = control.serve(controls, host, control_port)
        return cls(
            world=meta_world,
            truth=truth,
            clock=clock,
            calls=calls,
            faults=faults,
            gaps=gaps,
            graph_url=graph_url,
            login_url=login_url,
            control_url=f"http://{host}:{control_server.server_port}",
            google=google_half,
            servers=(graph, login_pages, control_server),
        )

    @property
    def versions(self) -> dict[str, tuple[str, ...]]:
        """By platform, the versions of its API that are answered now, oldest first."""
        now = self.clock.now()
        return {"meta": meta_versions.served(now), "google": google_versions.served(now)}

    def stop(self) -> None:
        """Stop the servers and free their ports."""
        self.google.stop()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        """Return the running sandbox."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the sandbox."""
        self.stop()
