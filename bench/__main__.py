"""Runs every measurement: ``python -m bench [writes] [runs] [claim] [decode] [api]``."""

import json
import sys
from pathlib import Path

from bench import api, claim, decode, runs, writes

MEASURES = {"writes": writes.measure, "runs": runs.measure, "claim": claim.measure, "decode": decode.measure, "api": api.measure}


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
