"""Decodes the Google Ads API's streams into columns, reading only what a query selects. Step: fetch.

A row of the SDK's message classes takes about 10 kB of memory, because it has a place for each of the 200 resources. Here
a message class is made for each query, from the SDK's own descriptors and with the same field numbers, that knows just the
selected fields: half the memory and twice the speed, on the SDK's channel. ``python -m bench decode`` measures it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from itertools import islice
from operator import attrgetter
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_ROWS_AT_ONCE = 1_000
_FIELD = descriptor_pb2.FieldDescriptorProto
_INTEGERS = (
    _FIELD.TYPE_INT64, _FIELD.TYPE_UINT64, _FIELD.TYPE_INT32, _FIELD.TYPE_UINT32, _FIELD.TYPE_SINT32, _FIELD.TYPE_SINT64,
    _FIELD.TYPE_FIXED32, _FIELD.TYPE_FIXED64, _FIELD.TYPE_SFIXED32, _FIELD.TYPE_SFIXED64,
)  # fmt: skip

_TEXT = "text"
"""What is read of a message that a query selects as a whole."""

_RAW = {_FIELD.TYPE_STRING: _FIELD.TYPE_BYTES}
"""A text that is no UTF-8 would make the whole message unreadable, so texts are decoded here; on the wire they are the same."""


class Columns:
    """Turns messages of one query's stream into Arrow, a column per field, in the order of the fields.

    Integers become int64, floating-point numbers float64, enums the names of their values (of one that the SDK does not know the number),
    messages with a text, such as headlines, that text, repeated fields lists. A field that is not set has its type's default. What is no
    UTF-8 in a text becomes U+FFFD.

    Raises:
        ValueError: the SDK has no such version.
        KeyError: it has no such field.
    """

    def __init__(self, version: str, fields: tuple[str, ...]) -> None:
        row = _row_descriptor(version)
        descriptors = [_find_descriptor(row, name) for name in fields]
        self._message = _message_class(version, fields)
        self._read: Callable[[Any], tuple[Any, ...]] = attrgetter(*fields) if len(fields) > 1 else _single(fields[0])
        self._plain: list[Callable[[Sequence[Any]], Iterable[Any]] | None] = [_plain(descriptor) for descriptor in descriptors]
        self.schema = pa.schema([pa.field(name, _arrow_type(descriptor)) for name, descriptor in zip(fields, descriptors, strict=True)])

    @property
    def deserialize(self) -> Callable[[bytes], Any]:
        """Bytes of a response → a message with only the selected fields."""
        decode: Callable[[bytes], Any] = self._message.FromString
        return decode

    def table(self, message: Any) -> pa.Table:  # noqa: ANN401 - a protobuf message
        """The rows of one message, some at a time: as Python objects they take ten times the memory, and many streams are read at once."""
        rows, tables = map(self._read, message.results), [self.schema.empty_table()]
        while chunk := list(zip(*islice(rows, _ROWS_AT_ONCE), strict=True)):
            values = [plain(column) if plain else column for plain, column in zip(self._plain, chunk, strict=True)]
            columns = [pa.array(column, field.type) for column, field in zip(values, self.schema, strict=True)]
            tables.append(pa.table(columns, schema=self.schema))
        return pa.concat_tables(tables)


@lru_cache(maxsize=64)
def columns(version: str, fields: tuple[str, ...]) -> Columns:
    """The decoder of a query that selects these fields, made once per process."""
    return Columns(version, fields)


def request_class(version: str) -> Any:  # noqa: ANN401 - a generated class
    """The request message of a stream."""
    return _service_types(version).SearchGoogleAdsStreamRequest


def failure_reader(version: str) -> Callable[[bytes], Any]:
    """A parser of Google's reasons for a refusal; it returns None for bytes that are no such message."""
    kind = import_module(f"google.ads.googleads.{version}.errors.types.errors").GoogleAdsFailure
    message = type(kind.pb(kind()))

    def read(body: bytes) -> Any:  # noqa: ANN401 - a protobuf message
        try:
            return message.FromString(body)
        except DecodeError:
            return None

    return read


def _service_types(version: str) -> Any:  # noqa: ANN401 - a generated module
    try:
        return import_module(f"google.ads.googleads.{version}.services.types.google_ads_service")
    except ModuleNotFoundError:
        raise ValueError(f"The google-ads SDK has no version {version}.") from None


def _response_descriptor(version: str) -> Any:  # noqa: ANN401 - a protobuf descriptor
    kind = _service_types(version).SearchGoogleAdsStreamResponse
    return kind.pb(kind()).DESCRIPTOR


def _row_descriptor(version: str) -> Any:  # noqa: ANN401 - a protobuf descriptor
    return _response_descriptor(version).fields_by_name["results"].message_type


