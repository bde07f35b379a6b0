"""Write docs/files.md, one line per source file, from the files' own first lines: `python tools/list_files.py`."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "instructsam"
HEAD = """# Every file

The first line of every package and source file. `python tools/list_files.py` writes this page; a test compares them.
"""


def first_line(path: Path) -> str:
    """The first paragraph of a module's docstring, as one line."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")


def page() -> str:
    """The text of docs/files.md."""
    lines, folder = [HEAD], None
    for path in sorted(SOURCE.rglob("*.py"), key=lambda path: (path.parent.as_posix(), path.name)):
        if path.stem == "__init__":
            continue
        if path.parent != folder:
            folder = path.parent
            name = folder.relative_to(SOURCE).as_posix()
            lines += [
                "",
                f"## {'instructsam' if name == '.' else name}",
                "",
                first_line(folder / "__init__.py"),
                "",
                "| file | contents |",
                "|---|---|",
            ]
        cell = first_line(path).replace("|", "\\|")
        lines.append(f"| `{path.name}` | {cell} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "files.md").write_text(page(), encoding="utf-8")
