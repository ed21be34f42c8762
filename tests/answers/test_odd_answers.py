"""Whatever a platform answers, a probe ends in a report: nothing that it does with an answer raises."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as some
from probing_rig import Probing, use_sandbox

from adpulse import settings
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.probe.answers import shortened
from adpulse.probe.platform_probe import Subject
from adpulse.probe.redaction import Redactor
from adpulse.probe.report import findings, markdown
from adpulse.probe.running import hold
from adpulse_sandbox import Sandbox

ODD = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-5, 10**20),
    some.floats(allow_nan=False),
    some.sampled_from(["", "x", "NaN", "1e999999999", "2026-02-30", "0", "-1", "²", "\ud800", "9" * 30]),
    some.sampled_from([[], {}, [[]], [None], [{}], {"a": {"b": []}}, {"error": {}}, {"error": "x"}, {"data": 1}]),
)


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """What both platforms answered, by platform."""
    with Sandbox.start() as sandbox, pytest.MonkeyPatch.context() as patched:
        use_sandbox(sandbox, patched.setenv)
        settings.load.cache_clear()
        runs = {each: Probing(each, sandbox, tmp_path_factory.mktemp(each)).run() for each in PLATFORMS}
        settings.load.cache_clear()
        whole = {each: written.findings.outcome.transcript for each, written in runs.items()}
        short = {each: {kind: replace(one, body=shortened(one.body)) for kind, one in answers.items()} for each, answers in whole.items()}
        return {each: (transcript, sandbox.clock.now()) for each, transcript in short.items()}


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*path, key))


def changed(value, path, odd):
    if not path:
        return odd
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = changed(copied[path[0]], path[1:], odd)
    return copied


class Replaying:
    """Answers from a transcript."""

    version = "of a file"

    def __init__(self, transcript):
        self._transcript = transcript

    def ask(self, request, slot):
        slot()
        unknown = replace(next(iter(self._transcript.values())), kind=request.kind, body=None)
        return self._transcript.get(request.kind, unknown)


@pytest.mark.parametrize("platform", PLATFORMS)
@profile(max_examples=60)
@given(data=some.data())
def test_a_probe_ends_in_a_report_and_files_whatever_is_answered(probed, platform, data):
    probe, (transcript, now) = platform_of(platform).probe(), probed[platform]
    kind = data.draw(some.sampled_from(sorted(transcript)))
    path = data.draw(some.sampled_from(list(places(transcript[kind].body))))
    odd = {**transcript, kind: replace(transcript[kind], body=changed(transcript[kind].body, path, data.draw(ODD)))}

    outcome = hold(probe, Replaying(odd), Subject(now=now), lambda: None, lambda _: None)
    report = markdown(findings(probe, outcome, label="x", version="y", month="z"), probe, lambda said: said)
    redactor = Redactor(allowed=probe.allowed, key=b"k" * 32, shift=timedelta(days=-1000))
    kept = redactor.exchange(odd[kind])

    assert outcome.answered
    assert report
    assert json.dumps(kept.body).encode()
