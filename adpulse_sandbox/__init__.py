"""A local stand-in for the platforms that speaks their wire protocols and knows the truth. Imports nothing of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from adpulse_sandbox import control
from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.google import login as google_login
from adpulse_sandbox.google.running import Google, Options
from adpulse_sandbox.login import server as login_server
from adpulse_sandbox.meta import login as graph_login
from adpulse_sandbox.meta import server as graph_server
from adpulse_sandbox.meta import world
from adpulse_sandbox.meta.graph import Graph
from adpulse_sandbox.meta.truth import REFRESH_SECONDS, Truth
from adpulse_sandbox.meta.world import BEGINNING, EXTRA_ADS, World

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A running sandbox: its parts, and where they answer. A context manager that stops it."""

    world: World
    truth: Truth
    clock: SandboxClock
    calls: CallLog
    faults: Faults
    graph_url: str
    login_url: str
    control_url: str
    google: Google
    servers: tuple[ThreadingHTTPServer, ...]

    @classmethod
    def start(  # noqa: PLR0913 - every one is a knob of its own, by name
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
        google: Options = Options(),  # noqa: B008 - immutable
    ) -> Self:
        """Start it in this process, on loopback or at ``host``; port 0 takes a free one. ``rate`` 0 freezes the clock at ``now``.

        ``redirect_uris`` are what is registered with both platforms' clients, beside the loopback addresses that need not be.
        """
        made = world.create(seed=seed, beginning=now, extra=extra, extra_ads=extra_ads)
        truth, clock, calls, faults = Truth(made, refresh_seconds), SandboxClock(now, rate), CallLog(), Faults(seed=seed)
        meta = graph_login.MetaLogin(made, clock, calls, faults, redirect_uris)
        graph = graph_server.serve(Graph(made, truth, clock, calls, faults), meta, host, graph_port)
        ads = Google.start(
            seed=seed,
            beginning=now,
            refresh_seconds=refresh_seconds,
            clock=clock,
            calls=calls,
            faults=faults,
            host=host,
            options=google,
            redirect_uris=redirect_uris,
        )
        logins = login_server.serve({graph_login.DIALOG: meta, google_login.PATH: ads.login}, host, login_port)
        graph_url, login_url = (f"http://{host}:{server.server_port}" for server in (graph, logins))
        controls = control.Controls(
            world=made, truth=truth, clock=clock, calls=calls, faults=faults, graph_url=graph_url, login_url=login_url, google=ads
        )
        steering = control.serve(controls, host, control_port)
        return cls(
            world=made,
            truth=truth,
            clock=clock,
            calls=calls,
            faults=faults,
            graph_url=graph_url,
            login_url=login_url,
            control_url=f"http://{host}:{steering.server_port}",
            google=ads,
            servers=(graph, logins, steering),
        )

    def stop(self) -> None:
        """Stop answering and free the ports."""
        self.google.stop()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()
