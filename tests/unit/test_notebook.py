"""The notebook runs from the first cell to the last on a published file of the product's own, and shows its numbers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from small_copy import HARBOR, NOON, TODAY, publish, write

from storage.warehouse.warehouse import Warehouse

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "first_look.ipynb"


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def run(notebook, folder):
    """Execute it in a kernel of its own, started in a folder."""
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def run_as_script(parts, folder):
    """Run code of the notebook without a kernel, in a folder; what it printed."""
    environment = {**os.environ, "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", "\n".join(parts)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def outputs(notebook, kind):
    return [
        output["data"][kind]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    ]  # fmt: skip


def numbers(table, *starts):
    """The cells of the one line of a printed table that has these words."""
    (line,) = [line for line in table.splitlines() if all(word in line.split() for word in starts)]
    return line.split()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where Jupyter, matplotlib and Python keep their own things: once for all tests, as fonts and bytecode take seconds."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(autouse=True)
def _own_folders(kept):
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR", "PYTHONPYCACHEPREFIX"):
        os.environ[name] = str(kept / name.lower())
        (kept / name.lower()).mkdir(exist_ok=True)


def test_every_cell_runs_and_shows_the_stored_numbers(tmp_path):
    os.environ["ADPULSE_PUBLISHED"] = str(publish(tmp_path))

    done = run(read(), tmp_path)

    assert [output for cell in done.cells for output in cell.get("outputs", []) if output["output_type"] in ("error", "stream")] == []
    assert len(outputs(done, "image/png")) == 3
    _, connections, spend, course, restated, *_ = [text for text in outputs(done, "text/plain") if not text.startswith("<Figure")]
    assert numbers(connections, "Harbor")[1:] == ["Harbor", "meta", "USD", "UTC"]
    assert numbers(spend, "Harbor", "USD")[-1] == "137.0"
    assert numbers(spend, "Sakura", "JPY")[-1] == "16100.0"
    assert [line.split()[-1] for line in course.splitlines() if "Harbor" in line] == ["30.0", "33.0", "37.0"]
    assert numbers(restated, "Harbor", "revenue")[1:] == ["Harbor", "revenue", "USD", "1", "1", "7", "-63.0"]


def test_a_file_without_restatements_is_drawn_too(tmp_path):
    warehouse = Warehouse(tmp_path / "w.duckdb", tmp_path / "p.duckdb")
    write(warehouse, 1, NOON, {HARBOR: {TODAY: ((10, 0), (20, 0))}})
    warehouse.publish(min_interval_seconds=0)
    os.environ["ADPULSE_PUBLISHED"] = str(tmp_path / "p.duckdb")

    told = run_as_script([*code(read()), "print(len(spend), len(restated), len(plt.get_fignums()))"], tmp_path)

    assert told == "1 0 3"


def test_without_the_variable_the_newest_published_file_of_the_repository_is_opened(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    older, newer = publish(tmp_path / ".adpulse", "older"), publish(tmp_path / ".demo", "newer")
    for age, file in ((2000, older), (1000, newer)):
        os.utime(file, (NOON.timestamp() - age, NOON.timestamp() - age))
    imports, finding, *_ = code(read())

    told = run_as_script([imports, finding, "print(path)"], tmp_path / "notebooks")

    assert Path(told) == newer


def test_without_any_published_file_the_reader_is_told_what_to_do(tmp_path):
    imports, finding, *_ = code(read())
    program = f"{imports}\ntry:\n    exec({finding!r})\nexcept FileNotFoundError as error:\n    print(error)"

    told = run_as_script([program], tmp_path)

    assert told == "Nothing is published yet: run `make demo`, or set ADPULSE_PUBLISHED to a published file."


def test_the_notebook_is_kept_without_outputs_and_without_traces_of_a_machine():
    notebook = read()

    assert [cell.id for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count") or cell.metadata] == []
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert not re.search(r"/home/|/work/|/root/|/Users/", NOTEBOOK.read_text())


def test_no_query_of_the_notebook_adds_up_without_keeping_the_currency():
    queries = re.findall(r'"""\s*((?:WITH|SELECT).*?)"""', "\n".join(cell.source for cell in read().cells), re.DOTALL)

    assert len(queries) == 3
    assert [query for query in queries if "currency" not in query] == []
