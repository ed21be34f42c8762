"""Writes ``docs/foreign-clients.md``, what each foreign client could read, from the results that ``make test-foreign`` stores."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "foreign-clients.md"
DATA = ROOT / "docs" / "foreign-clients.json"
REFUSED = ROOT / "tests" / "foreign" / "refused.toml"
"""Why clients are refused something."""

_GAPS, _NOTE = "gaps", "note"

_HEAD = """\
# Clients that nobody here wrote

<!-- Made by `make test-foreign`, which runs the clients; do not change it by hand. -->

These clients are installed from their registries, each from a lock file of its own, and run against the sandbox without a change.
They reach it under the platforms' own host names, through [its proxy]({proxy}).
What they read of each account, campaign or ad and day is compared with the sandbox's truth and with adpulse's own warehouse, to the micro.
The warehouse was synced from the same sandbox, and its view `daily` is asked.
Compared are spend, impressions and clicks, and Google's conversions.
Of lists of campaigns, ad sets and ads the ids are compared, with both.
A stream that has neither can only run; refused streams have their reason below.

| client | version | streams tried | run | equal to truth and warehouse |
| --- | --- | --- | --- | --- |
"""


_NOT_RUN = """
## Not run

- The sample programs of Meta's SDK, which are in no wheel: they are in its source distribution, and 137 of the 152 are Python 2.
- dlt's verified sources by themselves: they are in no registry. `ingestr` ships them; `dlt-community-sources` 0.8.0 needs Python 3.12.
"""

_PROXY = "howto/sandbox-with-your-own-client.md#under-the-platforms-own-host-names"


def note(client: str, version: str, streams: Sequence[Mapping[str, Any]], *, hosts: Sequence[str], gaps: Sequence[str]) -> None:
    """Store the result of a run of one client, and write the page.

    ``hosts`` are names that the client asked for and the proxy refused, ``gaps`` what it asked for and the sandbox does not serve.
    """
    stored = results()
    stored[client] = {"version": version, "streams": list(streams), "hosts": list(hosts), "gaps": list(gaps)}
    DATA.write_text(json.dumps(dict(sorted(stored.items())), indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(stored), "utf-8")


def results() -> dict[str, Any]:
    """The stored results by client."""
    stored: dict[str, Any] = json.loads(DATA.read_text("utf-8")) if DATA.exists() else {}
    return stored


def page(stored: Mapping[str, Any]) -> str:
    """The page's text."""
    rows = (_row(client, result) for client, result in sorted(stored.items()))
    parts = (_details(client, result) for client, result in sorted(stored.items()))
    return _HEAD.format(proxy=_PROXY) + "".join(rows) + "".join(parts) + _NOT_RUN


def reasons(client: str) -> dict[str, str]:
    """Why streams of a client are refused in the platform's own words."""
    return {stream: why for stream, why in _listed(client).items() if stream != _NOTE}


def gaps() -> dict[str, str]:
    """Why the sandbox does not serve something, by the words of its refusals, which may have ``*``."""
    return _listed(_GAPS)


def reason(client: str, stream: str, says: str) -> str:
    """Why a stream is refused with this answer; empty if nobody has said so."""
    not_served = (why for pattern, why in gaps().items() if fnmatchcase(says, f"*does not serve {pattern}"))
    return reasons(client).get(stream) or next(not_served, "")


def _listed(table: str) -> dict[str, str]:
    listed: dict[str, str] = tomllib.loads(REFUSED.read_text("utf-8")).get(table, {})
    return listed


def _row(client: str, result: Mapping[str, Any]) -> str:
    results_of = [stream["result"] for stream in result["streams"]]
    run = len(results_of) - results_of.count("refused")
    comparable = results_of.count("equal") + results_of.count("different")
    return f"| `{client}` | {result['version']} | {len(results_of)} | {run} | {results_of.count('equal')} of {comparable} |\n"


def _details(client: str, result: Mapping[str, Any]) -> str:
    streams = result["streams"]
    equal = [f"`{stream['stream']}` ({stream['rows']} rows)" for stream in streams if stream["result"] == "equal"]
    ran = [f"`{stream['stream']}`" for stream in streams if stream["result"] == "ran"]
    note = _listed(client).get(_NOTE)
    lines = [f"\n## {client}\n\n", *([f"{note}\n"] if note else [])]
    lines += [f"Equal: {', '.join(equal)}.\n"] if equal else []
    lines += [f"Ran, with nothing to compare: {', '.join(ran)}.\n"] if ran else []
    lines += [f"Asked for {', '.join(result['hosts'])} as well, which the proxy refused.\n"] if result["hosts"] else []
    lines += [f"Not served, by the sandbox's count of gaps: {', '.join(result['gaps'])}.\n"] if result["gaps"] else []
    refused = [stream for stream in streams if stream["result"] == "refused"]
    if refused:
        lines.append("\n| refused stream | why | answer |\n| --- | --- | --- |\n")
        lines += [_refusal(client, stream["stream"], stream["says"]) for stream in refused]
    return "".join(lines)


def _refusal(client: str, stream: str, says: str) -> str:
    return f"| `{stream}` | {reason(client, stream, says)} | {_cell(says)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
