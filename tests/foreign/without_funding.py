"""Takes the addresses of packages' sponsors out of an npm lock file: a lock names no address."""

import json
import sys
from pathlib import Path

file = Path(sys.argv[1])
lock = json.loads(file.read_text())
for package in lock["packages"].values():
    package.pop("funding", None)
file.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
