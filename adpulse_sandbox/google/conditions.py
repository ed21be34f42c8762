"""Conditions of the WHERE clause: the operators of each type, the format of values, and whether a row satisfies a condition."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from adpulse_sandbox.google.errors import query_error
from adpulse_sandbox.google.fields import NUMBERS, Field
from adpulse_sandbox.google.gaql import BARE_OPERATORS, Condition, Token

_EQUAL = ("=", "!=", "IN", "NOT IN")
_ORDERED = ("=", "!=", "<", ">", "<=", ">=", "BETWEEN")
_CONTAINS = ("CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE")
_OPERATORS = {
    **dict.fromkeys(NUMBERS, (*_ORDERED, "IN", "NOT IN", *BARE_OPERATORS)),
    "STRING": (*_EQUAL, "LIKE", "NOT LIKE", "REGEXP_MATCH", "NOT REGEXP_MATCH", *BARE_OPERATORS),
    "RESOURCE_NAME": (*_EQUAL, *BARE_OPERATORS),
    "ENUM": (*_EQUAL, *BARE_OPERATORS),
    "BOOLEAN": ("=", "!=", *BARE_OPERATORS),
    "DATE": (*_ORDERED, "IN", "NOT IN", "DURING", *BARE_OPERATORS),
    "BYTES": BARE_OPERATORS,
    "MESSAGE": BARE_OPERATORS,
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)?", re.ASCII)
_MAX_VALUES = 20_000
_SUNDAY, _FRIDAY = 6, 4


@dataclass(frozen=True, slots=True)
class Predicate:
    """A checked condition: the field, the operator, and operands of the field's type."""

    field: Field
    operator: str
    operands: tuple[Any, ...]

    def accepts(self, value: Any) -> bool:  # noqa: ANN401 - of any type a field can have
        """Whether a row's value satisfies the condition; None is a value that is not set."""
        if self.operator in BARE_OPERATORS:
            return (value in (None, [], "")) == (self.operator == "IS NULL")
        if self.field.repeated:
            return _CONTAINING[self.operator](set(value or ()), set(self.operands))
        if value is None:
            value = _DEFAULTS.get(self.field.data_type)
        if value is None:
            return self.operator in ("!=", "NOT IN", "NOT LIKE", "NOT REGEXP_MATCH")
        return _COMPARING[self.operator](value, self.operands)


_DEFAULTS = {"ENUM": "UNSPECIFIED", "BOOLEAN": False}


def to_predicate(condition: Condition, field: Field, today: date) -> Predicate:
    """Check a condition and convert its operands.

    Raises:
        AdsError: the operator or a value does not match the type of the field.
    """
    operator, values = condition.operator, condition.values
    allowed = (*_CONTAINS, *BARE_OPERATORS) if field.repeated and field.data_type != "MESSAGE" else _OPERATORS[field.data_type]
    if operator not in allowed:
        raise query_error("OPERATOR_FIELD_MISMATCH", f"The operator {operator} cannot be applied to the field '{field.name}'.")
    if len(values) > _MAX_VALUES:
        raise query_error("FILTER_HAS_TOO_MANY_VALUES", f"The filter on '{field.name}' has more than {_MAX_VALUES} values.")
    if operator == "DURING":
        first, last = during(values[0], today)
        return Predicate(field, "BETWEEN", (first.isoformat(), f"{last.isoformat()} 23:59:59.999999"[: None if _has_time(field) else 10]))
    operands = tuple(_operand(token, field, operator) for token in values)
    if operator.endswith("LIKE"):
        operands = tuple(_like(text) for text in operands)
    elif operator.endswith("REGEXP_MATCH"):
        operands = tuple(_regexp(text) for text in operands)
    return Predicate(field, operator, operands)


def during(token: Token, today: date) -> tuple[date, date]:
    """The first and last day of a named range.

    Raises:
        AdsError: there is no range of this name.
    """
    range_of = _RANGES.get(token.text.upper()) if token.kind == "word" else None
    if range_of is None:
        raise query_error("INVALID_VALUE_WITH_DURING_OPERATOR", f"{token.text} is not a date range.")
    return range_of(today)


def _has_time(field: Field) -> bool:
    return field.name.endswith("_date_time")


def _operand(token: Token, field: Field, operator: str) -> Any:  # noqa: ANN401 - of the field's type
    kind = field.data_type
    if kind in NUMBERS:
        return _number(token, kind)
    if kind == "ENUM":
        if token.text not in field.enum:
            raise query_error("BAD_ENUM_CONSTANT", f"Invalid enum value cannot be included in WHERE clause: '{token.text}'.")
        return token.text
    if kind == "BOOLEAN":
        if token.text.upper() not in ("TRUE", "FALSE"):
            raise query_error("BAD_VALUE", f"The field '{field.name}' is TRUE or FALSE, not {token.text}.")
        return token.text.upper() == "TRUE"
    if kind == "DATE":
        return _date(token, field, operator)
    if token.kind != "string":
        code = "INVALID_VALUE_WITH_LIKE_OPERATOR" if operator.endswith("LIKE") else "INVALID_STRING_VALUE"
        raise query_error(code, f"The field '{field.name}' is compared with a string, not with {token.text}.")
    return token.text


