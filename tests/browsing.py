"""What a browser does with a consent page: it reads the form, presses a button and is sent back."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests


@dataclass
class Form(HTMLParser):
    """The form of a page."""

    url: str
    method: str = ""
    hidden: dict = field(default_factory=dict)
    buttons: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    @classmethod
    def of(cls, answer):
        found = cls(answer.url)
        found.feed(answer.text)
        return found

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if tag == "form":
            self.method, self.url = told["method"], urljoin(self.url, told["action"])
        if tag == "input" and told.get("type") == "hidden":
            self.hidden[told["name"]] = told["value"]
        if tag == "button":
            self.buttons.append(told["value"])


def decide(answer, user, decision, **forged):
    """Press a button; the answer that sends the browser back."""
    form = Form.of(answer)
    return requests.post(form.url, data={**form.hidden, "user": user, "decision": decision, **forged}, timeout=30, allow_redirects=False)


def fields(answer):
    """What the client is told in the address that the browser is sent to."""
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def consent(authorize_url, user="full", decision="allow"):
    """Open the page that a client sends people to, and press a button; the address that the browser is sent back to."""
    back = decide(requests.get(authorize_url, timeout=30), user, decision)
    assert back.status_code == 302, back.text
    return back.headers["location"]
