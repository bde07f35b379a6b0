"""Write docs/files.md, one line per source file, from the files' own first lines: `python tools/list_files.py`."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "instructsam"
HEAD = """# Every file

The first line of every source file. `python tools/list_files.py` writes this page; a test compares them.
"""


def page() -> str:
    """The text of docs/files.md."""
    lines, folder = [HEAD], None
    for path in sorted(SOURCE.rglob("*.py"), key=lambda path: (path.parent.as_posix(), path.name)):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if path.stem == "__init__":
            continue
        if path.parent != folder:
            folder = path.parent
            name = folder.relative_to(SOURCE).as_posix()
            lines += [
                "",
                f"## {'instructsam' if name == '.' else name}",
                "",
                "| file | contents |",
                "|---|---|",
            ]
        first = docstring.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{path.name}` | {first} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "files.md").write_text(page(), encoding="utf-8")
