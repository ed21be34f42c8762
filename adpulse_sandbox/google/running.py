"""Google's half of a running sandbox: its endpoints, and the files that make a client use them."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from adpulse_sandbox.basis import Gaps
from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.google import ads_server, oauth, rest_server, token_server, world
from adpulse_sandbox.google.ads import PAGE_ROWS, Ads
from adpulse_sandbox.google.ads_server import AdsServer
from adpulse_sandbox.google.certificate import key_and_certificate
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET, PATH, GoogleLogin
from adpulse_sandbox.google.rest import Rest
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.google.world import EXTRA_ADS, GoogleWorld

DEVELOPER_TOKEN = "not-read-by-the-sandbox"  # noqa: S105 - no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The ports of the endpoints and the number of rows in a page; port 0 takes a free port.

    ``files`` is the folder for the files that a client needs; by default a temporary one that is deleted when the sandbox stops.
    ``extra`` small customers are added below the manager Summit Media Group; ``extra_ads`` are their numbers of ads, used in turn.
    ``testing`` is the Cloud project's publishing status, in which the refresh tokens of a consent expire after seven days.
    """

    ads_port: int = 0
    rest_port: int = 0
    token_port: int = 0
    page_rows: int = PAGE_ROWS
    files: Path | None = None
    extra: int = 0
    extra_ads: Sequence[int] = EXTRA_ADS
    testing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Google:
    """The parts and addresses. ``files`` is a folder with ``ca.pem``, ``service-account.json`` and ``google-ads.yaml``."""

    world: GoogleWorld
    truth: GoogleTruth
    endpoint: str
    rest_url: str
    token_url: str
    login: GoogleLogin
    files: Path
    keeps_files: bool
    servers: tuple[AdsServer, ThreadingHTTPServer, ThreadingHTTPServer]

    @classmethod
    def start(  # noqa: PLR0913 - parts that it shares with the rest of the sandbox
        cls,
        *,
        seed: int,
        beginning: datetime,
        refresh_seconds: int,
        clock: SandboxClock,
        calls: CallLog,
        faults: Faults,
        gaps: Gaps,
        host: str,
        options: Options,
        redirect_uris: tuple[str, ...] = (),
    ) -> Self:
        """Start the endpoints in background threads."""
        google_world = world.create(seed, beginning, options.extra, options.extra_ads)
        truth = GoogleTruth(google_world, seed, refresh_seconds)
        login = GoogleLogin(google_world, clock, redirect_uris=redirect_uris, testing=options.testing)
        issuer = oauth.TokenIssuer(google_world, clock, login)
        ads = Ads(google_world, truth, clock, calls, faults, gaps, issuer=issuer, page_rows=options.page_rows)
        ads_endpoint = ads_server.serve(ads, host, options.ads_port)
        rest_endpoint = rest_server.serve(Rest(ads), host, options.rest_port)
        token_endpoint = token_server.serve(ads.token, host, options.token_port)
        google = cls(
            world=google_world,
            truth=truth,
            endpoint=f"{host}:{ads_endpoint.port}",
            rest_url=f"http://{host}:{rest_endpoint.server_port}",
            token_url=f"http://{host}:{token_endpoint.server_port}/token",
            login=login,
            files=options.files or Path(tempfile.mkdtemp(prefix="adpulse-sandbox-")),
            keeps_files=options.files is not None,
            servers=(ads_endpoint, rest_endpoint, token_endpoint),
        )
        google._write_files()
        return google

    def stop(self) -> None:
        """Stop the servers, free their ports, and remove the files if their folder is temporary."""
        ads_endpoint, *http_endpoints = self.servers
        ads_endpoint.stop()
        for endpoint in http_endpoints:
            endpoint.shutdown()
            endpoint.server_close()
        if not self.keeps_files:
            shutil.rmtree(self.files, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which the unmodified official SDK uses this sandbox. gRPC reads its roots once per process."""
        return {
            "GOOGLE_ADS_CONFIGURATION_FILE_PATH": str(self.files / "google-ads.yaml"),
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.files / "ca.pem"),
        }

    def describe(self, login_url: str) -> dict[str, Any]:
        """Addresses, customers and credentials as a JSON object. ``login_url`` is the address of the sandbox's consent pages."""
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
            "rest_url": self.rest_url,
            "auth_url": f"{login_url}{PATH}",
            "token_url": self.token_url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "environment": self.environment,
            "customers": customers,
            "refresh_tokens": {credential.label: credential.refresh_token for credential in self.world.credentials.values()},
        }

    def _write_files(self) -> None:
        self.files.mkdir(parents=True, exist_ok=True)
        key = self.files / "service-account.json"
        key.write_text(json.dumps(oauth.service_account(self.token_url)))
        (self.files / "ca.pem").write_bytes(key_and_certificate()[1])
        manager = next(customer for customer in self.world.customers.values() if customer.spec.manager and customer.spec.parent is None)
        lines = {
            "json_key_file_path": key,
            "endpoint": self.endpoint,
            "login_customer_id": manager.id,
            "use_proto_plus": True,
            # Google ended developer tokens on 2026-09-09, but many clients still refuse a file without one.
            "developer_token": DEVELOPER_TOKEN,
        }
        (self.files / "google-ads.yaml").write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
