"""The worker's log: plain lines, or JSON lines for machines."""

from __future__ import annotations

import json
import logging
import sys

OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Lines(logging.Formatter):
    """A record and its extra fields on one line."""

    def __init__(self, as_json: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: value for key, value in vars(record).items() if key not in OWN}
        if not self.as_json:
            told = " ".join(f"{key}={value}" for key, value in fields.items() if value is not None)
            return f"{super().format(record)} {told}".rstrip()
        line = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(as_json: bool, level: str) -> None:
    """Send our log to stderr at `level`, and others' from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(as_json))
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger("bodysounds").setLevel(level.upper())
