"""Answers one query about a published copy, locked in. A script, run by ``storage.warehouse.alert_query`` in a process of its own.

It imports nothing of adpulse, has no environment, and opens the one file for reading. Whatever the query tries, DuckDB may
touch no other file and no network, its settings are locked, and what it takes of memory and time the kernel limits.
"""

import json
import math
import os
import resource
import signal
import sys
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
"""Whoever waits for a page goes first."""

_EVALUATORS = ("query", "json_execute_serialized_sql")
"""DuckDB's functions that run SQL which they are given as a value, so the functions in it are not in the parsed query."""

_PARSE = "SELECT parsed, (parsed ->> 'error')::BOOLEAN FROM (SELECT json_serialize_sql(?::VARCHAR) AS parsed)"
_FUNCTIONS = "SELECT DISTINCT lower(value ->> '$') FROM json_tree(?::JSON) WHERE key = 'function_name'"


def main() -> None:
    """Read the request from standard input; write ``ready``, then the answer, or what is wrong with the query, to standard output."""
    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (asked["address_space"], asked["address_space"]))
    resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.alarm(2 * asked["seconds"])  # the parent ends this process; the alarm does if the parent has died
    os.nice(_NICENESS)
    _say("ready")
    try:
        told = _answer(asked)
    except duckdb.Error as error:
        told = {"error": str(error).strip().partition("\n")[0]}
    except MemoryError:
        told = {"error": "Out of Memory Error: the query takes more than it may"}
    _say(json.dumps(told))


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    config = {**_CONFIG, "memory_limit": asked["memory_limit"]}
    published = asked["published"]  # None to look at the query only
    with duckdb.connect(published or ":memory:", read_only=published is not None, config=config) as copy:
        copy.execute("SET TimeZone = 'UTC'")
        copy.execute("SET lock_configuration = true")
        if refused := _refusal(copy, asked["query"]):
            return {"error": refused}
        if published is None:
            return {"columns": [], "rows": [], "truncated": False}
        found = copy.execute(asked["query"])
        columns = [each[0] for each in found.description or ()]
        rows = found.fetchmany(asked["rows"] + 1)
    return {
        "columns": columns,
        "rows": [[_plain(value) for value in row] for row in rows[: asked["rows"]]],
        "truncated": len(rows) > asked["rows"],
    }


def _refusal(copy: "duckdb.DuckDBPyConnection", query: str) -> str | None:
    """Why a query is not run: decided by what DuckDB parsed, so neither quotes, case nor comments hide a function's name."""
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


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    """As JSON has it; what JSON cannot say exactly is text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:_LONGEST_TEXT]


if __name__ == "__main__":
    main()
