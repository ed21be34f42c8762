"""The grammar of the Google Ads Query Language: parses text into a ``Query``, or raises the QueryError of the platform.

The parser does not know the schema; ``check`` decides whether the fields of a query exist and are compatible.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from adpulse_sandbox.google.errors import AdsError, query_error

LIST_OPERATORS = ("IN", "NOT IN", "CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE")
BARE_OPERATORS = ("IS NULL", "IS NOT NULL")
_SYMBOLS = ("=", "!=", "<", ">", "<=", ">=")
_WORDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "IN": ((),),
    "NOT": (("IN",), ("LIKE",), ("REGEXP_MATCH",)),
    "BETWEEN": ((),),
    "LIKE": ((),),
    "IS": (("NULL",), ("NOT", "NULL")),
    "CONTAINS": (("ANY",), ("ALL",), ("NONE",)),
    "REGEXP_MATCH": ((),),
    "DURING": ((),),
}
"""Operators made of words: the words that may follow the first one."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
      | (?P<open>['"])
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
      | (?P<word>[A-Za-z_][\w.]*)
      | (?P<symbol>!=|<=|>=|\S)
    )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPES = {"n": "\n", "t": "\t", "'": "'", '"': '"', "\\": "\\"}
_CLAUSES = ("FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS")
_PARAMETERS = ("include_drafts", "omit_unselected_resource_names")
_FIELD = re.compile(r"[a-z][A-Za-z0-9_.]*", re.ASCII)
_MAX_LIMIT = 2**63 - 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the text; ``kind`` is string, number, word, symbol or end."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition of the WHERE clause. The operator is in capitals, its words are separated by one space."""

    field: str
    operator: str
    values: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """A field of the ORDER BY clause."""

    field: str
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed query. ``resource`` is empty for the field service, whose queries have no FROM."""

    select: tuple[str, ...]
    resource: str
    where: tuple[Condition, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    limit: int | None = None
    parameters: Mapping[str, bool] = field(default_factory=dict)


def parse(text: str, *, with_from: bool = True) -> Query:
    """Parse a query; the field service's language is the same without FROM.

    Raises:
        AdsError: the text is no valid query; code and message say why.
    """
    return _Parser(_tokens(text), with_from=with_from).query()


def _tokens(text: str) -> list[Token]:
    tokens, position = [], 0
    while match := _TOKEN.match(text, position):
        kind, piece = match.lastgroup or "", match.group(match.lastgroup or 0)
        position = match.end()
        if kind == "open":
            raise _open_string(text[match.start("open") :])
        if kind == "symbol" and not piece.isascii():
            raise query_error("BAD_SYMBOL", f"Invalid character '{piece}' outside of a string.")
        tokens.append(Token(kind, _unescaped(piece[1:-1]) if kind == "string" else piece))
    return [*tokens, Token("end", "")]


def _open_string(rest: str) -> AdsError:
    quote = rest[0]
    if "\n" in rest and quote in rest[1:]:
        return query_error("PROHIBITED_NEWLINE_IN_STRING", "A string must not contain a newline.")
    return query_error("STRING_NOT_TERMINATED", f"The string {rest[:20]} is not terminated.")


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise query_error("BAD_ESCAPE_SEQUENCE", f"Invalid escape sequence '{match[0]}'.")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", plain, text)


class _Parser:
    """A recursive descent parser, with a method per rule of the grammar."""

    def __init__(self, tokens: list[Token], *, with_from: bool) -> None:
        self._tokens, self._position, self._with_from = tokens, 0, with_from

    def query(self) -> Query:
        if self._next.kind == "end" or not self._accept("SELECT"):
            raise query_error("EXPECTED_SELECT", "Error in query: expected SELECT at its beginning.")
        select = self._list("SELECT", self._field)
        resource = self._from()
        where = self._list("WHERE", self._condition, separator="AND") if self._accept("WHERE") else []
        order_by = self._order_by()
        limit = self._limit() if self._accept("LIMIT") else None
        parameters = dict(self._list("PARAMETERS", self._parameter)) if self._accept("PARAMETERS") else {}
        if self._next.kind != "end":
            raise query_error("UNEXPECTED_INPUT", f"Error in query: unexpected input {self._next.text}.")
        return Query(
            select=tuple(select), resource=resource, where=tuple(where), order_by=tuple(order_by), limit=limit, parameters=parameters
        )

    @property
    def _next(self) -> Token:
        return self._tokens[self._position]

    def _consume(self) -> Token:
        token = self._next
        if token.kind == "end":
            raise query_error("UNEXPECTED_END_OF_QUERY", "Error in query: unexpected end of query.")
        self._position += 1
        return token

    def _accept(self, *words: str) -> bool:
        """Consume these words if they are next, and return whether they were."""
        following = self._tokens[self._position : self._position + len(words)]
        if len(following) < len(words) or any(not _is(token, word) for token, word in zip(following, words, strict=True)):
            return False
        self._position += len(words)
        return True

    def _list(self, clause: str, item: Callable[[str], _T], separator: str = ",") -> list[_T]:
        items = [item(clause)]
        while self._accept(separator):
            items.append(item(clause))
        return items

    def _field(self, clause: str) -> str:
        token = self._consume()
        if token.kind != "word" or token.text.upper() in _CLAUSES or not _FIELD.fullmatch(token.text):
            raise query_error("BAD_FIELD_NAME", f"Error in {clause} clause: invalid field name '{token.text}'.")
        return token.text

    def _from(self) -> str:
        if not self._with_from:
            if _is(self._next, "FROM"):
                raise query_error("UNEXPECTED_FROM_CLAUSE", "The FROM clause cannot be specified in this query.")
            return ""
        if not self._accept("FROM"):
            ended = self._next.kind == "end" or self._next.text.upper() in _CLAUSES
            code = "EXPECTED_FROM" if ended else "UNEXPECTED_INPUT"
            raise query_error(code, "Error in query: expected FROM after the SELECT clause.")
        token = self._consume()
        if token.kind != "word":
            raise query_error("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"Error in FROM clause: invalid resource '{token.text}'.")
        return token.text

    def _condition(self, clause: str) -> Condition:
        name = self._field(clause)
        operator = self._operator()
        if operator in BARE_OPERATORS:
            return Condition(field=name, operator=operator)
        if operator == "BETWEEN":
            return Condition(field=name, operator=operator, values=self._bounds())
        if _is(self._next, "("):
            values = self._values()
            if operator not in LIST_OPERATORS:
                raise query_error("EXPECTED_SINGLE_VALUE", f"Error in WHERE clause: {operator} expects a single value.")
            return Condition(field=name, operator=operator, values=values)
        if operator in LIST_OPERATORS:
            self._value()
            raise query_error("EXPECTED_LIST", f"Error in WHERE clause: {operator} expects a list.")
        return Condition(field=name, operator=operator, values=(self._value(),))

    def _operator(self) -> str:
        first = self._consume()
        if first.kind == "symbol" and first.text in _SYMBOLS:
            return first.text
        for rest in _WORDS.get(first.text.upper(), ()) if first.kind == "word" else ():
            if self._accept(*rest):
                return " ".join([first.text.upper(), *rest])
        raise query_error("BAD_OPERATOR", f"Error in WHERE clause: invalid operator {first.text}.")

    def _bounds(self) -> tuple[Token, Token]:
        if self._next.kind == "end" or _is(self._next, "AND"):
            raise query_error("EXPECTED_VALUE_WITH_BETWEEN_OPERATOR", "Error in WHERE clause: BETWEEN expects two values.")
        lower = self._value()
        if not self._accept("AND"):
            raise query_error("EXPECTED_AND", "Error in WHERE clause: BETWEEN expects AND between its values.")
        if self._next.kind == "end":
            raise query_error("EXPECTED_VALUE_WITH_BETWEEN_OPERATOR", "Error in WHERE clause: BETWEEN expects two values.")
        upper = self._value()
        if lower.kind != upper.kind:
            raise query_error("PROHIBITED_VALUE_COMBINATION_WITH_BETWEEN_OPERATOR", "The values of BETWEEN must be of the same type.")
        return lower, upper

    def _values(self) -> tuple[Token, ...]:
        self._consume()
        if self._accept(")"):
            raise query_error("PROHIBITED_EMPTY_LIST_IN_CONDITION", "Error in WHERE clause: the list is empty.")
        values = self._list("WHERE", lambda _: self._value())
        if not self._accept(")"):
            token = self._consume()
            raise query_error("UNEXPECTED_INPUT", f"Error in WHERE clause: unexpected input {token.text} in a list.")
        if len({token.kind for token in values}) > 1:
            raise query_error("PROHIBITED_VALUE_COMBINATION_IN_LIST", "Error in WHERE clause: the list has values of different types.")
        return tuple(values)

    def _value(self) -> Token:
        token = self._consume()
        if token.kind == "symbol":
            raise query_error("BAD_VALUE", f"Error in WHERE clause: invalid value {token.text}.")
        return token

    def _order_by(self) -> list[Ordering]:
        if not self._accept("ORDER"):
            return []
        if not self._accept("BY"):
            raise query_error("EXPECTED_BY", "Error in query: expected BY after ORDER.")
        return self._list("ORDER BY", self._ordering)

    def _ordering(self, clause: str) -> Ordering:
        name = self._field(clause)
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        return Ordering(field=name, descending=descending)

    def _limit(self) -> int:
        token = self._consume()
        if token.kind != "number" or "." in token.text or int(token.text) > _MAX_LIMIT:
            raise query_error("BAD_LIMIT_VALUE", f"Error in LIMIT clause: invalid value {token.text}.")
        if int(token.text) < 1:
            raise query_error("LIMIT_VALUE_TOO_LOW", "Error in LIMIT clause: the value must be at least 1.")
        return int(token.text)

    def _parameter(self, _: str) -> tuple[str, bool]:
        name = self._consume().text
        if name not in _PARAMETERS:
            raise query_error("BAD_PARAMETER_NAME", f"Error in PARAMETERS clause: unknown parameter {name}.")
        if not self._accept("="):
            raise query_error("UNEXPECTED_INPUT", f"Error in PARAMETERS clause: expected = after {name}.")
        value = self._consume().text.lower()
        if value not in ("true", "false"):
            raise query_error("BAD_PARAMETER_VALUE", f"Error in PARAMETERS clause: {name} is true or false.")
        return name, value == "true"


def _is(token: Token, word: str) -> bool:
    return token.kind in ("word", "symbol") and token.text.upper() == word
