"""Lets unmodified clients reach a sandbox under the platforms' own host names.

It is an HTTP proxy on loopback that answers only CONNECT, and only for the host names below.
It terminates TLS with a certificate of a throw-away authority and passes the bytes on to the sandbox's ports.
Every other name is refused and noted, so that nothing leaves the machine.
"""

import asyncio
import contextlib
import ssl
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from adpulse_sandbox import Sandbox
from adpulse_sandbox.authority import Authority
from adpulse_sandbox.google.certificate import key_and_certificate

GRAPH = "graph.facebook.com"
GOOGLE_ADS = "googleads.googleapis.com"
TOKEN_HOSTS = ("oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com")
"""Where clients ask for access tokens: the documented host, and two older ones that SDKs still use."""

_CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """A port of the sandbox."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Proxy:
    """A running proxy in front of a sandbox. As a context manager it stops at the end of the block.

    ``refused`` counts the hosts that clients asked for and did not get; those asked without TLS begin with ``http://``.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        authority = Authority()
        self._tls = authority.server_context((GRAPH, GOOGLE_ADS, *TOKEN_HOSTS), ("h2", "http/1.1"))
        self._tls_http = authority.server_context((GRAPH, GOOGLE_ADS, *TOKEN_HOSTS), ("http/1.1",))
        self._addresses = _addresses(sandbox)
        self.refused: Counter[str] = Counter()
        self._files = tempfile.TemporaryDirectory(prefix="adpulse-sandbox-")
        self.certificate = Path(self._files.name) / "authority.pem"
        self.certificate.write_bytes(authority.certificate)
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=__name__, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which clients go through the proxy and trust its certificate."""
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "grpc_proxy"), self.url)
        roots = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
        return {**proxies, **dict.fromkeys(roots, str(self.certificate)), **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")}

    def stop(self) -> None:
        """Close the port and every connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._files.cleanup()

    def __enter__(self) -> Self:
        """Return the running proxy."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the proxy."""
        self.stop()

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task that is kept: the event loop's own reference is weak, and a garbage collection could end it."""
        connection = self._loop.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.decode("latin-1").split()
            host, _, port = (target if method == "CONNECT" else urlsplit(target).netloc).partition(":")
            if method != "CONNECT" or port != "443" or host not in self._addresses:
                self.refused[host if method == "CONNECT" else f"http://{host}"] += 1
                writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            else:
                await self._connect(host, reader, writer)
        writer.close()

    async def _connect(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        grpc, http = self._addresses[host]
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(self._tls if grpc else self._tls_http)
        protocol = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        address = grpc if grpc and protocol == "h2" else http
        name = "localhost" if address.tls else None
        upstream, downstream = await asyncio.open_connection(address.host, address.port, ssl=address.tls, server_hostname=name)
        try:
            await asyncio.gather(_pump(reader, downstream), _pump(upstream, writer))
        finally:
            downstream.close()


def _addresses(sandbox: Sandbox) -> dict[str, tuple[_Address | None, _Address]]:
    """By host name: where HTTP/2 goes, if it is spoken there, and where HTTP/1.1 goes."""
    google = sandbox.google
    trusted = ssl.create_default_context(cadata=key_and_certificate()[1].decode())
    trusted.set_alpn_protocols(["h2"])
    host, _, port = google.endpoint.rpartition(":")
    graph, token, rest = _http(sandbox.graph_url), _http(google.token_url), _http(google.rest_url)
    return {GRAPH: (None, graph), GOOGLE_ADS: (_Address(host=host, port=int(port), tls=trusted), rest)} | dict.fromkeys(
        TOKEN_HOSTS, (None, token)
    )


def _http(url: str) -> _Address:
    parts = urlsplit(url)
    return _Address(host=parts.hostname or "", port=parts.port or 80)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side closes; the other side is then closed as well."""
    try:
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    finally:
        target.close()
