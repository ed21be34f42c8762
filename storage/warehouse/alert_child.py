"""Answers one query about a published copy, locked in. A script, run by ``storage.warehouse.alert_query`` in a process of its own.

It imports nothing of adpulse, has no environment, and opens the one file for reading. DuckDB may touch no other file and no
network, its settings are locked, and the kernel limits the memory and time of the process.
"""

import json
import math
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Any

import duckdb

_CONFIG: dict[str, Any] = {
    "threads": 1,
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,  # no variable of this script is a table
    "temp_directory": "",
}
_LONGEST_TEXT = 500
_NO_SELECT = "An alert is one SELECT statement"
_NICENESS = 5
"""Requests of pages take precedence over alert queries."""

_EVALUATORS = ("query", "json_execute_serialized_sql")
"""DuckDB's functions that run SQL passed as a value. The functions inside that SQL do not appear in the parsed query."""

_PARSE = "SELECT parsed, (parsed ->> 'error')::BOOLEAN FROM (SELECT json_serialize_sql(?::VARCHAR) AS parsed)"
_FUNCTIONS = "SELECT DISTINCT lower(value ->> '$') FROM json_tree(?::JSON) WHERE key = 'function_name'"


def main() -> None:
    """Read the request from standard input; write ``ready``, then the answer or the error of the query, to standard output."""
    request = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (request["address_space"], request["address_space"]))
    resource.setrlimit(resource.RLIMIT_CPU, (request["seconds"], request["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.alarm(2 * request["seconds"])  # the parent ends this process; the alarm does if the parent has died
    os.nice(_NICENESS)
    _write_line("ready")
    try:
        answer = _answer(request)
    except duckdb.Error as error:
        answer = {"error": str(error).strip().partition("\n")[0]}
    except MemoryError:
        answer = {"error": "Out of Memory Error: the query needs more memory than it may use"}
    _write_line(json.dumps(answer))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    config = {**_CONFIG, "memory_limit": request["memory_limit"]}
    with duckdb.connect(request["published"], read_only=True, config=config) as copy:
        copy.execute("SET TimeZone = 'UTC'")
        with suppress(duckdb.CatalogException):  # a copy of before the tables were in the schema raw
            copy.execute("SET search_path = 'main,raw'")
        copy.execute("SET lock_configuration = true")
        if refused := _refusal(copy, request["query"]):
            return {"error": refused}
        if request["only_plan"]:
            (statement,) = copy.extract_statements(request["query"])
            copy.execute(f"EXPLAIN FROM (\n{_without_end(statement.query)}\n)")  # DESCRIBE needs the brackets
            return {"columns": [], "rows": [], "truncated": False}
        result = copy.execute(request["query"])
        columns = [column[0] for column in result.description or ()]
        rows = result.fetchmany(request["rows"] + 1)
    return {
        "columns": columns,
        "rows": [[_plain(value) for value in row] for row in rows[: request["rows"]]],
        "truncated": len(rows) > request["rows"],
    }


def _without_end(query: str) -> str:
    """A statement without a semicolon and comments at its end."""
    for place, kind in reversed(duckdb.tokenize(query)):
        if kind is not duckdb.token_type.comment and query[place] != ";":
            break
        query = query[:place]
    return query


def _refusal(copy: "duckdb.DuckDBPyConnection", query: str) -> str | None:
    """The reason why a query is refused. It is decided on what DuckDB parsed: quotes, case and comments hide no function's name."""
    statements = copy.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return _NO_SELECT
    parsed, failed = copy.execute(_PARSE, [query]).fetchone() or (None, True)
    if failed:
        return _NO_SELECT
    for (function,) in copy.execute(_FUNCTIONS, [parsed]).fetchall():
        if "sleep" in function:
            return f"The function {function} is not allowed: an alert does not wait"
        if function in _EVALUATORS:
            return f"The function {function} is not allowed: write the SQL itself"
    return None


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    """A value as JSON represents it; values that JSON cannot represent exactly become text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:_LONGEST_TEXT]


if __name__ == "__main__":
    main()
