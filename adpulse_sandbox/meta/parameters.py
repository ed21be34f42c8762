"""The values of parameters as clients write them, and the refusal of parameters that would be ignored.

Meta reads a list as JSON, as JSON with single quotes, or as texts between commas: the three are in live calls of public clients
(airbyte pull request 37437: ``action_breakdowns=['action_type',…]``; the reference's own ``breakdowns=age,gender``).
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from adpulse_sandbox.meta.errors import bad_param, unsupported

Fields = dict[str, "Fields | None"]

OF_EVERY_CALL = frozenset({"access_token", "appsecret_proof", "fields"})
OF_PAGES = frozenset({"limit", "after", "before"})

WITHOUT_EFFECT: Mapping[str, Mapping[str, str]] = {
    "every call": {
        "format": "JSON is the only format that is left (Graph API overview)",
        "pretty": "white space",
        "locale": "texts for people are served in English",
    },
    "nodes": {
        "date_preset": "the range of reports nested in fields, which are refused (pages Ad, Ad Set and Campaign)",
        "time_range": "the same",
        "from_adtable": "of Ads Manager's own requests",
        "am_call_tags": "the same",
        "review_feedback_breakdown": "the world's ads have no review feedback",
        "thumbnail_height": "the world's creatives have no thumbnails",
        "thumbnail_width": "the same",
    },
    "edges": {
        "date_preset": "the range of reports nested in fields, which are refused (page Ad Account, Ads)",
        "time_range": "the same",
        "sort": "no edge of the Marketing API has it; MeltanoLabs/tap-facebook sends it in production",
        "order_by": "the same",
    },
    "insights": {
        "action_report_time": "the API decides by itself since 2025-06-10 (Supermetrics' note on the change)",
        "use_unified_attribution_setting": "always as true since 2025-06-10 (the same note)",
        "use_account_attribution_setting": "overruled by the unified setting since 2025-06-10 (the same note)",
        "graph_cache": "whether Meta may answer from a cache, which the sandbox has none of",
    },
}
"""Parameters that change no answer, by kind of request, and why. A test finds every other parameter that is accepted and ignored."""


_UNKNOWN_TO_META = frozenset({"sort", "order_by"})


def without_effect(request: str, known: Collection[str]) -> set[str]:
    """The parameters of a request that change no answer: those that the tables have for it, and those that Meta does not know."""
    return {name for name in WITHOUT_EFFECT[request] if name in known or (request == "edges" and name in _UNKNOWN_TO_META)}


def check_parameters(params: Mapping[str, str], accepted: Collection[str], request: str) -> None:
    """Refuse parameters that the sandbox would ignore: those that it does not serve, and those that Meta does not know.

    Raises:
        GraphError: a parameter is not among the accepted ones.
    """
    for name in params:
        if name not in accepted and name not in OF_EVERY_CALL and name not in WITHOUT_EFFECT["every call"]:
            raise unsupported(f"the parameter {name} of {request}")


def parse_fields(text: str) -> Fields:
    """Parse ``id,name,creative{id,link_url}`` or a list of such texts into a tree.

    Raises:
        GraphError: braces that do not match, or a field with a modifier, such as ``.limit(5)``.
    """
    if re.search(r"\.\w+\(", text):
        raise unsupported("modifiers of fields, such as .limit()")
    root: Fields = {}
    stack, name = [root], ""
    for letter in f"{re.sub(_QUOTES, '', text)},":
        if letter in ",{}":
            if name.strip():
                stack[-1].setdefault(name.strip(), None)
            if letter == "{":
                inner: Fields = {}
                stack[-1][name.strip()] = inner
                stack.append(inner)
            elif letter == "}":
                stack.pop()
                if not stack:
                    raise bad_param("Syntax error in the fields parameter: unexpected }")
            name = ""
        else:
            name += letter
    if len(stack) != 1:
        raise bad_param("Syntax error in the fields parameter: missing }")
    return root


_QUOTES = r"""["'\[\]]"""


def parse_json(name: str, text: str | None, kind: type) -> Any:
    """Parse a JSON parameter; None when the request does not have it.

    Raises:
        GraphError: it is no valid JSON, or of another type.
    """
    if text is None:
        return None
    value = _json(text)
    if value is None:
        raise bad_param(f"param {name} must be valid JSON")
    if not isinstance(value, kind):
        raise bad_param(f"param {name} must be {'an array' if kind is list else 'an object'}")
    return value


def parse_list(name: str, text: str | None) -> list[str]:
    """Parse a list of texts: JSON, or texts between commas; empty when the request does not have it.

    Raises:
        GraphError: it is another JSON value.
    """
    if not text:
        return []
    if text.lstrip()[:1] in ("[", "{"):
        return [str(value) for value in parse_json(name, text, list)]
    return [part.strip().strip("\"'") for part in text.split(",") if part.strip()]


def parse_flag(name: str, text: str | None) -> bool:
    """Parse a Boolean; false when the request does not have it.

    Raises:
        GraphError: it is none.
    """
    if text is None:
        return False
    if text.lower() not in ("true", "false", "1", "0"):
        raise bad_param(f"param {name} must be a boolean")
    return text.lower() in ("true", "1")


def check_values(name: str, values: Iterable[str], allowed: Collection[str]) -> None:
    """Refuse a value that a list parameter does not have. Source of the words: rfacebookstat issue 28 (live).

    Raises:
        GraphError: a value is not allowed.
    """
    for place, value in enumerate(values):
        if value not in allowed:
            raise bad_param(f"{name}[{place}] must be one of the following values: {', '.join(allowed)}")


def _json(text: str) -> Any:
    for candidate in (text, text.replace("'", '"')):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):  # the second of what is nested too deeply
            continue
    return None
