"""The prompts of the stages: Markdown files with named slots, in `engine/prompts/` or in a folder of the user.

A prompt file has a section `# system` and a section `# user`. A slot is `{{name}}`. HTML comments are for its editors
and are left out. The file `kinds.md` has one section per kind of instruction instead.

A value never becomes structure: a text or a number stands in its slot as JSON, a list or an object as JSON between
`<name>` and `</name>`. Only a `Passage`, a part of a prompt file, is inserted as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from PIL import Image

from instructsam.engine.digests import digest
from instructsam.engine.stages.quoting import Data, block, quoted
from instructsam.errors import ConfigError
from instructsam.structures.checks import check_choices
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import reason, write_text
from instructsam.vlms.protocol import Turn

_FOLDER = files("instructsam") / "engine" / "prompts"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"^# +(.+?) *$", re.MULTILINE)
_SLOT = re.compile(r"\{\{ *([a-z_]+) *\}\}")
_BROKEN_SLOT = re.compile(r"\{\{(?! *[a-z_]+ *\}\}).{0,20}")
_LARGEST = 100_000  # characters of a prompt file


def shipped_names() -> list[str]:
    """The names of the prompt files, without ".md"."""
    return sorted(path.name.removesuffix(".md") for path in _FOLDER.iterdir() if path.name.endswith(".md"))


class Passage(str):
    """A part of a prompt file, which stands in a slot as it is. Never build one from data."""


@dataclass(frozen=True)
class Prompt:
    """A prompt with named slots.

    Attributes:
        name: of its file, without ".md".
        system, user: the texts of the two turns.
    """

    name: str
    system: str
    user: str

    @property
    def slots(self) -> frozenset[str]:
        """The names of its slots."""
        return frozenset(_SLOT.findall(self.system + self.user))

    @property
    def digest(self) -> str:
        """Differs between prompts; comments do not count."""
        return digest([self.system, self.user])

    def turns(
        self, values: Mapping[str, Data | Passage], images: Sequence[Image.Image] = ()
    ) -> tuple[Turn, Turn]:
        """The system turn, and the user's turn with the images.

        Args:
            values: of exactly the slots of the prompt.
            images: RGB, before the text.

        Raises:
            ConfigError: a slot has no value, or a value no slot.
        """
        _check_slots(f"prompt {self.name}", self.slots, values)

        def filled(text: str) -> str:
            return _SLOT.sub(lambda found: _rendered(found[1], values[found[1]]), text)

        return Turn("system", filled(self.system)), Turn("user", filled(self.user), tuple(images))


class PromptBook:
    """The shipped prompts, of which a folder may replace any."""

    def __init__(self, folder: Path | None = None) -> None:
        """
        Raises:
            ConfigError: the folder is missing, or holds a Markdown file that replaces no prompt.
        """
        self.folder = folder
        if folder is None:
            return
        if not folder.is_dir():
            raise ConfigError(
                f"propose.prompts: expected a folder with prompts, got {str(folder)!r}, which is none; create it, or "
                'write "" for the shipped prompts'
            )
        names = sorted(path.stem for path in folder.glob("*.md"))
        check_choices(f"propose.prompts: names of the files in {folder}", names, shipped_names())

    def prompt(self, name: str, slots: Collection[str]) -> Prompt:
        """The prompt of a stage.

        Args:
            name: one of `shipped_names`.
            slots: that the stage fills; the prompt must have exactly these.

        Raises:
            ConfigError: the file cannot be read, has other sections, lacks a slot, or has an unknown one.
        """
        where = self.place(name)
        sections = self.sections(name)
        if list(sections) != ["system", "user"]:
            raise ConfigError(
                f"{where}: expected the sections '# system' and '# user' in this order, got "
                f"{', '.join(f'# {heading}' for heading in sections) or 'none'}"
            )
        prompt = Prompt(name, sections["system"], sections["user"])
        if broken := _BROKEN_SLOT.search(prompt.system + prompt.user):
            raise ConfigError(
                f"{where}: expected a slot such as {{{{objects}}}}, in small letters, got {broken.group()!r}"
            )
        _check_slots(where, prompt.slots, slots)
        return prompt

    def sections(self, name: str) -> dict[str, Passage]:
        """The sections of a file by their heading (`# heading`), without comments.

        Raises:
            ConfigError: the file cannot be read, has text before its first heading, or a heading twice.
        """
        text = _COMMENT.sub("", self._read(name))
        before, *parts = _HEADING.split(text)
        headings = parts[::2]
        if before.strip() or len(set(headings)) < len(headings):
            raise ConfigError(
                f"{self.place(name)}: expected sections, each under its own heading such as '# system', got "
                f"{'text before the first one' if before.strip() else 'one heading twice'}"
            )
        return {heading: Passage(part.strip()) for heading, part in zip(headings, parts[1::2], strict=True)}

    def place(self, name: str) -> str:
        """The file of a prompt, for messages."""
        return str(self._own(name) or f"{name}.md of the package")

    def _own(self, name: str) -> Path | None:
        """The file that replaces a prompt, if there is one."""
        path = None if self.folder is None else self.folder / f"{name}.md"
        return path if path is not None and path.exists() else None

    def _read(self, name: str) -> str:
        own = self._own(name)
        try:
            text = (own or _FOLDER / f"{name}.md").read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.place(name)}: the prompt cannot be read ({reason(error)})") from error
        if len(text) > _LARGEST:
            raise ConfigError(
                f"{self.place(name)}: expected a prompt of at most {_LARGEST:,} characters, got {len(text):,}"
            )
        return text


def _rendered(name: str, value: Data | Passage) -> str:
    if isinstance(value, Passage):
        return str(value)
    return quoted(value) if isinstance(value, (str, int, float)) or value is None else block(name, value)


def _check_slots(where: str, slots: Collection[str], filled: Collection[str]) -> None:
    missing, unknown = sorted(set(filled) - set(slots)), sorted(set(slots) - set(filled))
    if missing or unknown:
        faults = [f"lacks {{{{{name}}}}}" for name in missing] + [
            f"has the unknown slot {{{{{name}}}}}" for name in unknown
        ]
        raise ConfigError(
            f"{where}: expected exactly the slots {', '.join(f'{{{{{name}}}}}' for name in sorted(filled)) or 'none'}; "
            f"it {' and '.join(faults)}"
        )


def open_prompts(folder: str) -> PromptBook:
    """The prompts of `propose.prompts`: a folder, or "" for the shipped ones.

    Raises:
        ConfigError: as `PromptBook`.
    """
    return PromptBook(Path(folder) if folder else None)


def copy_prompts(folder: Path) -> list[Path]:
    """Write the shipped prompts into a folder, to be edited; a file that is there is kept.

    Returns:
        The files that were written.

    Raises:
        InputError: the folder or a file cannot be written.
    """
    prepare_folder(folder, "the folder of the prompts")
    written = []
    for name in shipped_names():
        path = folder / f"{name}.md"
        if not path.exists():
            write_text(path, (_FOLDER / path.name).read_text(encoding="utf-8"))
            written.append(path)
    return written
