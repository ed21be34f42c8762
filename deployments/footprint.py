"""Keeps the memory of a long-running process small."""

import ctypes
import os
import sys
from importlib.abc import MetaPathFinder

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LIMITS = {_M_ARENA_MAX: 2, _M_MMAP_THRESHOLD: 128 << 10, _M_TRIM_THRESHOLD: 128 << 10}
"""Explicit values stop glibc from adapting them: it would raise the thresholds to the largest block ever freed."""


def keep_small() -> None:
    """Limit memory: no pandas, few heaps, and memory that Arrow frees goes back to the system. Call before threads and pyarrow start.

    With 100 connections glibc's heaps (one for each of many threads) and Arrow's own pool keep more memory than the data needs.
    Arrow reads the variable when it is loaded; ``pyarrow.set_memory_pool`` would not apply to its readers and writers of files.

    Raises:
        RuntimeError: pyarrow is loaded already.
    """
    if "pyarrow" in sys.modules:
        raise RuntimeError("pyarrow was imported before keep_small.")
    sys.meta_path.insert(0, _WithoutPandas())
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):  # other C libraries have none
        for parameter, value in _LIMITS.items():
            mallopt(parameter, value)


class _WithoutPandas(MetaPathFinder):
    """pyarrow imports pandas by itself where it is installed: 43 MB that a worker never uses."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - importlib's signature
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is left out of the worker on purpose", name=fullname)
