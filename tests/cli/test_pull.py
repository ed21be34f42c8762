"""``adpulse pull`` against a server that breaks off, changes its file and lies: the file here is whole, or the one before."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import pytest

from storage.files import exclusive

KEY = "adp_00000000_sentinel"


def database(path, rows):
    """A published file with so many rows of noise."""
    with duckdb.connect(path) as made:
        made.execute("CREATE TABLE schema_version (version INTEGER, applied_at TIMESTAMPTZ)")
        made.execute("INSERT INTO schema_version VALUES (4, now())")
        made.execute(f"CREATE TABLE noise AS SELECT range AS number, md5(range::VARCHAR) AS text FROM range({rows})")
    return path.read_bytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return [database(folder / f"{rows}.duckdb", rows) for rows in (60_000, 61_000)]


class Published:
    """What the server has, what it does wrong, and the requests that it got."""

    def __init__(self, content):
        self.put(content)
        self.breaks_after = []
        self.requests = []
        self.refuses = None

    def put(self, content):
        self.content, self.tag = content, f'"{hash(content)}"'


class _Handler(BaseHTTPRequestHandler):
    published: Published

    def log_message(self, *_):
        pass

    def do_GET(self):
        published = self.published
        published.requests.append(self.headers)
        if published.refuses:
            status, body, headers = published.refuses
            return self._answer(status, body, headers)
        if self.headers["If-None-Match"] == published.tag:
            return self._answer(304, b"", {"ETag": published.tag})
        start = 0
        if self.headers["Range"] and self.headers["If-Range"] in (None, published.tag):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(published.content):
                return self._answer(416, b"", {"Content-Range": f"bytes */{len(published.content)}"})
        headers = {"ETag": published.tag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(published.content) - 1}/{len(published.content)}"
        return self._answer(206 if start else 200, published.content[start:], headers)

    def _answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        breaks = self.published.breaks_after.pop(0) if self.published.breaks_after and body else None
        self.wfile.write(body[:breaks])
        self.close_connection = True


@pytest.fixture
def published(files):
    return Published(files[0])


@contextmanager
def serving(published):
    """A server of its own for what is published; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"published": published}))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def address(published):
    with serving(published) as found:
        yield found


@pytest.fixture
def target(tmp_path):
    return tmp_path / "notebooks" / "acme.duckdb"


@pytest.fixture
def pull(shell, address, target, monkeypatch):
    monkeypatch.setenv("ADPULSE_API_KEY", KEY)
    monkeypatch.setattr("adpulse.services.pull._RETRY_WAIT_SECONDS", 0)
    return lambda *more: shell("pull", "--url", address, "-w", "w1", "--to", str(target), *more)


def test_the_file_is_fetched_once_and_then_only_when_it_changed(pull, target, published, files):
    code, out, _ = pull()
    assert (code, target.read_bytes()) == (0, files[0])
    assert published.requests[0]["Authorization"] == f"Bearer {KEY}"

    assert "nothing changed" in pull()[1]
    published.put(files[1])
    assert "nothing changed" not in pull()[1]

    assert target.read_bytes() == files[1]
    assert KEY not in out


def test_a_file_of_a_newer_adpulse_is_told(pull, target, published, tmp_path):
    with duckdb.connect(newer := tmp_path / "newer.duckdb") as made:
        made.execute("CREATE TABLE schema_version AS SELECT 99 AS version, now() AS applied_at")
    published.put(newer.read_bytes())

    code, _, err = pull()

    assert (code, target.exists()) == (0, True)
    assert "A newer adpulse published it, with schema 99, this adpulse knows" in err


def test_a_download_that_breaks_off_goes_on_where_it_was(pull, target, published, files):
    published.breaks_after = [1_000_000, 500_000]

    assert pull()[0] == 0
    assert target.read_bytes() == files[0]
    first, second, third = (each["Range"] for each in published.requests)
    assert first is None
    assert 900_000 < int(second.removeprefix("bytes=").removesuffix("-")) <= 1_000_000
    assert 1_350_000 < int(third.removeprefix("bytes=").removesuffix("-")) <= 1_500_000


