"""Reports of a run: built from its answers, then shown as text, Markdown, JSON, plots and one HTML page."""
