"""The e-mail that says what happened: its subject, a plain text, and the same as simple HTML. Pure. After the step telemetry.

Names come from platforms: they are text in the HTML, and one line in the subject, so that none becomes a header of its own. A name may
also look like the encoded word of a header (RFC 2047), whose decoded text could have lines of its own: it is encoded again.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, formataddr
from html import escape
from typing import Any
from urllib.parse import quote

from adpulse.events import EventType, sentence

SHOWN = 10
"""Messages of one type about one account that an e-mail lists; the rest is counted."""

_SUBJECTS: Mapping[EventType, str] = {
    EventType.SYNC_COMPLETED: "{connection}: synced again",
    EventType.SYNC_FAILED: "{connection}: the sync failed",
    EventType.NEEDS_ATTENTION: "{connection}: not synced any more ({status})",
    EventType.DATA_STALE: "{connection}: stale numbers",
    EventType.DATA_RESTATED: "{connection}: restated numbers",
    EventType.DATA_ALERT: "{alert}",
    EventType.DATA_ALERT_ENDED: "ended: {alert}",
    EventType.DATA_REMAINDER: "{connection}: spend does not add up",
    EventType.VERSION_ENDING: "{provider} {version} ends",
    EventType.TEST: "a test message",
}
_ENCODED_WORD = "=?"
"""What the encoded words of RFC 2047, 2, begin with."""

_LONGEST_SUBJECT = 150
_IN_SUBJECT = 2
_OTHERS = "Alerts and notices"
_ALIKE = (EventType.VERSION_ENDING, EventType.TEST)
"""Types of which several workspaces are notified alike."""

_BREAKS = ("Cc", "Cs", "Zl", "Zp")
"""Categories of characters that end a line, or that cannot be sent."""


class _Policy(EmailPolicy):
    """Writes subject and sender as they are assigned, encoded already: the standard policy decodes their encoded words first."""

    def header_store_parse(self, name: str, value: object) -> tuple[str, Any]:
        """The header as it is kept."""
        return (name, value) if name in {"From", "Subject"} else super().header_store_parse(name, value)


# Not every server takes 8 bits (RFC 6152), and smtplib does not ask.
_POLICY = _Policy(cte_type="7bit", linesep="\r\n", refold_source="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message of the outbox, as an e-mail shows it."""

    type: EventType
    account: str
    """Its heading: the connection, or what is of none."""
    subject: str
    sentence: str
    at: datetime
    place: str
    """Path of the page that shows more."""
    key: str
    """The same for what is one line: the stored message, as two accounts may have one name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an e-mail is besides its entries. ``key`` is the same when the same entries are sent again."""

    sender: tuple[str, str]
    address: str
    key: str
    sent_at: datetime
    is_digest: bool
    public_url: str | None


def entry(message: str) -> Entry:
    """What a stored message says."""
    payload = json.loads(message)
    kind, data = EventType(payload["type"]), payload["data"]
    fields = {name: one_line(str(value)) for name, value in data.items()}
    said = one_line(sentence(message))
    return Entry(
        type=kind,
        account=one_line(f"{data['connection']} ({data['provider']} {data['external_id']})") if "connection" in data else _OTHERS,
        subject=_SUBJECTS[kind].format_map(fields),
        sentence=said,
        at=datetime.fromisoformat(payload["timestamp"]),
        place=_place(data),
        key=said if kind in _ALIKE else message,
    )


def compose(messages: Sequence[str], envelope: Envelope) -> EmailMessage:
    """The e-mail of these messages, which are in the order in which they happened."""
    entries = list({one.key: one for one in map(entry, messages)}.values())
    mail = EmailMessage(policy=_POLICY)
    name, address = envelope.sender
    mail["From"] = _mailbox(name, address)
    mail["To"] = Address(addr_spec=envelope.address)
    mail["Subject"] = _encoded(_subject(entries, is_digest=envelope.is_digest), "Subject")
    mail["Date"] = format_datetime(envelope.sent_at)
    mail["Message-ID"] = f"<{envelope.key}@{address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # no answering machine replies to it (RFC 3834, 5)
    accounts: dict[str, list[Entry]] = {}
    for one in entries:
        accounts.setdefault(one.account, []).append(one)
    mail.set_content(_text(accounts, envelope))
    mail.add_alternative(_html(accounts, envelope), subtype="html")
    return mail