def _find_descriptor(row: Any, path: str) -> Any:  # noqa: ANN401 - protobuf descriptors
    *parents, name = path.split(".")
    for parent in parents:
        row = _field(row, parent).message_type
    return _field(row, name)


def _field(message: Any, name: str) -> Any:  # noqa: ANN401 - protobuf descriptors
    """A field by its name in queries; the SDK adds an underscore to words that Python reserves."""
    return message.fields_by_name.get(name) or message.fields_by_name[f"{name}_"]


def error_reason(details: bytes) -> str:
    """The reason that a failure below the Ads API gives (``google.rpc.ErrorInfo`` in a ``Status``); empty where there is none."""
    info = error_details_pb2.ErrorInfo()
    try:
        has_info = any(detail.Unpack(info) for detail in status_pb2.Status.FromString(details).details)
    except DecodeError:  # what cannot be read explains nothing
        return ""
    return str(info.reason) if has_info else ""


@lru_cache(maxsize=64)
def _message_class(version: str, fields: tuple[str, ...]) -> Any:  # noqa: ANN401 - a generated class
    file = descriptor_pb2.FileDescriptorProto(name="adpulse_selected.proto", package="adpulse_selected", syntax="proto3")
    _select(file.message_type.add(name="Response"), _response_descriptor(version), [f"results.{name}" for name in fields])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("adpulse_selected.Response"))


def _select(message: Any, full: Any, paths: list[str]) -> None:  # noqa: ANN401 - protobuf descriptors
    """Give a message the fields at these paths; enums as the numbers they are on the wire."""
    below: dict[str, list[str]] = {}
    for path in paths:
        head, _, tail = path.partition(".")
        below.setdefault(head, []).append(tail)
    for name, tails in below.items():
        field = _field(full, name)
        label = _FIELD.LABEL_REPEATED if field.is_repeated else _FIELD.LABEL_OPTIONAL
        selected = message.field.add(name=name, number=field.number, label=label)
        if field.message_type is not None:
            selected.type, selected.type_name = _FIELD.TYPE_MESSAGE, f"Selected_{name}"
            _select(message.nested_type.add(name=selected.type_name), field.message_type, [_TEXT] if tails == [""] else tails)
        else:
            selected.type = _FIELD.TYPE_INT32 if field.enum_type is not None else _RAW.get(field.type, field.type)


def _single(field: str) -> Callable[[Any], tuple[Any, ...]]:
    read = attrgetter(field)
    return lambda row: (read(row),)


def _plain(field: Any) -> Callable[[Sequence[Any]], Iterable[Any]] | None:  # noqa: ANN401 - a protobuf descriptor
    """What makes plain values of a column, if they are not."""
    one = _plain_value(field)
    if field.is_repeated:
        return lambda column: [[one(value) for value in values] if one else list(values) for values in column]
    return (lambda column: map(one, column)) if one else None


def _plain_value(field: Any) -> Callable[[Any], Any] | None:  # noqa: ANN401 - a protobuf descriptor
    if field.enum_type is not None:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda number: names.get(number) or str(number)
    if field.message_type is not None:
        return lambda message: _text(message.text)
    return _text if field.type == _FIELD.TYPE_STRING else None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def _arrow_type(field: Any) -> pa.DataType:  # noqa: ANN401 - a protobuf descriptor
    if field.enum_type is not None or field.type in (_FIELD.TYPE_STRING, _FIELD.TYPE_MESSAGE):
        inner = pa.string()
    elif field.type in _INTEGERS:
        inner = pa.int64()
    else:
        inner = pa.bool_() if field.type == _FIELD.TYPE_BOOL else pa.float64()
    return pa.list_(inner) if field.is_repeated else inner


def response_class(version: str) -> Any:  # noqa: ANN401 - a generated class
    """The SDK's whole message of a stream, in protobuf's own class."""
    kind = _service_types(version).SearchGoogleAdsStreamResponse
    return type(kind.pb(kind()))


def as_json(message: Any) -> dict[str, Any]:  # noqa: ANN401 - a protobuf message
    """A message as the REST interface writes it: names in camel case, 64-bit integers as text."""
    converted: dict[str, Any] = json_format.MessageToDict(message)
    return converted


def from_json(version: str, message: Mapping[str, Any]) -> bytes:
    """The bytes of a message of a stream that is written as JSON.

    Raises:
        ValueError: it is no such message.
    """
    try:
        encoded: bytes = json_format.ParseDict(dict(message), response_class(version)(), ignore_unknown_fields=True).SerializeToString()
    except json_format.ParseError as error:
        raise ValueError(str(error)) from None
    return encoded
