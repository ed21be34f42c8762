"""Webhooks by the command line: the secret is shown once, the URL never stands in an argument."""

import pytest

URL = "https://1.1.1.1/hooks/very-secret-part"


def test_a_webhook_is_made_listed_tested_and_removed(adpulse):
    code, secret, told = adpulse("webhooks", "add", "dashboard", "--event", "sync.completed", stdin=URL)
    assert (code, secret[:6], "shown only now" in told) == (0, "whsec_", True)

    code, listed, _ = adpulse("webhooks", "list")
    assert listed.split()[3:6] == ["dashboard", "standard", "enabled"]
    assert listed.split()[7:] == [URL, "sync.completed"]
    assert secret.strip() not in listed

    assert adpulse("webhooks", "test", "dashboard")[0] == 0
    assert "webhook.test 0 next try at" in " ".join(adpulse("webhooks", "deliveries", "dashboard")[1].split())
    assert adpulse("webhooks", "remove", "dashboard")[1] == "Webhook dashboard is removed.\n"
    assert adpulse("webhooks", "list")[1] == ""


@pytest.mark.parametrize("form", ["slack", "teams"])
def test_the_url_of_a_channel_is_not_shown_again(adpulse, monkeypatch, form):
    monkeypatch.setenv("ADPULSE_WEBHOOK_URL", URL)

    code, out, err = adpulse("webhooks", "add", "channel", f"--{form}", "-e", "all")
    listed = adpulse("webhooks", "list")[1]

    assert (code, out) == (0, "")
    assert listed.split()[3:6] == ["channel", form, "enabled"]
    assert "https://1.1.1.1  sync.completed, " in listed
    assert "very-secret-part" not in out + err + listed


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("add", "x"), "", "No URL given"),
        (("add", "x", "--slack", "--teams"), URL, "Slack's or that of Microsoft Teams, not both"),
        (("add", "x", "--slack", "--email", "a@example.com"), "", "sends e-mail, or to a channel"),
        (("add", "x", "--daily"), URL, "--daily is for an address"),
        (("add", "x", "--email", "a@example.com"), "", "ADPULSE_SMTP_HOST and ADPULSE_SMTP_FROM"),
        (("add", "x"), "https://10.0.0.1/", "private network"),
        (("add", "x", "-e", "nothing"), URL, "There is no event nothing. There are: sync.completed"),
        (("test", "nobody"), "", "There is no webhook 'nobody'"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_do(adpulse, arguments, stdin, said):
    code, _, told = adpulse("webhooks", *arguments, stdin=stdin)

    assert (code, said in told) == (2, True)


@pytest.mark.parametrize(("options", "form"), [((), "email"), (("--daily",), "email-daily")])
def test_a_person_is_added_by_an_address(adpulse, installation, options, form):
    installation.app.webhooks._sends_mail = True

    code, out, err = adpulse("webhooks", "add", "ops", "--email", "ops@example.com", *options, "-e", "sync.failed")
    listed = adpulse("webhooks", "list")[1]

    assert (code, out) == (0, "")
    assert "receives: sync.failed" in err
    assert listed.split()[3:6] == ["ops", form, "enabled"]
    assert "mailto:ops@example.com  sync.failed" in listed