def one_line(text: str) -> str:
    """The text without anything that could end a line."""
    return " ".join("".join(" " if unicodedata.category(sign) in _BREAKS else sign for sign in text).split())


def _encoded(text: str, header: str) -> str:
    """The text as ASCII that readers show as this text, in lines of a header."""
    return Header(text, "us-ascii" if _is_plain(text) else "utf-8", header_name=header).encode()


def _mailbox(name: str, address: str) -> str:
    return formataddr((name, address)) if _is_plain(name) else f"{_encoded(name, 'From')} <{address}>"


def _is_plain(text: str) -> bool:
    return text.isascii() and _ENCODED_WORD not in text


def _subject(entries: Sequence[Entry], *, is_digest: bool) -> str:
    subjects = list(dict.fromkeys(one.subject for one in entries[:_IN_SUBJECT]))
    more = f" and {len(entries) - len(subjects)} more" if len(entries) > len(subjects) else ""
    named, longest = "; ".join(subjects), _LONGEST_SUBJECT - len(more)
    said = named if len(named) <= longest else f"{named[: longest - 1]}…"
    return f"[adpulse] {'Daily digest: ' if is_digest else ''}{said}{more}"


def _text(accounts: Mapping[str, Sequence[Entry]], envelope: Envelope) -> str:
    lines = []
    for account, entries in accounts.items():
        happened, hidden = _happened(entries)
        lines += [account, *(f"- {line}" for line in happened), *hidden]
        lines += [f"  {link}" for link in _links(entries, envelope)] + [""]
    return "\n".join([*lines, "--", _footer(envelope)]) + "\n"


def _html(accounts: Mapping[str, Sequence[Entry]], envelope: Envelope) -> str:
    parts = []
    for account, entries in accounts.items():
        happened, hidden = _happened(entries)
        listed = "".join(f"<li>{escape(item)}</li>" for item in (*happened, *hidden))
        links = "".join(f'<p><a href="{escape(link)}">{escape(link)}</a></p>' for link in _links(entries, envelope))
        parts.append(f"<h3>{escape(account)}</h3><ul>{listed}</ul>{links}")
    return f"<!doctype html><html><body>{''.join(parts)}<hr><p>{escape(_footer(envelope))}</p></body></html>\n"


def _shown(entries: Sequence[Entry]) -> list[Entry]:
    """The newest of each type, oldest first."""
    newest: dict[EventType, list[Entry]] = {}
    for one in reversed(entries):
        newest.setdefault(one.type, []).append(one)
    return sorted((one for of_type in newest.values() for one in of_type[:SHOWN]), key=lambda one: one.at)


def _happened(entries: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """What is listed of an account, a line for each message, and the line that counts the others, if there are any."""
    shown = _shown(entries)
    hidden = len(entries) - len(shown)
    return [f"{one.at:%Y-%m-%d %H:%M} UTC  {one.sentence}" for one in shown], [f"and {hidden} more before them"] if hidden else []


def _links(entries: Sequence[Entry], envelope: Envelope) -> list[str]:
    places = dict.fromkeys(one.place for one in entries)
    return [f"{envelope.public_url}{place}" for place in places] if envelope.public_url else []


def _place(data: Mapping[str, Any]) -> str:
    if "connection_id" in data:
        return f"/app/connections/{quote(data['connection_id'], safe='')}"
    return f"/app/alerts?workspace={quote(data['workspace_id'], safe='')}"


def _footer(envelope: Envelope) -> str:
    return f"adpulse sends this to {envelope.address}, which a webhook of the workspace names. It is changed on the page Alerts."
