"""Writes the table of metrics into docs/metrics.md.

python tools/metrics_docs.py
"""

from __future__ import annotations

from pathlib import Path

from instructsam.evaluation.metrics.describe import update_page

if __name__ == "__main__":
    page = Path(__file__).parents[1] / "docs" / "metrics.md"
    page.write_text(update_page(page.read_text(encoding="utf-8")), encoding="utf-8")
