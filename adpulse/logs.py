"""The worker's log file: what happened to which run, with redacted tracebacks."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

OURS = ("adpulse", "adpulse_sandbox", "storage", "tasks", "flows", "deployments")
_BYTES, _OLD_FILES = 10_000_000, 5


def to_file(path: Path) -> None:
    """Write what our own packages log to ``path``, 10 MB a file, five old ones kept. Records are redacted when they are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=_BYTES, backupCount=_OLD_FILES, encoding="utf-8")
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    for name in OURS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


class _OneLine(logging.Formatter):
    """Writes a message in one line, so that no name in it can look like another event. A traceback follows in lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the standard library's
        """The line of the message."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")
