"""The mail server of the installation: sends one message by SMTP. After the step telemetry.

What the server says to a login is never repeated, as it may hold what it was sent.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import NamedTuple

from pydantic import SecretStr

from adpulse.mail_address import sender
from adpulse.redact import excerpt, protect
from adpulse.settings import Settings

NOT_SET = (
    "This installation sends no e-mail yet. Its operator sets ADPULSE_SMTP_HOST and ADPULSE_SMTP_FROM, and ADPULSE_SMTP_USER and "
    "ADPULSE_SMTP_PASSWORD where the server asks for a login, then starts adpulse again."
)

TIMEOUT_SECONDS = 15.0
"""How long the server may take for one answer."""

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LONGEST_REPLY = 200
_PERMANENT = 500


class Reply(NamedTuple):
    """What became of a message; ``error`` is None where it was accepted. ``is_final``: trying again cannot help."""

    status: int | None
    error: str | None
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where messages are handed in, and as whom."""

    host: str
    port: int
    tls: str
    sender: tuple[str, str]
    user: str | None
    password: SecretStr | None

    @classmethod
    def of(cls, config: Settings) -> "MailServer | None":
        """The server that the settings name; None without one."""
        if not config.smtp_host or not config.smtp_from:
            return None
        if config.smtp_password:
            protect(config.smtp_password.get_secret_value())
        return cls(
            host=config.smtp_host,
            port=config.smtp_port or _PORTS[config.smtp_tls],
            tls=config.smtp_tls,
            sender=sender(config.smtp_from),
            user=config.smtp_user,
            password=config.smtp_password,
        )

    def send(self, message: EmailMessage, address: str) -> Reply:
        """Hand a message in for one address. It blocks, for a few seconds at most while the server answers."""
        try:
            with self._session() as session:
                session.send_message(message, from_addr=self.sender[1], to_addrs=[address])
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return _refused("the address", code, text)
        except smtplib.SMTPDataError as error:
            return _refused("the message", error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            return self._failed(error)
        return Reply(250, None)

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        # Certificates from SSL_CERT_FILE are trusted, as for webhooks.
        context = ssl.create_default_context()
        if self.tls == "tls":
            opened: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            opened = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            if self.tls == "starttls":
                opened.starttls(context=context)  # raises where the server has none, so that nothing is sent in plain text
            if self.user and self.password:
                opened.login(self.user, self.password.get_secret_value())
            yield opened
        finally:
            _quit(opened)

    def _failed(self, error: Exception) -> Reply:
        """What does not concern the address: the message is tried again."""
        where = f"The mail server {self.host}:{self.port}"
        if isinstance(error, smtplib.SMTPAuthenticationError):
            check = "Check ADPULSE_SMTP_USER and ADPULSE_SMTP_PASSWORD."
            return Reply(error.smtp_code, f"{where} refused the login ({error.smtp_code}). {check}")
        if isinstance(error, smtplib.SMTPSenderRefused):
            return Reply(error.smtp_code, f"{where} takes no mail from {self.sender[1]} ({error.smtp_code}). Check ADPULSE_SMTP_FROM.")
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Reply(None, f"{where} offers no STARTTLS or no login that is known. Check ADPULSE_SMTP_TLS and ADPULSE_SMTP_PORT.")
        if isinstance(error, UnicodeError):
            return Reply(None, f"{where} cannot be used: its name, user and password must be ASCII. Check ADPULSE_SMTP_PASSWORD.")
        return Reply(None, f"{where} could not be reached or broke off ({type(error).__name__}).")


def _quit(session: smtplib.SMTP) -> None:
    """End a session. The result is certain before: an accepted message is not sent again because the server hangs up without a word."""
    with suppress(smtplib.SMTPException, OSError):
        session.quit()
    session.close()


def _refused(what: str, code: int, text: bytes | str) -> Reply:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    reply = excerpt(" ".join(said.split()), _LONGEST_REPLY)
    return Reply(code, f"The mail server refused {what}: {code} {reply}", is_final=code >= _PERMANENT)
