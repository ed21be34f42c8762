"""docs/reference is what the code says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adpulse.settings import sections
from docs import write_reference

ROOT = Path(__file__).parents[2]
PAGES = write_reference.pages()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_says(name):
    assert (write_reference.FOLDER / name).read_text() == PAGES[name], "run make reference"


def test_there_is_no_other_page():
    assert {file.name for file in write_reference.FOLDER.iterdir()} == set(PAGES), "run make reference"


@pytest.mark.parametrize(
    ("section", "field"),
    [(section, field) for section in sections() for field in section.model_fields],
)
def test_setting_has_a_description_of_one_sentence(section, field):
    description = section.model_fields[field].description or ""

    assert description.endswith(".")
    assert ". " not in description


def test_it_is_the_same_wherever_it_is_written_and_leaves_nothing_behind(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ADPULSE_HOME": str(tmp_path / "home"), "PYTHONHASHSEED": "7"}
    program = "import runpy, sys; print(runpy.run_path(sys.argv[1])['pages']())"
    script = ROOT / "docs" / "write_reference.py"
    done = subprocess.run(
        [sys.executable, "-c", program, script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == f"{PAGES}\n"
    assert list(tmp_path.iterdir()) == []
