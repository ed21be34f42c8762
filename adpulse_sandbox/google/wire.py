"""Encodes rows as messages of an API version, and errors as its GoogleAdsFailure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.rpc import error_details_pb2, status_pb2

from adpulse_sandbox.google.errors import AdsError
from adpulse_sandbox.google.fields import Field, Schema, message_class, module, versions
from adpulse_sandbox.google.rows import Row

_PERMISSION_DENIED = 7
_FORMER_CODES = {"CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION": "DEVELOPER_TOKEN_NOT_APPROVED"}
"""What versions that lack an error code answer instead. Source: the SDK's enums; v23 and v24 know developer tokens only."""
_SERVICE = "services.types.google_ads_service"


def filler(fields: Iterable[Field]) -> Callable[[Any, Row], None]:
    """A function that writes a row's values into a message. It is prepared once per query, because it runs for every row."""
    by_parent: dict[tuple[str, ...], list[Field]] = {}
    for field in fields:
        by_parent.setdefault(field.path[:-1], []).append(field)

    def fill(message: Any, row: Row) -> None:  # noqa: ANN401 - a protobuf message
        for path, leaves in by_parent.items():
            values = [(field, row[field.name]) for field in leaves if row.get(field.name) is not None]
            if values:
                parent = message
                for part in path:
                    parent = getattr(parent, part)
                for field, value in values:
                    _set(parent, field, value)

    return fill


def row_fields(schema: Schema, names: Iterable[str]) -> list[Field]:
    """The fields of these names, for ``filler``."""
    return [schema.fields[name] for name in names]


def _set(parent: Any, field: Field, value: Any) -> None:  # noqa: ANN401 - a protobuf message and any value a field can have
    name = field.path[-1]
    if field.data_type == "ENUM":
        numbers = [field.enum.get(element, field.enum["UNKNOWN"]) for element in (value if field.repeated else [value])]
        value = numbers if field.repeated else numbers[0]
    if field.data_type == "MESSAGE":
        for element in value if field.repeated else [value]:
            _merge(getattr(parent, name).add() if field.repeated else getattr(parent, name), element)
    elif field.repeated:
        getattr(parent, name).extend(value)
    else:
        setattr(parent, name, value)


def _merge(message: Any, values: Mapping[str, Any]) -> None:  # noqa: ANN401 - a protobuf message
    message.SetInParent()
    for name, value in values.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if isinstance(value, Mapping):
            _merge(getattr(message, name), value)
        elif field.is_repeated:
            getattr(message, name).extend(value)
        else:
            setattr(message, name, field.enum_type.values_by_name[value].number if field.enum_type else value)


def response(version: str, method: str, **values: Any) -> Any:  # noqa: ANN401 - a protobuf message
    """An answer of ``Search`` or ``SearchStream`` without rows, with these fields set."""
    message_name = {"Search": "SearchGoogleAdsResponse", "SearchStream": "SearchGoogleAdsStreamResponse"}[method]
    return message_class(version, _SERVICE, message_name)(**values)


def request_class(version: str, service: str, method: str) -> Any:  # noqa: ANN401 - compiled at import time, no types
    """The protobuf class of a method's request."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in service).strip("_")
    message_name = {"Search": "SearchGoogleAdsRequest", "SearchStream": "SearchGoogleAdsStreamRequest"}.get(method, f"{method}Request")
    return message_class(version, f"services.types.{name}", message_name)


def failure(version: str, error: AdsError, request_id: str) -> Any:  # noqa: ANN401 - a protobuf message
    """A GoogleAdsFailure. For a version that is not served it is made with the newest protos."""
    version = version if version in versions() else versions()[-1]
    message = message_class(version, "errors.types.errors", "GoogleAdsFailure")(request_id=request_id)
    detail = message.errors.add()
    detail.message = error.message
    setattr(detail.error_code, error.family, _code(version, error))
    if error.quota:
        details = detail.details.quota_error_details
        scopes = type(details).DESCRIPTOR.fields_by_name["rate_scope"].enum_type
        details.rate_scope = scopes.values_by_name[error.quota.scope].number
        details.rate_name = error.quota.name
        details.retry_delay.seconds = error.quota.retry_seconds
    return message


def error_info(error: AdsError) -> error_details_pb2.ErrorInfo:
    """The reason why a call did not reach the Ads API."""
    metadata = {"service": "googleads.googleapis.com", "consumer": "projects/4400"}
    return error_details_pb2.ErrorInfo(reason=error.reason, domain="googleapis.com", metadata=metadata)


def status_details(error: AdsError) -> bytes:
    """A serialised google.rpc.Status with the reason why a call did not reach the Ads API."""
    status = status_pb2.Status(code=_PERMISSION_DENIED, message=error.message)
    status.details.add().Pack(error_info(error))
    serialised: bytes = status.SerializeToString()
    return serialised


def _code(version: str, error: AdsError) -> int:
    name = error.family.title().replace("_", "")
    enum = getattr(getattr(module(version, f"errors.types.{error.family}"), f"{name}Enum"), name)
    candidates = (error.code, _FORMER_CODES.get(error.code), "UNKNOWN")
    return int(enum[next(code for code in candidates if code in enum.__members__)].value)
