"""A real receiver of webhooks on loopback, as somebody who follows the documentation would write it."""

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from standardwebhooks import Webhook
from waiting import PATIENCE_SECONDS


class Got(NamedTuple):
    """One request."""

    path: str
    headers: dict
    body: str


class Receiver:
    """Answers as told; keeps what it got. ``answers`` are used up one a request, the last one stays."""

    def __init__(self, url):
        self.url = url
        self.got = []
        self.answers = [(204, {})]
        self.blocked = threading.Event()
        self.blocked.set()
        self.arrived = threading.Semaphore(0)

    def answer(self, *answers):
        self.answers = [each if isinstance(each, tuple) else (each, {}) for each in answers]

    def hold(self):
        """From now on a request waits for ``release``."""
        self.blocked.clear()

    def release(self):
        self.blocked.set()

    def take(self, request):
        self.got.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.arrived.release()
        self.blocked.wait(60)
        return answer

    def wait(self, count=1):
        """Until so many more requests came."""
        for _ in range(count):
            assert self.arrived.acquire(timeout=PATIENCE_SECONDS), "no request came"

    @property
    def ids(self):
        return [each.headers.get("webhook-id") for each in self.got]

    def verified(self, secret):
        """The messages, each verified with the library."""
        return [Webhook(secret.get_secret_value()).verify(each.body, each.headers) for each in self.got]


@contextmanager
def receiving(certificate=None):
    """A receiver while the block lasts; with a file of key and certificate it speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more = receiver.take(Got(self.path, headers, body))
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hooks")
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        receiver.url = f"https://localhost:{server.server_port}/hooks"
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield receiver
    finally:
        receiver.release()
        server.shutdown()
        server.server_close()
        serving.join(10)
