"""The `instructsam` command with a scripted model and format, also in its worker processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from instructsam.cli.main import main
from instructsam.cli.options import Opening
from instructsam.exports.registry import FORMATS, Exporter, Format
from tests.labelling import fakes


class LineFormat(Format):
    """One line per instance."""

    def load(self) -> Exporter:
        return Exporter(fakes.Options, fakes.open_writer, None, None)


def _open(self: Opening) -> fakes.FakeModel:
    calls = os.environ.get("SCRIPTED_CALLS")
    delay = float(os.environ.get("SCRIPTED_DELAY", "0"))
    return fakes.open_model(delay, None if calls is None else Path(calls))


_open.__name__ = "open"  # as which it is found in another process
# At import, which worker processes do, too.
Opening.open = _open  # type: ignore[method-assign, assignment]
FORMATS["lines"] = LineFormat("lines", "", "lines", "file", "lines.txt")

if __name__ == "__main__":
    sys.exit(main())
