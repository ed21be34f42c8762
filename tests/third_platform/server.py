"""Pinboard Ads, a made-up platform: reports are jobs that must be polled, and calls are counted in points."""

import json
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

TOKEN = "pinboard-token-1"
ACCOUNT = "p-100"
CAMPAIGNS = {"c-1": ("b-1", "b-2"), "c-2": ("b-3",)}
FIRST_STATE, LAST_STATE = "working", "ready"


class Pinboard:
    """The platform on a loopback port; ``faults`` are answered, first to last, before anything else is."""

    def __init__(self):
        self.faults = []
        self.calls = []
        self.reports = {}
        board = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer("GET")

            def do_POST(self):
                self.answer("POST")

            def answer(self, method):
                length = int(self.headers.get("content-length", 0))
                sent = json.loads(self.rfile.read(length) or b"{}")
                status, told = board.answer(method, urlsplit(self.path).path, sent, self.headers.get("authorization", ""))
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method, path, sent, authorization):
        self.calls.append((method, path))
        if authorization != f"Bearer {TOKEN}":
            return 401, {"error": "bad_token"}
        return self.faults.pop(0) if self.faults else self.told(method, path, sent)

    def told(self, method, path, sent):
        match [method, *path.strip("/").split("/")]:
            case ["GET", "accounts"]:
                return 200, {
                    "accounts": [{"id": ACCOUNT, "name": "Pin Shop", "currency": "EUR", "timezone": "Europe/Vienna", "open": True}]
                }
            case ["GET", "accounts", account, "entities"] if account == ACCOUNT:
                return 200, {"entities": entities()}
            case ["POST", "accounts", account, "reports"] if account == ACCOUNT:
                report = str(len(self.reports) + 1)
                self.reports[report] = [2, sent]
                return 200, {"report": report}
            case ["GET", "reports", report] if report in self.reports:
                return 200, self.poll(report)
        return 404, {"error": "unknown"}

    def poll(self, report):
        left, sent = self.reports[report]
        self.reports[report][0] = left - 1
        if left > 1:
            return {"state": FIRST_STATE}
        return {"state": LAST_STATE, "rows": rows(sent["level"], date.fromisoformat(sent["since"]), date.fromisoformat(sent["until"]))}


def entities():
    found = []
    for campaign, boards in CAMPAIGNS.items():
        found.append({"kind": "campaign", "id": campaign, "name": f"Campaign {campaign}", "state": "ON"})
        found += [{"kind": "pin", "id": board, "name": f"Pin {board}", "state": "ON", "campaign": campaign} for board in boards]
    return found


def numbers(pin, day):
    """What one pin did on one day; spend is in cents."""
    seed = sum(map(ord, pin)) * 31 + day.toordinal()
    return {"views": seed % 997, "taps": seed % 89, "cents": seed % 1234, "orders": seed % 7, "order_cents": seed % 4321}


def rows(level, since, until):
    found = []
    for n in range((until - since).days + 1):
        day = since + timedelta(days=n)
        for campaign, pins in CAMPAIGNS.items():
            each = [{"campaign": campaign, "pin": pin, "day": day.isoformat(), **numbers(pin, day)} for pin in pins]
            if level == "pin":
                found += each
            else:
                summed = {name: sum(row[name] for row in each) for name in numbers(pins[0], day)}
                found.append({"campaign": campaign, "day": day.isoformat(), **summed})
    return found
