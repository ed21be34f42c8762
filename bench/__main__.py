"""Runs every measurement, or those that are named: ``python -m bench [pages] [planner] …``, see ``MEASURES``."""

import json
import sys
from pathlib import Path

from bench import alerts, api, claim, clicks, decode, history, pages, planner, rewriting, runs, storm, writes

_MODULES = (writes, runs, claim, decode, api, clicks, storm, planner, history, pages, rewriting, alerts)
_LONG = frozenset({"rewriting", "alerts"})
"""Only when named: a file of 1.5 GB is written, steps of a quarter of an hour are waited for."""
MEASURES = {module.__name__.rpartition(".")[2]: module.measure for module in _MODULES}


def main() -> None:
    """Run the named measurements (all but the long ones by default), print their tables and write ``bench/results/<name>.json``."""
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    for name in sys.argv[1:] or [name for name in MEASURES if name not in _LONG]:
        figures = MEASURES[name]()
        (results / f"{name}.json").write_text(json.dumps(figures, indent=2))
        print(f"\n{name}")
        for row in figures:
            print("  " + "  ".join(f"{key}={value}" for key, value in row.items()))


main()
