"""Build the documentation site into site/: `python tools/build_docs.py`. Any warning is an error.

Zensical's strict mode covers links and anchors. Warnings about docstrings (griffe) do not fail it; this script
looks for them, and for pages that load something from another host.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ZENSICAL = Path(sys.executable).with_name("zensical")
LOADS = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*""")


def loaded_from_elsewhere(site: Path) -> list[str]:
    """The tags that load from another host, with the file name."""
    pages = sorted(site.rglob("*.html"))
    return [
        f"{page.name}: {tag}" for page in pages for tag in LOADS.findall(page.read_text(encoding="utf-8"))
    ]


def main() -> int:
    """Exit status: 0 without warnings."""
    done = subprocess.run(
        [str(ZENSICAL), "build", "--strict", "--clean"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout, end="")
    warnings = [line for line in done.stdout.splitlines() if line.startswith("griffe:")]
    if warnings:
        print(f"{len(warnings)} docstrings have problems (lines that begin with griffe:)", file=sys.stderr)
    loads = loaded_from_elsewhere(ROOT / "site")
    for load in loads:
        print(f"loaded from another host: {load}", file=sys.stderr)
    return 1 if done.returncode or warnings or loads else 0


if __name__ == "__main__":
    raise SystemExit(main())
