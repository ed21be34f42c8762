"""A workspace's file over HTTP: as every cache and every resumed download expects it, and never a mix of two publications."""

import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from waiting import until

from adpulse.api.analytics import _published_file


@pytest.fixture
def path(team):
    return f"/workspaces/{team.workspace.id}/analytics.duckdb"


@pytest.fixture
def publish(installation, team):
    """Puts bytes in the place of the published file, as a publication does."""
    number = 0

    def put(content):
        nonlocal number
        number += 1
        target = installation.app.published(team.workspace.id)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(".fresh")
        fresh.write_bytes(content)
        os.utime(fresh, ns=(number, number))
        fresh.replace(target)
        return content

    return put


@pytest.fixture
def get(ask, team, path):
    def send(method="GET", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, ask.address + path, headers={"Authorization": f"Bearer {team.viewer}", **named}, timeout=30)

    return send


def test_it_is_the_published_file_with_a_tag_that_changes_with_every_publication(get, publish):
    first = publish(b"first")
    one = get()
    publish(b"other")
    two = get()

    assert (one.content, one.headers["content-length"], one.headers["accept-ranges"]) == (first, "5", "bytes")
    assert one.headers["etag"].startswith('"')
    assert one.headers["etag"] != two.headers["etag"]
    assert two.headers["cache-control"] == "private, no-cache"
    assert "analytics" not in two.headers["content-disposition"]


def test_a_head_request_tells_the_same_without_the_bytes(get, publish):
    publish(b"12345")
    head, whole = get("HEAD"), get()

    assert head.content == b""
    for name in ("etag", "content-length", "content-type"):
        assert head.headers[name] == whole.headers[name]


def test_who_has_it_is_told_so(get, publish):
    publish(b"12345")
    tag = get().headers["etag"]

    for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = get(If_None_Match=told)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert get(If_None_Match='"other"').status_code == 200
    publish(b"12346")
    assert get(If_None_Match=tag).status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "content", "told"),
    [
        ("bytes=0-1", 206, b"01", "bytes 0-1/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
    ],
)
def test_a_part_is_the_part_that_was_asked_for(get, publish, asked, status, content, told):
    publish(b"0123456789")
    answer = get(Range=asked)

    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (status, content, told)


def test_a_part_of_another_publication_is_the_whole_of_this_one(get, publish):
    publish(b"0123456789")
    tag, date = (get().headers[name] for name in ("etag", "last-modified"))
    fresh = publish(b"abcdefghij")

    assert get(Range="bytes=5-", If_Range=tag).content == fresh
    assert get(Range="bytes=5-", If_Range=date).content == fresh  # both publications are of that second
    assert get(Range="bytes=5-", If_Range=get().headers["etag"]).content == fresh[5:]


def test_a_file_that_is_replaced_while_it_is_read_is_still_the_one_that_was_begun(ask, publish, team, path):
    size = 64 << 20  # more than the buffers on the way hold
    publish(b"a" * size)
    where = urlsplit(ask.address)
    with socket.create_connection((where.hostname, where.port), timeout=60) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {team.viewer}\r\nconnection: close\r\n\r\n".encode())
        received = bytearray(line.recv(4096))
        publish(b"b" * size)
        while piece := line.recv(1 << 20):
            received += piece

    body = received.partition(b"\r\n\r\n")[2]
    assert len(body) == size
    assert body.count(b"a") == size


def test_a_file_that_is_replaced_between_its_headers_and_its_bytes_is_the_one_of_the_headers(installation, publish, team):
    first = publish(b"first")
    answer, sent = _published_file(installation.app.published(team.workspace.id), "x.duckdb"), []
    publish(b"another one")

    async def send(message):
        sent.append(message)

    async def receive():
        await asyncio.sleep(3600)

    asyncio.run(answer({"type": "http", "method": "GET", "headers": []}, receive, send))

    assert dict(sent[0]["headers"])[b"content-length"] == b"5"
    assert b"".join(each.get("body", b"") for each in sent) == first


def test_nothing_published_yet_says_what_to_do(ask, team, path):
    answer = ask("GET", path, team.viewer)

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:adpulse:not-found")
    assert "Sync a connection" in answer.json()["detail"]


@pytest.mark.parametrize("asked", ["..%2Fcontrol", "..", "%2e%2e%2fsecret.key", "."])
def test_no_path_leads_out_of_the_folder(ask, operator, asked):
    assert ask("GET", f"/workspaces/{asked}/analytics.duckdb", operator).status_code in (404, 422)


def test_a_head_request_needs_a_key_of_the_workspace_too(ask, team, others, path, publish):
    publish(b"12345")

    assert ask("HEAD", path).status_code == 401
    assert ask("HEAD", path, others.viewer).status_code == 404
    assert ask("HEAD", path, team.viewer).status_code == 200


def test_no_file_stays_open(get, publish):
    publish(b"0123456789")
    get()
    for headers in ({}, {"If_None_Match": "*"}, {"Range": "bytes=99-"}, {"Range": "nonsense"}, {"Range": "bytes=0-1"}):
        for method in ("GET", "HEAD"):
            get(method, **headers)

    def still_open():
        return [path for path in map(os.path.realpath, Path("/dev/fd").iterdir()) if str(path).endswith(".duckdb")]

    until(lambda: not still_open(), still_open)  # an answer has come before the server is through with it
