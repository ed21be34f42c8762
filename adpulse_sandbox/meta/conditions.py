"""The parameter ``filtering``: conditions with Meta's operators."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from adpulse_sandbox.meta.errors import bad_param, unsupported
from adpulse_sandbox.meta.parameters import parse_json


def _texts(value: object) -> list[str]:
    return [str(element) for element in value] if isinstance(value, list) else [str(value)]


def _contains(actual: object, wanted: object) -> bool:
    return any(part.lower() in str(actual).lower() for part in _texts(wanted))


_OF_TEXTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "IN": lambda actual, wanted: str(actual) in _texts(wanted),
    "NOT_IN": lambda actual, wanted: str(actual) not in _texts(wanted),
    "EQUAL": lambda actual, wanted: str(actual) == str(wanted) or _numbers(actual, wanted) == "equal",
    "NOT_EQUAL": lambda actual, wanted: str(actual) != str(wanted) and _numbers(actual, wanted) != "equal",
    "CONTAIN": _contains,
    "NOT_CONTAIN": lambda actual, wanted: not _contains(actual, wanted),
    "STARTS_WITH": lambda actual, wanted: str(actual).lower().startswith(str(wanted).lower()),
}
_OF_NUMBERS: Mapping[str, Callable[[float, list[float]], bool]] = {
    "GREATER_THAN": lambda actual, bounds: actual > bounds[0],
    "GREATER_THAN_OR_EQUAL": lambda actual, bounds: actual >= bounds[0],
    "LESS_THAN": lambda actual, bounds: actual < bounds[0],
    "LESS_THAN_OR_EQUAL": lambda actual, bounds: actual <= bounds[0],
    "IN_RANGE": lambda actual, bounds: bounds[0] <= actual <= bounds[-1],
    "NOT_IN_RANGE": lambda actual, bounds: not bounds[0] <= actual <= bounds[-1],
}
OPERATORS = (*_OF_TEXTS, *_OF_NUMBERS)
_UNSERVED = ("ALL", "ANY", "NONE", "TOP", "AFTER", "BEFORE", "ON_OR_AFTER", "ON_OR_BEFORE", "CONTAIN_ANY", "NOT_CONTAIN_ANY", "ENDS_WITH")
"""Operators that clients send and whose meaning no source describes (Insights API, "Filtering"; ad rules have them too)."""

_OF_LISTS = ("IN", "NOT_IN", "IN_RANGE", "NOT_IN_RANGE")


def _numbers(actual: object, wanted: object) -> str:
    """``equal`` for numbers of equal value that are written differently."""
    try:
        return "equal" if float(str(actual)) == float(str(wanted)) else ""
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Condition:
    """An element of ``filtering``."""

    field: str
    operator: str
    value: Any

    @property
    def values(self) -> list[Any]:
        """The values to compare with, as a list also for a single value."""
        return self.value if isinstance(self.value, list) else [self.value]

    def holds(self, value: Any) -> bool:
        """Whether a value satisfies the condition. An absent number (None) counts as 0.

        Raises:
            GraphError: a comparison of sizes with something that is no number.
        """
        if self.operator in _OF_TEXTS:
            return _OF_TEXTS[self.operator](value, self.value)
        try:
            number, bounds = float(value or 0), [float(bound) for bound in self.values]
        except (TypeError, ValueError):
            raise bad_param(f"param filtering[0][value] must be a number to compare {self.field} with") from None
        return _OF_NUMBERS[self.operator](number, bounds)


def parse_filtering(text: str | None, allowed: Collection[str], others: Collection[str] = ()) -> list[Condition]:
    """Parse the ``filtering`` parameter.

    Args:
        text: the parameter's value, None if the request does not have it.
        allowed: the fields that the sandbox filters by.
        others: fields that Meta filters by too.

    Raises:
        GraphError: it is no JSON list of field, operator and value, or names a field or operator that is not supported.
    """
    conditions = []
    for element in parse_json("filtering", text or None, list) or []:
        if not isinstance(element, dict) or not {"field", "operator", "value"} <= set(element):
            raise bad_param("param filtering must be an array of objects with field, operator and value")
        name, operator, value = str(element["field"]), element["operator"], element["value"]
        if name not in allowed:
            if name in others:
                raise unsupported(f"the filter by {name}")
            raise bad_param(f"Filtering field {name} with operation {str(operator).lower()} is not supported")
        if operator in _UNSERVED:
            raise unsupported(f"the operator {operator} of filters")
        if operator not in OPERATORS:
            raise bad_param(f"param filtering[0][operator] must be one of the following values: {', '.join((*OPERATORS, *_UNSERVED))}")
        if operator in _OF_LISTS and not isinstance(value, list):
            raise bad_param("param filtering[0][value] must be an array")
        conditions.append(Condition(name, operator, value))
    return conditions
