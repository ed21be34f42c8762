"""Recorded answers, replayed through the border and the normalisers: each is still judged as its file says."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from probing_rig import Probing, use_sandbox

from adpulse import settings
from adpulse.errors import AccountRefused, AuthExpired
from adpulse.model import Level
from adpulse.platforms.google.probing import judging as google
from adpulse.platforms.meta import normalise
from adpulse.platforms.meta.errors import Reply, from_reply
from adpulse.platforms.meta.meters import INSIGHTS, MANAGEMENT, usage
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.probe.answers import RecordedAnswer
from adpulse.probe.redaction import Redactor
from adpulse.probe.subject import unconnected
from adpulse.probe.verdicts import Verdict
from adpulse_sandbox import Sandbox

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.json"))


def recorded(path):
    return RecordedAnswer.from_json(path.read_text())


def judged(answer, exchange=None):
    judgement = platform_of(answer.platform).probe().judge(exchange or answer.exchange)
    return judgement.verdict, judgement.words


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_answer_is_judged_as_its_file_says(path):
    answer = recorded(path)

    assert judged(answer) == (answer.verdict, answer.reason)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_redaction_does_not_change_what_an_answer_shows(path):
    answer = recorded(path)
    redactor = Redactor(allowed=platform_of(answer.platform).probe().allowed, key=b"k" * 32, shift=timedelta(days=-1000))

    assert judged(answer, redactor.exchange(answer.exchange)) == (answer.verdict, answer.reason)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_says_where_it_is_from_and_names_a_kind_of_the_table(path):
    answer = recorded(path)
    probe = platform_of(answer.platform).probe()

    assert answer.source
    assert answer.exchange.kind in {**probe.kinds, **probe.beyond}
    assert RecordedAnswer.from_json(answer.to_json()) == answer


def test_the_numbers_of_an_ad_are_read_from_the_strings_of_its_row():
    body = recorded(FOLDER / "meta-report-of-ads.json").exchange.body

    rows = normalise.metrics(Level.AD, body["data"], unconnected("meta", normalise.account({}, "1")), (date(2026, 11, 20),) * 2)

    first, second = rows.rows.to_pylist()
    counted = {name: first[name] for name in ("spend", "impressions", "clicks", "purchases", "leads", "revenue", "conversions")}
    assert counted == {
        "spend": 14_350_000,
        "impressions": 185,
        "clicks": 9,
        "purchases": 2_000_000,
        "leads": 1_000_000,
        "revenue": 80_500_000,
        "conversions": 3_000_000,
    }
    assert (second["spend"], second["purchases"]) == (40_000, 0)


def test_the_numbers_of_a_campaign_are_read_from_the_bytes_of_its_row():
    table = google.table_of(recorded(FOLDER / "google-report-of-campaigns.json").exchange)

    (row,) = table.to_pylist()
    assert (row["metrics.cost_micros"], row["metrics.conversions"]) == (1_061_083_620, 12.5)


def test_usage_headers_of_both_use_cases_are_read():
    headers = recorded(FOLDER / "meta-report-of-ads.json").exchange.headers

    assert usage(headers, INSIGHTS) == {"account": 12.0, "app": 28.0}
    assert usage(headers, MANAGEMENT) == {"account": 9.67, "app": 28.0}


@pytest.mark.parametrize(("name", "error"), [("token-expired", AuthExpired), ("account-not-granted", AccountRefused)])
def test_a_refusal_becomes_our_error(name, error):
    exchange = recorded(FOLDER / f"meta-error-{name}.json").exchange
    reply = Reply(status=int(exchange.status), error=exchange.body["error"], headers=exchange.headers)

    assert type(from_reply(reply, "the account")) is error


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_a_probe_writes_replays_with_the_verdicts_of_the_probe(platform, tmp_path, monkeypatch):
    with Sandbox.start() as sandbox:
        use_sandbox(sandbox, monkeypatch.setenv)
        settings.load.cache_clear()
        written = Probing(platform, sandbox, tmp_path).run()
        settings.load.cache_clear()

    files = [recorded(path) for path in sorted((tmp_path / "answers").iterdir())]
    asked = {each.exchange.kind: each.judgement.verdict for each in written.findings.outcome.answered}
    assert {each.exchange.kind: each.verdict for each in files} == asked
    assert [each.exchange.kind for each in files if judged(each) != (each.verdict, each.reason)] == []
    assert Verdict.WORKS in asked.values()
