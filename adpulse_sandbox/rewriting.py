"""Places in an answer, such as ``data[0].campaign_id``: what the fault ``rewrite`` changes in JSON and in protobuf messages."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

HEADERS = "headers."
"""How a place begins that is a header of the answer."""

_PLACE = re.compile(r"[\w-]+(?:\[(?:\d+|\*)\])?(?:\.[\w-]+(?:\[(?:\d+|\*)\])?)*")
_STEP = re.compile(r"([\w-]+)(?:\[(\d+|\*)\])?")

Write = Callable[[Any, str | int], None]


def is_place(text: str) -> bool:
    """Whether this is a place: names joined by dots, each with an index or ``*`` (every element) where it is a list."""
    return bool(_PLACE.fullmatch(text.removeprefix(HEADERS)))


def rewritten_json(answer: Any, place: str, value: Any, *, remove: bool) -> bytes:  # noqa: ANN401 - JSON
    """A JSON answer with a value at a place, or without what is there. Half a surrogate pair becomes an escape, as platforms write it."""

    def write(parent: Any, last: str | int) -> None:  # noqa: ANN401 - JSON
        if isinstance(last, int) and remove:
            del parent[last]
        elif isinstance(last, int):
            parent[last] = value
        elif isinstance(parent, dict):
            parent.pop(last, None) if remove else parent.update({last: value})

    copied = json.loads(json.dumps(answer))  # rows are shared with later answers
    _each(copied, place, write, _of_json)
    return json.dumps(copied).encode()


def rewrite_header(headers: dict[str, str], place: str, value: Any, *, remove: bool) -> None:  # noqa: ANN401 - JSON
    """Write a value to a header, or remove it; what is no text is written as JSON."""
    name = place.removeprefix(HEADERS)
    headers.pop(name, None)
    if not remove:
        text = value if isinstance(value, str) else json.dumps(value)
        headers[name] = re.sub(r"[\r\n]", " ", text).encode("utf-8", "surrogatepass").decode("latin-1")  # a header's text is bytes


def rewritten_message(message: Any, place: str, value: Any, *, remove: bool) -> bytes:  # noqa: ANN401 - a protobuf message
    """A serialised message with a value at a place, or without what is there. Half a surrogate pair becomes bytes that are no UTF-8.

    Raises:
        TypeError, ValueError: the field does not take this value.
    """
    marker = _rewrite(message, place, value, remove=remove)
    serialised: bytes = message.SerializeToString()
    return serialised if marker is None else serialised.replace(marker.encode(), value.encode("utf-8", "surrogatepass"))


def rewritten_text(message: Any, to_json: Callable[[Any], str], place: str, value: Any, *, remove: bool) -> str:  # noqa: ANN401 - a protobuf message
    """The same message as JSON; its own names are those of the place. Half a surrogate pair becomes an escape.

    Raises:
        TypeError, ValueError: the field does not take this value.
    """
    marker = _rewrite(message, place, value, remove=remove)
    text = to_json(message)
    return text if marker is None else text.replace(marker, json.dumps(value)[1:-1])


def _rewrite(message: Any, place: str, value: Any, *, remove: bool) -> str | None:  # noqa: ANN401 - a protobuf message
    """Write to a message. A text that is no UTF-8, which messages do not take, is written as the marker that is returned."""
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b""
    is_utf8 = raw.decode("utf-8", "replace").encode() == raw
    written = value if is_utf8 else "\x7f" * len(raw)

    def write(parent: Any, last: str | int) -> None:  # noqa: ANN401 - a protobuf message
        if isinstance(last, str):
            parent.ClearField(last) if remove else setattr(parent, last, written)
        elif remove:
            del parent[last]
        else:
            parent[last] = written

    _each(message, place, write, getattr)
    return None if is_utf8 else written


def _of_json(parent: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    return parent.get(name) if isinstance(parent, dict) else None


def _each(answer: Any, place: str, write: Write, child: Callable[[Any, str], Any]) -> None:  # noqa: ANN401 - JSON or a protobuf message
    """Write at every place of the answer that the text names; a list is written from its end, as removing moves what follows."""
    names = [(match[1], match[2]) for match in _STEP.finditer(place)]
    parents = [answer]
    for name, index in names[:-1]:
        parents = [inner for parent in parents for inner in _elements(child(parent, name), index)]
    name, index = names[-1]
    for parent in parents:
        if parent is None:
            continue
        targets: list[tuple[Any, str | int]] = [(parent, name)]
        if index is not None:
            elements = child(parent, name)
            targets = [(elements, number) for number in reversed(list(_numbers(elements, index)))]
        for target, last in targets:
            write(target, last)


def _elements(value: Any, index: str | None) -> list[Any]:  # noqa: ANN401 - JSON or a protobuf message
    return [value] if index is None else [value[number] for number in _numbers(value, index)]


def _numbers(value: Any, index: str) -> Iterator[int]:  # noqa: ANN401 - JSON or a protobuf message
    size = len(value) if hasattr(value, "append") else 0
    yield from range(size) if index == "*" else (number for number in [int(index)] if number < size)
