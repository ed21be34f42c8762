"""Google's half of a running sandbox: its endpoints, and the files that point a client at them."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.google import ads_server, oauth, token_server, world
from adpulse_sandbox.google.ads import PAGE_ROWS, Ads
from adpulse_sandbox.google.ads_server import AdsServer
from adpulse_sandbox.google.certificate import key_and_certificate
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET, PATH, GoogleLogin
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.google.world import EXTRA_ADS, GoogleWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the endpoints answer and how many rows a page has; port 0 takes a free one.

    ``files`` is the folder for the files that point a client here; by default one that goes when the sandbox stops.
    ``extra`` small customers are below the manager Summit Media Group; ``extra_ads`` is how many ads they have, in turn.
    ``testing`` is the Cloud project's publishing status: refresh tokens that come of a consent end after seven days.
    """

    ads_port: int = 0
    token_port: int = 0
    page_rows: int = PAGE_ROWS
    files: Path | None = None
    extra: int = 0
    extra_ads: Sequence[int] = EXTRA_ADS
    testing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Google:
    """The parts, the addresses, and ``files``: a folder with ``ca.pem``, ``service-account.json`` and ``google-ads.yaml``."""

    world: GoogleWorld
    truth: GoogleTruth
    endpoint: str
    token_url: str
    login: GoogleLogin
    files: Path
    keeps_files: bool
    servers: tuple[AdsServer, ThreadingHTTPServer]

    @classmethod
    def start(  # noqa: PLR0913 - what it shares with the rest of the sandbox
        cls,
        *,
        seed: int,
        beginning: datetime,
        refresh_seconds: int,
        clock: SandboxClock,
        calls: CallLog,
        faults: Faults,
        host: str,
        options: Options,
        redirect_uris: tuple[str, ...] = (),
    ) -> Self:
        """Start both endpoints in background threads."""
        made = world.create(seed, beginning, options.extra, options.extra_ads)
        truth = GoogleTruth(made, seed, refresh_seconds)
        login = GoogleLogin(made, clock, redirect_uris=redirect_uris, testing=options.testing)
        api = Ads(made, truth, clock, calls, faults, grants=oauth.Grants(made, clock, login), page_rows=options.page_rows)
        served = ads_server.serve(api, host, options.ads_port)
        tokens = token_server.serve(api.token, host, options.token_port)
        found = cls(
            world=made,
            truth=truth,
            endpoint=f"{host}:{served.port}",
            token_url=f"http://{host}:{tokens.server_port}/token",
            login=login,
            files=options.files or Path(tempfile.mkdtemp(prefix="adpulse-sandbox-")),
            keeps_files=options.files is not None,
            servers=(served, tokens),
        )
        found._write_files()
        return found

    def stop(self) -> None:
        """Stop answering, free the ports and remove the files, unless they are in a folder that was told."""
        served, tokens = self.servers
        served.stop()
        tokens.shutdown()
        tokens.server_close()
        if not self.keeps_files:
            shutil.rmtree(self.files, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """What makes an unmodified client of the official SDK talk to this sandbox. gRPC reads its roots once in a process."""
        return {
            "GOOGLE_ADS_CONFIGURATION_FILE_PATH": str(self.files / "google-ads.yaml"),
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.files / "ca.pem"),
        }

    def describe(self, login_url: str) -> dict[str, Any]:
        """Addresses, customers and credentials, ready for JSON. ``login_url`` is where the sandbox's consent pages are."""
        by_number = {customer.spec.number: customer.id for customer in self.world.customers.values()}
        customers = [
            {
                "id": customer.id,
                "name": customer.spec.name,
                "currency": customer.spec.currency,
                "timezone": customer.spec.timezone,
                "manager": customer.spec.manager,
                "status": customer.spec.status,
                "parent": by_number.get(customer.spec.parent) if customer.spec.parent else None,
            }
            for customer in self.world.customers.values()
        ]
        return {
            "endpoint": self.endpoint,
            "auth_url": f"{login_url}{PATH}",
            "token_url": self.token_url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "environment": self.environment,
            "customers": customers,
            "refresh_tokens": {each.label: each.refresh_token for each in self.world.credentials.values()},
        }

    def _write_files(self) -> None:
        key = self.files / "service-account.json"
        key.write_text(json.dumps(oauth.service_account(self.token_url)))
        (self.files / "ca.pem").write_bytes(key_and_certificate()[1])
        manager = next(customer for customer in self.world.customers.values() if customer.spec.manager and customer.spec.parent is None)
        lines = {"json_key_file_path": key, "endpoint": self.endpoint, "login_customer_id": manager.id, "use_proto_plus": True}
        (self.files / "google-ads.yaml").write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
