"""Answers one query about a published copy, locked in. A script, run by ``storage.alert_query`` in a process of its own.

It imports nothing of adpulse, has no environment, and opens the one file for reading. Whatever the query tries, DuckDB may
touch no other file and no network, its settings are locked, and what it takes of memory and time the kernel limits.
"""

import json
import math
import resource
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


def main() -> None:
    """Read what is asked from standard input, write the answer, or what is wrong with the query, to standard output."""
    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (asked["address_space"], asked["address_space"]))
    resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        told = _answer(asked)
    except duckdb.Error as error:
        told = {"error": str(error).strip().partition("\n")[0]}
    except MemoryError:
        told = {"error": "Out of Memory Error: the query takes more than it may"}
    print(json.dumps(told))  # noqa: T201 - standard output is where the parent reads


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    config = {**_CONFIG, "memory_limit": asked["memory_limit"]}
    with duckdb.connect(asked["published"], read_only=True, config=config) as copy:
        copy.execute("SET TimeZone = 'UTC'")
        copy.execute("SET lock_configuration = true")
        statements = copy.extract_statements(asked["query"])
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            return {"error": "An alert is one SELECT statement"}
        found = copy.execute(statements[0])
        columns = [each[0] for each in found.description or ()]
        rows = found.fetchmany(asked["rows"] + 1)
    return {
        "columns": columns,
        "rows": [[_plain(value) for value in row] for row in rows[: asked["rows"]]],
        "truncated": len(rows) > asked["rows"],
    }


def _plain(value: object) -> object:
    """As JSON has it; what JSON cannot say exactly is text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:_LONGEST_TEXT]


if __name__ == "__main__":
    main()
