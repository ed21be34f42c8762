"""The formats in which a workspace's events are sent to a webhook."""

from enum import StrEnum


class Format(StrEnum):
    """Messages signed according to Standard Webhooks, sentences for a channel of Slack or Microsoft Teams, or e-mails to an address."""

    STANDARD = "standard"
    SLACK = "slack"
    TEAMS = "teams"
    EMAIL = "email"
    EMAIL_DAILY = "email-daily"

    @property
    def label(self) -> str:
        """For people."""
        return _LABELS[self]

    @property
    def is_signed(self) -> bool:
        """Whether messages are signed with a secret; the address of a channel is the secret itself."""
        return self is Format.STANDARD

    @property
    def is_mail(self) -> bool:
        """Whether messages are e-mails: the URL is ``mailto:`` and an address, and there is no secret."""
        return self in MAIL


MAIL = (Format.EMAIL, Format.EMAIL_DAILY)
"""The formats of e-mail: within a minute, or once a day."""

_LABELS = {
    Format.STANDARD: "Signed messages (Standard Webhooks)",
    Format.SLACK: "Slack",
    Format.TEAMS: "Microsoft Teams",
    Format.EMAIL: "E-mail, within a minute",
    Format.EMAIL_DAILY: "E-mail, a daily digest",
}