def test_a_file_that_is_published_between_two_halves_is_fetched_from_its_beginning(pull, target, published, files):
    published.breaks_after = [1_000_000] + [1_000] * 4
    code, _, err = pull()
    assert (code, "resumes the download" in err) == (1, True)
    assert not target.exists()
    published.put(files[1])
    published.breaks_after = []

    assert pull()[0] == 0
    assert target.read_bytes() == files[1]


def test_what_had_come_whole_before_a_kill_is_not_fetched_again(pull, target, published, files):
    published.breaks_after = [len(files[0]) - 10] + [1] * 4
    assert pull()[0] == 1
    part = next(target.parent.glob(".*.part"))
    part.write_bytes(files[0])
    sent = len(published.requests)

    assert pull()[0] == 0
    assert target.read_bytes() == files[0]
    assert len(published.requests) == sent + 1


@pytest.mark.parametrize("damage", ["cut", "gap", "page"])
def test_a_file_that_is_not_whole_does_not_take_the_place_of_one_that_is(pull, target, published, files, damage):
    pull()
    bad = {"cut": files[1][:500_000], "gap": files[1][:200_000] + bytes(300_000) + files[1][500_000:], "page": b"<html>" * 9999}[damage]
    published.put(bad)

    code, _, err = pull()

    assert (code, "does not open. It was deleted" in err.replace("\n", " ")) == (1, True)
    assert target.read_bytes() == files[0]
    published.put(files[1])
    assert pull()[0] == 0
    assert target.read_bytes() == files[1]


def test_a_file_that_somebody_changed_or_removed_here_is_fetched_again(pull, target, files):
    pull()
    target.chmod(0o644)
    target.write_bytes(b"mine")
    assert pull()[0] == 0
    assert target.read_bytes() == files[0]

    target.unlink()
    assert pull()[0] == 0
    assert target.read_bytes() == files[0]


@pytest.mark.parametrize(("status", "code"), [(401, 1), (403, 1), (404, 2), (503, 1), (302, 2)])
def test_a_refusal_is_told_as_the_installation_says_it(pull, target, published, status, code):
    published.refuses = (status, b'{"detail": "Because."}', {"content-type": "application/problem+json"})

    ended, _, err = pull()

    assert ended == code
    assert "Because." in err
    assert KEY not in err
    assert not target.exists()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_because_the_key_would_go_elsewhere(pull, target, published, files, status):
    elsewhere = Published(files[0])
    with serving(elsewhere) as other:
        published.refuses = (status, b"", {"Location": f"{other.replace('//', '//user:hidden@')}/moved/analytics.duckdb?token=hidden"})

        code, _, err = pull()

    assert (code, elsewhere.requests) == (2, [])
    assert f"redirects to {other}/moved/analytics.duckdb. That was not followed" in err.replace("\n", " ")
    assert "hidden" not in err
    assert not target.exists()


def test_a_redirect_to_what_is_no_address_is_told_as_well(pull, published):
    published.refuses = (302, b"", {"Location": "http://[::1/"})

    code, _, err = pull()

    assert (code, "redirects to an invalid address" in err.replace("\n", " ")) == (2, True)


def test_the_key_may_be_a_file_and_is_never_an_argument(pull, published, tmp_path):
    path = tmp_path / "key"
    path.write_text("adp_11111111_other\n")

    assert pull("--key-file", str(path))[0] == 0
    assert published.requests[0]["Authorization"] == "Bearer adp_11111111_other"
    assert pull("--key-file", str(tmp_path / "none"))[0] == 2
    assert pull("--key", "x")[0] == 2


def test_two_pulls_do_not_write_one_file(pull, target):
    with exclusive(target.with_name(f".{target.name}.lock"), 0):
        code, _, err = pull()

    assert (code, "Another adpulse pull" in err) == (2, True)


def test_what_is_no_address_is_wrong_usage(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("ADPULSE_API_KEY", KEY)

    assert shell("pull", "--url", "adpulse.example.org", "-w", "w", "--to", str(tmp_path / "x"))[0] == 2
