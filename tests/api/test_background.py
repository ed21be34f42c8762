"""What an answer does not wait for is done all the same, each thing once however often it was asked for meanwhile."""

import threading

from adpulse.api.background import BackgroundCalls


def test_nobody_waits_and_what_is_asked_for_often_is_done_once_more():
    begun, go_on, ended, calls = threading.Event(), threading.Event(), threading.Event(), []

    def call(what):
        calls.append(what)
        begun.set()
        go_on.wait(30)
        if what == "last":
            ended.set()

    background = BackgroundCalls(call)
    background.submit("first")
    assert begun.wait(30)
    for _ in range(100):
        background.submit("first")
        background.submit("last")
    assert calls == ["first"]
    go_on.set()

    assert ended.wait(30)
    assert calls == ["first", "first", "last"]


def test_what_fails_does_not_keep_the_next_from_being_done():
    ended, calls = threading.Event(), []

    def call(what):
        calls.append(what)
        if what == "bad":
            raise ValueError(what)
        ended.set()

    background = BackgroundCalls(call)
    background.submit("bad")
    background.submit("good")

    assert ended.wait(30)
    assert calls == ["bad", "good"]