def _number(token: Token, kind: str) -> int | float:
    whole = kind not in ("DOUBLE", "FLOAT")
    if token.kind == "word" or not re.fullmatch(r"-?\d+" if whole else r"-?\d+(\.\d+)?", token.text, re.ASCII):
        raise query_error("BAD_NUMBER", f"{token.text} is not a number of this type.")
    return int(token.text) if whole else float(token.text)


def _date(token: Token, field: Field, operator: str) -> str:
    timed = _has_time(field)
    if token.kind == "string" and (_INSTANT if timed else _DAY).fullmatch(token.text) and _exists(token.text):
        return token.text
    code = "INVALID_VALUE_WITH_BETWEEN_OPERATOR" if operator == "BETWEEN" else "INVALID_DATE_FORMAT"
    expected = "'YYYY-MM-DD' or 'YYYY-MM-DD HH:MM:SS'" if timed else "'YYYY-MM-DD'"
    raise query_error(code, f"The date for '{field.name}' is expected as {expected}, not as {token.text}.")


def _exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _like(text: str) -> re.Pattern[str]:
    """A LIKE pattern as a regular expression: case is ignored, % matches any text, _ one character, and [%] a literal %."""
    pieces = re.findall(r"\[.\]|.", text, re.DOTALL)
    wildcards = {"%": ".*", "_": "."}
    pattern = "".join(wildcards[piece] if piece in wildcards else re.escape(piece[1] if len(piece) > 1 else piece) for piece in pieces)
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _regexp(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        raise query_error("BAD_VALUE", f"Invalid regular expression {text}.") from None


def _week_start(today: date, first_weekday: int) -> date:
    return today - timedelta(days=(today.weekday() - first_weekday) % 7)


def _days(count: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (today - timedelta(days=count), today - timedelta(days=1))


def _last_week(first_weekday: int, length: int = 7) -> Callable[[date], tuple[date, date]]:
    def range_of(today: date) -> tuple[date, date]:
        first = _week_start(today, first_weekday) - timedelta(days=7)
        return first, first + timedelta(days=length - 1)

    return range_of


def _last_month(today: date) -> tuple[date, date]:
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


_RANGES: dict[str, Callable[[date], tuple[date, date]]] = {
    "TODAY": lambda today: (today, today),
    "YESTERDAY": _days(1),
    "LAST_7_DAYS": _days(7),
    "LAST_14_DAYS": _days(14),
    "LAST_30_DAYS": _days(30),
    "LAST_BUSINESS_WEEK": _last_week(0, _FRIDAY + 1),
    "LAST_WEEK_MON_SUN": _last_week(0),
    "LAST_WEEK_SUN_SAT": _last_week(_SUNDAY),
    "THIS_WEEK_MON_TODAY": lambda today: (_week_start(today, 0), today),
    "THIS_WEEK_SUN_TODAY": lambda today: (_week_start(today, _SUNDAY), today),
    "THIS_MONTH": lambda today: (today.replace(day=1), today),
    "LAST_MONTH": _last_month,
}
"""Date ranges by name. LAST_n_DAYS end yesterday."""

_CONTAINING: dict[str, Callable[[set[Any], set[Any]], bool]] = {
    "CONTAINS ANY": lambda values, operands: bool(values & operands),
    "CONTAINS ALL": lambda values, operands: operands <= values,
    "CONTAINS NONE": lambda values, operands: not values & operands,
}
_COMPARING: dict[str, Callable[[Any, tuple[Any, ...]], bool]] = {
    "=": lambda value, operands: bool(value == operands[0]),
    "!=": lambda value, operands: bool(value != operands[0]),
    "<": lambda value, operands: bool(value < operands[0]),
    ">": lambda value, operands: bool(value > operands[0]),
    "<=": lambda value, operands: bool(value <= operands[0]),
    ">=": lambda value, operands: bool(value >= operands[0]),
    "BETWEEN": lambda value, operands: bool(operands[0] <= value <= operands[1]),
    "IN": lambda value, operands: value in operands,
    "NOT IN": lambda value, operands: value not in operands,
    "LIKE": lambda value, operands: bool(operands[0].fullmatch(value)),
    "NOT LIKE": lambda value, operands: not operands[0].fullmatch(value),
    "REGEXP_MATCH": lambda value, operands: bool(operands[0].fullmatch(value)),
    "NOT REGEXP_MATCH": lambda value, operands: not operands[0].fullmatch(value),
}
