"""DuckDB 1.5 and 2.0 take turns at the same files. Runs in the environment with 2.0 and starts the one with 1.5."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.duckdb2

ROOT = Path(__file__).parents[2]
PYTHON = {"1.5": ROOT / ".venv" / "bin" / "python", "2.0": sys.executable}
TURN = """
import json, sys
from pathlib import Path
import duckdb
from conftest import Builder, Workspace
folder, generation, clicks = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
workspace, build = Workspace(folder, Builder()), Builder()
if generation:
    workspace.sync(build.run(build.ads({"clicks": clicks}), build.totals({"clicks": clicks + 2}), generation=generation))
    workspace.warehouse.publish(min_interval_seconds=0)
with duckdb.connect(workspace.published, read_only=True) as copy:
    rows = copy.execute("SELECT clicks FROM daily ORDER BY ALL").fetchall()
print(json.dumps([duckdb.__version__[:3], workspace.rows("SELECT clicks FROM metric_changes ORDER BY ALL"), rows]))
"""


def turn(version, folder, generation=0, clicks=0):
    """One version's turn: it writes ``clicks`` (or nothing) and tells what it reads in the warehouse and in the copy."""
    command = [PYTHON[version], "-c", TURN, folder, str(generation), str(clicks)]
    paths = {"PYTHONPATH": f"{ROOT / 'tests' / 'storage'}:{ROOT / 'tests'}:{ROOT}"}
    done = subprocess.run(command, env=paths, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("writer", "reader"), [("1.5", "2.0"), ("2.0", "1.5")])
def test_each_version_reads_and_continues_the_others_file(tmp_path, writer, reader):
    wrote = turn(writer, tmp_path, 1, 3)
    read = turn(reader, tmp_path)
    continued = turn(reader, tmp_path, 2, 5)
    back = turn(writer, tmp_path)

    assert (wrote, read) == ([writer, [[3]], [[2], [3]]], [reader, [[3]], [[2], [3]]])
    assert (continued, back) == ([reader, [[3], [5]], [[2], [5]]], [writer, [[3], [5]], [[2], [5]]])
