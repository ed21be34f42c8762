"""No secret reaches a log line, a traceback or an error text, whoever formats it."""

import logging
import subprocess
import sys
import traceback

import pytest

from adpulse import redact

SENTINEL = "sentinel-5up3rs3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /v26.0/act_1/ads?access_token={SENTINEL}&limit=5",
        f'{{"access_token": "{SENTINEL}"}}',
        f"Authorization: Bearer {SENTINEL}",
        f"appsecret_proof={SENTINEL}",
        f"client_secret%3D{SENTINEL}",
        f"Authorization: OAuth {SENTINEL}",
        "invalid_grant: 1//0g-5up3rs3cr3t_refresh",
        "token EAAGm0PX4ZCpsBAKZCsecretsecret5up3rs3cr3t here",
    ],
)
def test_credential_shapes_are_masked_even_when_unknown(text):
    assert "5up3rs3cr3t" not in redact.redact(text)


def test_a_secret_that_an_excerpt_cuts_in_half_is_masked():
    redact.protect("plain-5up3rs3cr3t-words")

    assert "5up3" not in redact.excerpt("It said plain-5up3rs3cr3t-words and more", 20)


def test_text_without_secrets_is_unchanged():
    text = "act_123: fetched 500 rows (spend=14.35), passwordless, 3 access tokens listed"

    assert redact.redact(text) == text


def test_redacting_twice_changes_nothing_more():
    once = redact.redact(f"?access_token={SENTINEL}&x=1")

    assert redact.redact(once) == once == "?access_token=[redacted]&x=1"


def test_opened_secret_is_masked_wherever_it_shows_up():
    redact.protect("plain-words-secret")

    assert redact.redact("prefix plain-words-secret suffix") == "prefix [redacted] suffix"


def test_messages_arguments_and_tracebacks_are_redacted_in_a_plain_handler():
    program = f"""
import logging
from adpulse import redact
redact.install()
redact.protect({SENTINEL!r})
logging.basicConfig(format="%(message)s")
log = logging.getLogger("x")
log.warning("token %s", {SENTINEL!r})
try:
    raise ValueError("url?access_token=" + {SENTINEL!r})
except ValueError:
    log.exception("failed")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "Traceback" in done.stderr
    assert "token [redacted]\n" in done.stderr
    assert "ValueError: url?access_token=[redacted]\n" in done.stderr
    assert SENTINEL not in done.stderr


def test_a_cached_traceback_is_redacted_when_it_is_set():
    record = redact.RedactedRecord("x", logging.ERROR, __file__, 1, "m", (), None)
    redact.protect("another-secret-value")
    record.exc_text = "".join(traceback.format_exception(ValueError("another-secret-value")))

    assert "another-secret-value" not in record.exc_text


def test_the_password_of_a_database_url_is_masked_quoted_and_plain():
    redact.protect_url("postgresql://adpulse:5ent%40nel%2Fword@127.0.0.1/adpulse")

    assert redact.redact("5ent%40nel%2Fword or 5ent@nel/word") == f"{redact.MASK} or {redact.MASK}"
