"""The walls of the house: lengths, layers, and words that no file may hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "benchmarks", "configs", "docs", "examples", "tools", ".ci")
TEXT_SUFFIXES = {"", ".cfg", ".ini", ".json", ".jsonl", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
GENERATED = {"__pycache__", ".DS_Store"}

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_BYTES = 2 * 2**20
MAX_CHECKPOINT_BYTES = 32 * 2**20

# Written so that no pattern matches itself.
EVERYWHERE = {
    "a machine path": r"""["'(= `]/(root|home|w[o]rk|Users)/""",
    "a package index": r"https?://([^/\s]*\.)?(p[y]pi|pythonh[o]sted|download\.pyt[o]rch|(registry|index|files)\.)",
    "an index option": r"--(extra-)?index-[u]rl|--find-l[i]nks|trusted-h[o]st",
}
IN_SOURCE = {
    "a caught-all exception": r"except\s*:|except \(?(Base)?Exc[e]ption\b",
    "an unsafe load": r"\btorch\.l[o]ad\(|\bp[i]ckle\b|trust_remote_c[o]de\s*=\s*True",
    "a load that hides missing weights": r"ignore_mismatched_s[i]zes|load\w*\([^)]*strict\s*=\s*F[a]lse",
    "an unfinished place": r"\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|NotImplemented[E]rror|pragma: no c[o]ver",
    "a debugger left behind": r"^\s*(breakpoint\(\)|import p[d]b)",
    "a module-level patch": r"^(transformers|torch)(\.\w+)+\s*=[^=]",
}
# The standard unpickler restricted to plain data; tests/data/formats/test_plain_objects.py attacks it.
RESTRICTED_UNPICKLER = "src/instructsam/data/formats/plain_objects.py"


def tree_files() -> list[Path]:
    nested = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    files = [path for path in (*ROOT.iterdir(), *nested) if path.is_file()]
    return sorted(
        path
        for path in files
        if not any(part in GENERATED or part.endswith(".egg-info") for part in path.relative_to(ROOT).parts)
    )


def text_files() -> list[Path]:
    return [path for path in tree_files() if path.suffix in TEXT_SUFFIXES]


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def findings(paths: list[Path], patterns: dict[str, str]) -> Iterator[str]:
    compiled = {what: re.compile(pattern) for what, pattern in patterns.items()}
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for what, pattern in compiled.items():
                if match := pattern.search(line):
                    yield f"{path.relative_to(ROOT)}:{number}: {what}: {match.group(0)!r}"


def listed(problems: Iterator[str] | list[str]) -> str:
    return "\n".join(problems)


def test_no_python_file_is_too_long() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files("src", "tests", "benchmarks", "examples", "tools")
    }
    assert lengths
    long = [f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n > MAX_FILE_LINES]
    assert not long, listed(long)


def test_no_function_is_too_long() -> None:
    long = []
    for path in python_files("src", "tests", "benchmarks", "examples", "tools"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines")
    assert not long, listed(long)


def test_every_source_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files("src")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent, listed(silent)


def test_no_file_names_a_machine_or_an_index() -> None:
    problems = listed(findings(text_files(), EVERYWHERE))
    assert not problems, problems


def test_the_source_holds_no_forbidden_construct() -> None:
    restricted = ROOT / RESTRICTED_UNPICKLER
    others = [path for path in python_files("src") if path != restricted]
    problems = listed(findings(others, IN_SOURCE))
    assert not problems, problems
    allowed = "an unsafe load: 'p" + "ickle'"  # the word alone
    assert all(problem.endswith(allowed) for problem in findings([restricted], IN_SOURCE))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("root = '/ho" + "me/me/data'", "a machine path"),
        ("see https://pyp" + "i.org/simple", "a package index"),
        ("pip install --index-" + "url x", "an index option"),
    ],
)
def test_the_word_list_can_fail_anywhere(line: str, what: str) -> None:
    assert re.search(EVERYWHERE[what], line)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("except Exception as error:", "a caught-all exception"),
        ("    except:", "a caught-all exception"),
        ("state = torch.load(path)", "an unsafe load"),
        ("model.load_state_dict(state, strict=False)", "a load that hides missing weights"),
        ("raise NotImplementedError", "an unfinished place"),
    ],
)
def test_the_word_list_can_fail_in_source(line: str, what: str) -> None:
    assert re.search(IN_SOURCE[what], line)


def test_no_file_is_large_but_the_shipped_checkpoint() -> None:
    large = []
    for path in tree_files():
        shipped = path.suffix == ".safetensors" and path.is_relative_to(ROOT / "src/instructsam/assets")
        if path.stat().st_size > (MAX_CHECKPOINT_BYTES if shipped else MAX_BYTES):
            large.append(f"{path.relative_to(ROOT)}: {path.stat().st_size / 2**20:.1f} MB")
    assert not large, listed(large)


def test_every_package_folder_is_a_package() -> None:
    missing = {
        str(path.parent.relative_to(ROOT))
        for path in python_files("src/instructsam")
        if not (path.parent / "__init__.py").exists()
    }
    assert not missing, listed(sorted(missing))


def test_imports_follow_the_layers() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
