"""The tokenizer of a model folder."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from instructsam.errors import CheckpointError, first_line
from instructsam.processing.tokens import TokenizerLike
from instructsam.structures.model_files import require_inside, wrong_content

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip
_TOKENIZER_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    ArithmeticError,
)


class _DamagedTokenizer:
    """Converts the errors of a damaged tokenizer into a `CheckpointError`.

    The tokenizers library raises `Exception` itself, which an except clause cannot tell from its subclasses.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is Exception or isinstance(error, _TOKENIZER_ERRORS):
            message = f"the tokenizer in {self.folder} is damaged: {first_line(Exception(str(error)))}"
            raise CheckpointError(message) from error


def load_tokenizer(folder: str | Path) -> TokenizerLike:
    """Load the tokenizer of a folder.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    from transformers import AutoTokenizer

    folder = Path(folder)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise CheckpointError(
            f"{folder} holds no tokenizer (no tokenizer.json); copy the model's own into it"
        )
    require_inside(folder)
    for name in TOKENIZER_FILES:
        # Only a plain file is opened: reading a pipe would wait forever.
        if (folder / name).is_file() and (problem := wrong_content(folder / name)) is not None:
            raise CheckpointError(f"the tokenizer in {folder} is damaged: {problem}")
    with _DamagedTokenizer(folder):
        tokenizer: TokenizerLike = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    return tokenizer
