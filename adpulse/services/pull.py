"""Downloads a workspace's published file from another installation. An interrupted download resumes; the file appears only whole."""

import json
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import requests
from pydantic import SecretStr

from adpulse.errors import AuthExpired, Unavailable, Usage
from adpulse.settings import LOOPBACK_HOSTS
from storage.files import disk_full, exclusive, is_disk_full_message, replace
from storage.warehouse import damage

_CHUNK = 1 << 16  # an incomplete chunk is lost when the connection breaks
_TRIES = 5
_TIMEOUT = (10.0, 60.0)
_RETRY_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """The result: ``changed`` is False when the target was the published file already.

    ``newer``: what the file has that this adpulse does not know, for a message.
    """

    changed: bool
    size: int
    newer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The URL of the file at the other installation, and the API key for it."""

    url: str
    key: SecretStr

    def request(self, **headers: str) -> requests.Response:
        """Start a download. Redirects are not followed, because the key would be sent to their target.

        Raises:
            Usage: it redirects to an invalid address, for which ``requests`` raises ValueError.
        """
        headers |= {"Authorization": f"Bearer {self.key.get_secret_value()}", "Accept-Encoding": "identity"}
        try:
            return requests.get(self.url, headers=headers, timeout=_TIMEOUT, stream=True, allow_redirects=False)
        except ValueError as error:
            if isinstance(error, requests.RequestException):
                raise
            raise Usage(f"{self.url} redirects to an invalid address.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """The publication that a file is a copy of (its ETag). For a complete file also its size and modification time."""

    tag: str
    size: int = -1
    mtime_ns: int = -1

    @classmethod
    def of(cls, path: Path) -> "_Note | None":
        """The note at this path, if there is a readable one."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the note."""
        path.write_text(json.dumps(asdict(self)))


def pull(url: str, workspace_id: str, target: Path, key: SecretStr) -> Pulled:
    """Make ``target`` the workspace's published file. An existing file stays until the new one is complete and opens.

    Raises:
        AuthExpired, Usage: the other installation refuses, or redirects elsewhere; the message says why.
        Usage: another pull writes the file now.
        Unavailable: the connection broke off repeatedly. The received part is kept, and the next pull resumes it.
        DiskFull: there was no space.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise Usage(f"'{url}' is not the address of an installation. Example: https://adpulse.example.org")
    source = _Source(url=f"{url.rstrip('/')}/workspaces/{quote(workspace_id, safe='')}/analytics.duckdb", key=key)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with exclusive(target.with_name(f".{target.name}.lock"), 0):
            return _Download(source, target).run()
    except TimeoutError:
        raise Usage(f"Another adpulse pull writes {target} now.") from None


def is_private(url: str) -> bool:
    """Whether the connection is private: TLS, or this machine itself."""
    return urlsplit(url).scheme != "http" or urlsplit(url).hostname in LOOPBACK_HOSTS


class _Download:
    """One download: ``.NAME.part`` is the received part, ``.NAME.etag`` notes which publication ``NAME`` is."""

    def __init__(self, source: _Source, target: Path) -> None:
        self._source = source
        self._target = target
        self._part = target.with_name(f".{target.name}.part")
        self._part_note = target.with_name(f".{target.name}.part.etag")
        self._note = target.with_name(f".{target.name}.etag")

    def run(self) -> Pulled:
        """Try until the file is complete or all tries are used."""
        for attempt in range(_TRIES):
            before = self._size()
            try:
                tag = self._fetch()
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                broke = type(error).__name__
                if self._size() == before:
                    time.sleep(_RETRY_WAIT_SECONDS * attempt)
                continue
            return self._finish(tag)
        raise Unavailable(f"{self._source.url} broke off {_TRIES} times ({broke}). Run the command again: it resumes the download.")

    def _fetch(self) -> str | None:
        """Download the missing part; returns the publication's tag, or None when the target is up to date."""
        partial = _Note.of(self._part_note) if self._part.exists() else None
        headers = {"Range": f"bytes={self._size()}-", "If-Range": partial.tag} if partial else {}
        if target_tag := self._target_tag():
            headers["If-None-Match"] = target_tag
        with self._source.request(**headers) as answer:
            if answer.status_code == HTTPStatus.NOT_MODIFIED:
                return None
            if partial and answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return partial.tag  # the part was complete already, but not yet verified
            _refuse(answer)
            tag = answer.headers.get("ETag", "")
            if answer.status_code == HTTPStatus.OK:
                self._part.unlink(missing_ok=True)
                _Note(tag=tag).write(self._part_note)
            self._append(answer)
            return tag

    def _append(self, answer: requests.Response) -> None:
        with self._part.open("ab") as file:
            for chunk in answer.iter_content(_CHUNK):
                try:
                    file.write(chunk)
                    file.flush()
                except OSError as error:
                    if is_disk_full_message(str(error)):
                        raise disk_full(self._part) from None
                    raise

    def _finish(self, tag: str | None) -> Pulled:
        if tag is None:
            self._forget_part()
            return Pulled(changed=False, size=self._target.stat().st_size)
        if not damage.is_whole(self._part):
            self._forget_part()
            raise Unavailable(f"The file from {self._source.url} does not open. It was deleted; run the command again.")
        newer = damage.newer_parts(self._part)
        self._note.unlink(missing_ok=True)
        replace(self._part, self._target)
        self._part_note.unlink(missing_ok=True)
        file = self._target.stat()
        _Note(tag=tag, size=file.st_size, mtime_ns=file.st_mtime_ns).write(self._note)
        return Pulled(changed=True, size=file.st_size, newer=newer)

    def _target_tag(self) -> str | None:
        """The tag of the target, unless it was changed or removed since."""
        note = _Note.of(self._note)
        if note is None or not self._target.exists():
            return None
        file = self._target.stat()
        return note.tag if (file.st_size, file.st_mtime_ns) == (note.size, note.mtime_ns) else None

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _forget_part(self) -> None:
        for path in (self._part, self._part_note):
            path.unlink(missing_ok=True)


def _refuse(answer: requests.Response) -> None:
    """Raise for every answer that is not the file.

    Raises:
        AuthExpired, Usage, Unavailable: by the status; the message has the installation's detail.
    """
    if answer.status_code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    if answer.is_redirect:
        raise Usage(_redirected(answer))
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"It answered {answer.status_code}."
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise AuthExpired(f"{answer.url}: {detail}")
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"{answer.url}: {detail}")
    raise Usage(f"{answer.url}: {detail}")


def _redirected(answer: requests.Response) -> str:
    """The message for a redirect. The address leaves out what may be secret: user, password and query."""
    parts = urlsplit(urljoin(answer.url, answer.headers["Location"]))
    host = parts.netloc.rpartition("@")[2]
    shown = "".join(sign for sign in f"{parts.scheme}://{host}{parts.path}" if sign.isprintable())[:200]
    return (
        f"{answer.url} redirects to {shown}. That was not followed, because the API key would be sent there. "
        "If the installation has moved there, give its new address with --url."
    )
