"""The documentation: every page is in the navigation, every link and anchor resolves, lists render as lists."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))
TEXTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES)
SITE: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
LIST_ITEM = re.compile(r"\s*([-*]|\d+\.) ")


def tool(name: str) -> ModuleType:
    """A script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages_of(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from pages_of(target)


def prose(path: Path) -> list[str]:
    """The lines outside code blocks; lines of code are empty."""
    lines, code = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        fence = line.lstrip().startswith("```")
        lines.append("" if code or fence else line)
        code ^= fence
    return lines


def anchors(path: Path) -> set[str]:
    """The ids of the headings, as the site and GitHub make them."""
    titles = [line.lstrip("#").strip() for line in prose(path) if line.startswith("#")]
    plain = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles)
    return {re.sub(r"[-\s]+", "-", title) for title in plain}


def links(path: Path) -> list[tuple[str, str]]:
    """(file, anchor) of each link that stays in the repository."""
    found = re.findall(r"\]\(([^)\s#]*)#?([^)\s]*)\)", "\n".join(prose(path)))
    return [(file, anchor) for file, anchor in found if "://" not in file]


def test_every_page_is_in_the_navigation_once() -> None:
    listed = sorted(pages_of(SITE["nav"]))
    assert listed == [page.relative_to(DOCS).as_posix() for page in PAGES]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_starts_with_a_command(path: Path) -> None:
    if path.name not in ("index.md", "files.md", "experiments.md"):
        head = path.read_text(encoding="utf-8").split("```", 1)
        assert len(head) == 2, path.name
        assert len(head[0].splitlines()) <= 6, f"{path.name}: the first command comes late"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_and_anchors_resolve(path: Path) -> None:
    for file, anchor in links(path):
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{path.name}: {file}"
        if DOCS in path.parents:
            assert DOCS in target.parents, f"{path.name}: {file} is not part of the site"
        if anchor:
            assert anchor in anchors(target), f"{path.name}: {file}#{anchor}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_named_source_files_exist(path: Path) -> None:
    if path.name == "experiments.md":
        return  # the log names files of its day
    places = (ROOT, ROOT / "src", ROOT / "src" / "instructsam")
    for name in re.findall(r"`((?:\w+/)+[a-z]\w*\.(?:py|yaml))`", "\n".join(prose(path))):
        assert any((place / name).is_file() for place in places), f"{path.name}: {name}"
    for name in re.findall(r"`instructsam((?:\.\w+){2,})", "\n".join(prose(path))):
        module = name.removeprefix(".").replace(".", "/").rpartition("/")
        found = [ROOT / "src" / "instructsam" / part for part in ("/".join(module), module[0])]
        assert any(file.is_dir() or file.with_suffix(".py").is_file() for file in found), (
            f"{path.name}: {name}"
        )


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_lists_and_tables_follow_an_empty_line(path: Path) -> None:
    """GitHub needs none, but the site would continue the paragraph."""
    start = ""  # the first line of the paragraph, list or table
    for before, line in pairwise(["", *prose(path)]):
        if not before.strip() or before.startswith(("#", "<!--")):
            start = line
        elif line.startswith("- ") or re.match(r"\d+\. ", line):
            assert LIST_ITEM.match(start), f"{path.name}: {line}"
        elif line.startswith("|"):
            assert start.startswith("|"), f"{path.name}: {line}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_code_in_tables_holds_no_bar(path: Path) -> None:
    """GitHub would end the cell, the site would print an escape; `<code>&#124;</code>` is a bar in both."""
    for line in prose(path):
        if line.startswith("|") and path.name != "files.md":
            assert all(line[: found.start()].count("`") % 2 == 0 for found in re.finditer(r"\|", line)), line


def test_the_site_loads_nothing_from_elsewhere() -> None:
    assert SITE["theme"]["font"] is False
    assert "offline" in SITE["plugins"]
    for sheet in SITE["extra_css"]:
        assert "://" not in (DOCS / sheet).read_text(encoding="utf-8")
    scripts = SITE["extra"]["polyfills"]
    assert any("iframe-worker" in script for script in scripts), (
        "the offline plugin adds one from another host"
    )
    assert all((DOCS / script).is_file() for script in scripts)


def test_the_page_of_installation_lists_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", (DOCS / "install.md").read_text("utf-8"), re.MULTILINE)
    extras = {
        name: [re.split(r"[<>=]", requirement)[0] for requirement in requirements]
        for name, requirements in project["optional-dependencies"].items()
    }
    assert {name: packages.split(", ") for name, packages in rows} | {"dev": extras["dev"]} == extras


def test_the_picture_of_the_layers_is_up_to_date() -> None:
    """Its words are stored in the file: fonts are drawn otherwise on other machines."""
    drawing = tool("draw_layers")
    with Image.open(drawing.PICTURE) as picture:
        assert picture.info.get("layers") == drawing.words(), "run python tools/draw_layers.py"
        assert picture.size == drawing.draw().size


def test_the_page_of_files_is_up_to_date() -> None:
    page = (DOCS / "files.md").read_text(encoding="utf-8")
    assert page == tool("list_files").page(), "run python tools/list_files.py"
