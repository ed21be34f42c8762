"""Bodies of requests as HTTP/1.1 allows them: with a length, or in chunks."""

import json
import socket
from urllib.parse import urlencode, urlsplit

import pytest
from google_rest import QUERY

FIELDS = {"fields": "id,name", "limit": "2"}


def chunked(body, size=7):
    """An iterator, which HTTP clients send in chunks."""
    return (body[start : start + size] for start in range(0, len(body), size))


def test_a_google_request_in_chunks_is_the_one_with_a_length(rest):
    path, body = f"/v23/customers/{rest.customer}/googleAds:search", json.dumps({"query": QUERY}).encode()
    whole, parts = (rest.http.post(path, content=content) for content in (body, chunked(body)))

    assert (whole.status_code, parts.status_code) == (200, 200)
    assert parts.json()["results"] == whole.json()["results"]


def test_a_meta_form_in_chunks_is_the_one_with_a_length(ask, standing):
    token, account = standing.world.token("full").value, standing.world.account("Harbor Outdoor").id
    form = urlencode({**FIELDS, "level": "ad", "access_token": token}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answers = [ask.http.post(f"/v25.0/act_{account}/insights", content=content, headers=headers) for content in (form, chunked(form))]

    assert [answer.status_code for answer in answers] == [answers[0].status_code] * 2
    assert answers[0].json().keys() == answers[1].json().keys()


def said(standing, *lines):
    """What the Graph endpoint answers to these lines, until it closes the connection."""
    address = urlsplit(standing.graph_url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_after_chunks_with_extensions_and_trailers_the_connection_goes_on(standing):
    first = ["POST /v25.0/me HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "", "3;name=value", "a=b", "0", "Trailer: x", "", ""]
    second = ["GET /v25.0/me HTTP/1.1", "Host: h", "Connection: close", "", ""]

    answer = said(standing, *first[:-1], *second)

    assert answer.count("HTTP/1.1 ") == 2


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: -1", "", ""],
        ["Content-Length: many", "", ""],
        ["Transfer-Encoding: chunked", "", "many", "a=b", "0", "", ""],
        ["Transfer-Encoding: chunked", "", "2", "a=b", "0", "", ""],
        ["Transfer-Encoding: chunked", "", "-3", "a=b", "0", "", ""],
    ],
    ids=["negative", "no number", "no length", "too short", "negative chunk"],
)
def test_a_body_without_a_valid_length_is_refused_and_not_dropped(standing, headers):
    assert said(standing, "POST /v25.0/me HTTP/1.1", "Host: h", *headers).startswith("HTTP/1.1 400 ")
