"""Webhooks over HTTP: made, changed, tested, looked at; the secret is told once."""

import pytest

from adpulse.events import TROUBLE
from adpulse.mail_server import MailServer

HOOK = {"name": "dashboard", "url": "https://1.1.1.1/hooks"}


@pytest.fixture
def at(ask, team):
    """Asks of the team's webhooks."""

    def send(method, path="", *, key=None, **body):
        return ask(method, f"/workspaces/{team.workspace.id}/webhooks{path}", key or team.editor, **({"json": body} if body else {}))

    return send


def test_the_secret_is_in_the_answer_that_makes_it_and_in_no_other(at, team):
    made = at("POST", **HOOK)
    secret, webhook_id = made.json()["secret"], made.json()["id"]
    fresh = at("POST", f"/{webhook_id}/rotate-secret").json()["secret"]
    at("POST", f"/{webhook_id}/test")
    later = [at("GET"), at("PATCH", f"/{webhook_id}", name="other"), at("GET", f"/{webhook_id}/deliveries", key=team.viewer)]

    assert made.status_code == 201
    assert (secret[:6], fresh[:6], secret == fresh) == ("whsec_", "whsec_", False)
    assert [answer for answer in later if not answer.ok or secret in answer.text or fresh in answer.text or "whsec" in answer.text] == []


def test_a_new_webhook_is_told_of_what_a_person_should_look_at(at):
    made = at("POST", **HOOK).json()

    assert made["events"] == [event.value for event in TROUBLE]
    assert (made["enabled"], made["disabled_reason"], made["failing_since"], made["format"]) == (True, None, None, "standard")


def test_of_slacks_url_only_the_host_is_shown(at):
    made = at("POST", name="channel", url="https://1.1.1.1/services/T0/B0/very-secret-part", format="slack")
    listed = at("GET")

    assert (made.json()["url"], made.json()["secret"]) == ("https://1.1.1.1", None)
    assert "very-secret-part" not in made.text + listed.text
    assert at("POST", f"/{made.json()['id']}/rotate-secret").status_code == 400


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": "https://127.0.0.1/very-secret-part"}, 400),
        ({"url": "http://1.1.1.1/very-secret-part"}, 400),
        ({"url": "https://169.254.169.254/very-secret-part"}, 400),
        ({"url": "https://very-secret-part:x@1.1.1.1/"}, 400),
        ({"url": "very-secret-part"}, 400),
        ({"url": "https://1.1.1.1/" + "very-secret-part" * 200}, 422),
        ({"events": []}, 400),
        ({"events": ["webhook.test"]}, 400),
        ({"events": ["very-secret-part"]}, 422),
        ({"name": ""}, 422),
        ({"name": "very-secret-part\x00"}, 422),
    ],
)
def test_what_no_webhook_may_be_is_refused_when_it_is_made_and_when_it_is_changed(at, team, change, status):
    asked = [at("POST", **HOOK | change), at("PATCH", f"/{team.webhook.id}", **change)]

    assert [answer.status_code for answer in asked] == [status, status]
    assert [answer for answer in asked if "very-secret-part" in answer.text] == []
    assert [each["id"] for each in at("GET").json()] == [team.webhook.id]


def test_a_test_message_waits_in_the_deliveries(at, team):
    queued = at("POST", f"/{team.webhook.id}/test")
    (delivery,) = at("GET", f"/{team.webhook.id}/deliveries").json()

    assert queued.status_code == 202
    assert (delivery["id"], delivery["event"], delivery["state"], delivery["attempts"]) == (
        queued.json()["message_id"],
        "webhook.test",
        "pending",
        0,
    )
    assert delivery["message"]["data"]["webhook_id"] == team.webhook.id


def test_a_webhook_is_disabled_enabled_and_removed(at, team):
    at("POST", f"/{team.webhook.id}/test")
    disabled = at("PATCH", f"/{team.webhook.id}", enabled=False).json()
    refused = at("POST", f"/{team.webhook.id}/test")
    (given_up,) = at("GET", f"/{team.webhook.id}/deliveries").json()
    enabled = at("PATCH", f"/{team.webhook.id}", enabled=True).json()

    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "Disabled by hand.")
    assert (refused.status_code, given_up["state"], given_up["last_error"]) == (400, "failed", "Disabled by hand.")
    assert (enabled["enabled"], enabled["disabled_reason"]) == (True, None)
    assert at("DELETE", f"/{team.webhook.id}").status_code == 204
    assert at("GET").json() == []
    assert at("DELETE", f"/{team.webhook.id}").status_code == 404


PERSON = {"name": "person", "url": "Person@Example.com", "format": "email"}


def test_without_a_mail_server_an_address_is_refused_with_what_to_set(at, browser, visit, team):
    refused = at("POST", **PERSON)
    page = visit(browser(team.editor), "GET", f"/alerts?workspace={team.workspace.id}")

    assert refused.status_code == 400
    assert "ADPULSE_SMTP_HOST and ADPULSE_SMTP_FROM" in refused.json()["detail"]
    assert "ADPULSE_SMTP_HOST and ADPULSE_SMTP_FROM" in page.text


@pytest.fixture
def with_mail(team, installation):
    """The installation has a mail server."""
    app = installation.app
    app.mail_server = MailServer.of(app.settings.model_copy(update={"smtp_host": "localhost", "smtp_from": "adpulse@example.org"}))
    app.webhooks._sends_mail = True
    return team


@pytest.mark.parametrize("form", ["email", "email-daily"])
def test_an_address_is_a_webhook_without_a_secret(at, with_mail, form):  # noqa: ARG001 - it has a mail server
    made = at("POST", **PERSON | {"format": form})
    refused = [
        at("POST", **PERSON | {"url": "a@example.com,b@example.com"}),
        at("POST", **PERSON | {"url": "https://1.1.1.1/"}),
        at("PATCH", f"/{made.json()['id']}", url="a@example.com\r\nBcc: b@example.com"),
        at("POST", f"/{made.json()['id']}/rotate-secret"),
    ]

    assert (made.status_code, made.json()["url"], made.json()["secret"]) == (201, "mailto:Person@example.com", None)
    assert made.json()["events"] == [event.value for event in TROUBLE]
    assert [answer.status_code for answer in refused] == [400] * 4
    assert at("PATCH", f"/{made.json()['id']}", url="mailto:other@example.com").json()["url"] == "mailto:other@example.com"


def test_an_address_is_added_on_the_page_and_sent_a_test(browser, visit, with_mail, installation):
    own = browser(with_mail.editor)
    page = visit(own, "GET", f"/alerts?workspace={with_mail.workspace.id}")
    added = visit(own, "POST", f"/workspaces/{with_mail.workspace.id}/webhooks", data={**PERSON, "event": "sync.failed"})
    (hook,) = [hook for hook in installation.app.webhooks.all(with_mail.workspace.id) if hook.name == "person"]

    assert 'name="url" type="email"' in page.text
    assert (added.status_code, hook.url, hook.format.value) == (200, "mailto:Person@example.com", "email")
    assert "Send a test message" in added.text
    assert "New secret" not in added.text
