"""A real mail server on loopback, and the mailbox behind it."""

import asyncio
import ssl
import threading
from contextlib import contextmanager
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult
from waiting import PATIENCE_SECONDS

USER, PASSWORD = "adpulse", "a-very-secret-password"


class Mailbox:
    """What arrived, ``wire`` byte by byte. ``refused`` is what an address is answered with, ``answer`` each message, ``goodbye`` a QUIT."""

    def __init__(self):
        self.port = 0
        self.got = []
        self.wire = []
        self.tried = []
        self.to = []
        self.encrypted = []
        self.refused = {}
        self.answer = "250 OK"
        self.goodbye = "221 Bye"
        self.password = PASSWORD
        self._arrived = threading.Semaphore(0)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802, ARG002 - aiosmtpd's signature
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802, ARG002 - aiosmtpd's signature
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.tried.append(message["Message-ID"])
        if self.answer.startswith("250"):
            assert envelope.content.isascii()
            self.got.append(message)
            self.wire.append(envelope.content)
            self.to.append(envelope.rcpt_tos)
            self.encrypted.append(session.ssl is not None)
        self._arrived.release()
        return self.answer

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802, ARG002 - aiosmtpd's signature
        return self.goodbye

    def log_in(self, server, session, envelope, mechanism, login):  # noqa: ARG002 - aiosmtpd's signature
        return AuthResult(handled=False, success=(login.login, login.password) == (USER.encode(), self.password.encode()))

    def wait(self, count=1):
        """Until so many more messages were handed in."""
        for _ in range(count):
            assert self._arrived.acquire(timeout=PATIENCE_SECONDS), "no message came"

    @property
    def subjects(self):
        return [message["Subject"] for message in self.got]

    def text(self, number=0):
        """The plain text of a message."""
        return self.got[number].get_body(("plain",)).get_content()


@contextmanager
def receiving(certificate=None):
    """The mailbox of a server. ``certificate`` is a file with key and certificate: then it demands STARTTLS and a login."""
    mailbox, ready, loop = Mailbox(), threading.Event(), asyncio.new_event_loop()
    options = {}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        options = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": mailbox.log_in}

    def serve():
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(loop.create_server(lambda: SMTP(mailbox, loop=loop, **options), "127.0.0.1", 0))
        mailbox.port = server.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()
        server.close()
        loop.run_until_complete(server.wait_closed())

    running = threading.Thread(target=serve, daemon=True)
    running.start()
    assert ready.wait(PATIENCE_SECONDS)
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(loop.stop)
        running.join(PATIENCE_SECONDS)
        loop.close()
