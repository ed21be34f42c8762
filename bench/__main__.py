"""Runs every measurement: ``python -m bench [writes] [runs] [claim] [decode] [api] [clicks] [storm] [planner] [history]``."""

import json
import sys
from pathlib import Path

from bench import api, claim, clicks, decode, history, planner, runs, storm, writes

_MODULES = (writes, runs, claim, decode, api, clicks, storm, planner, history)
MEASURES = {module.__name__.rpartition(".")[2]: module.measure for module in _MODULES}


def main() -> None:
    """Run the named measurements (all by default), print their tables and write ``bench/results/<name>.json``."""
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    for name in sys.argv[1:] or MEASURES:
        figures = MEASURES[name]()
        (results / f"{name}.json").write_text(json.dumps(figures, indent=2))
        print(f"\n{name}")
        for row in figures:
            print("  " + "  ".join(f"{key}={value}" for key, value in row.items()))


main()
