"""A pytest plugin: adpulse with three more metrics, declared as anybody would declare them, by lines of ``adpulse/metrics.py``."""

import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path

LINES = """
        Metric(name="views", unit=Unit.COUNT, bit=1024, description="How often a video was played"),
        Metric(name="reach", unit=Unit.COUNT, bit=2048, additive=False, description="People who saw ads"),
        Metric(name="bookings", unit=Unit.MICROS, bit=4096, split=True, description="Conversions that booked something"),
"""
NAMES = ("views", "reach", "bookings")


def declare() -> None:
    """Put the module with the lines in its place; nothing of adpulse may have been imported from it yet."""
    spec = find_spec("adpulse.metrics")
    assert spec is not None
    assert spec.origin is not None
    assert spec.name not in sys.modules
    text = Path(spec.origin).read_text("utf-8")
    end = "    )\n)\n"
    assert text.count(end) == 1
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    exec(compile(text.replace(end, f"{LINES}{end}"), spec.origin, "exec"), module.__dict__)  # noqa: S102 - it is our own module


declare()
