"""The folder of an engine run: the paths of its files, and its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instructsam.config import dump_config, load_config
from instructsam.config.changes import config_changes
from instructsam.engine.ledger.folders import is_url
from instructsam.engine.ledger.ledger import INDEX_NAME, Ledger
from instructsam.engine.settings.config import EngineConfig
from instructsam.errors import ConfigError
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import write_text
from instructsam.structures.secrets import safe_url

MAIN_SEGMENT = "main"
"""The segment of the local runner."""
EMPTY = '""'


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run.

    Attributes:
        root: `output_dir`.
        storage: folder of the ledger, and of a copy of the rows, that all machines of a cluster reach, or a URL of
            fsspec; "" for `root`.
    """

    root: Path
    storage: str = ""

    @property
    def config(self) -> Path:
        """The settings of the latest command."""
        return self.root / "config.yaml"

    @property
    def rows(self) -> Path:
        """The rows, one JSON line each."""
        return self.root / "rows.jsonl"

    @property
    def shared_rows(self) -> str:
        """The copy of the rows that the machines of a cluster read: a path, or a URL of fsspec."""
        return self._stored("rows.jsonl")

    @property
    def ledger(self) -> str:
        """The folder of the ledger's segments: a path, or a URL of fsspec."""
        return self._stored("ledger")

    @property
    def spending(self) -> Path:
        """Tokens and money of every call."""
        return self.root / "spending.jsonl"

    @property
    def shared_spending(self) -> str:
        """The copy of the spending of earlier runs, see `shared_rows`."""
        return self._stored("spending.jsonl")

    @property
    def stages(self) -> Path:
        """The fingerprints of stages and outcomes of the latest run, so that other commands open no model."""
        return self.root / "stages.json"

    @property
    def decisions(self) -> Path:
        """Decisions of people."""
        return self.root / "decisions.jsonl"

    @property
    def export(self) -> Path:
        """The written data set."""
        return self.root / "export"

    def open_ledger(self, segment: str | None = None) -> Ledger:
        """The ledger of this run, see `Ledger`.

        Args:
            segment: that this process writes, such as `MAIN_SEGMENT`; None to read.
        """
        index = self.root / "ledger" / INDEX_NAME if is_url(self.ledger) else None
        return Ledger(self.ledger, segment, index=index)

    def _stored(self, name: str) -> str:
        return f"{self.storage.rstrip('/')}/{name}" if self.storage else str(self.root / name)


def run_folder(config: EngineConfig) -> RunFolder:
    """The paths of a run with these settings; nothing is written."""
    return RunFolder(config.output_dir, config.cluster.storage)


def open_run_folder(config: EngineConfig) -> tuple[RunFolder, tuple[str, ...]]:
    """Create the folder of a run, or open it to resume, and store the configuration.

    Changed settings are allowed: the keys of tasks differ with the settings that they depend on, so that these tasks
    alone are performed again.

    Returns:
        The folder, and one line for each setting that changed.

    Raises:
        InputError: the folder cannot be written.
        ConfigError: its stored configuration is of another version.
    """
    folder = run_folder(config)
    config = _without_secrets(config)
    prepare_folder(folder.root, "output_dir")
    notes: tuple[str, ...] = ()
    if folder.config.is_file():
        changes = config_changes(_stored(folder.config), config)
        notes = tuple(f"{key} was {old or EMPTY} and is {new or EMPTY} now" for key, old, new in changes)
    write_text(folder.config, dump_config(config))
    return folder, notes


def _without_secrets(config: EngineConfig) -> EngineConfig:
    """The settings without passwords and keys in the addresses of servers: no stored file holds one."""
    servers = {"vlm": config.vlm, "verifier": config.verifier}
    update = {
        name: server.model_copy(update={"url": safe_url(server.url)})
        for name, server in servers.items()
        if server is not None
    }
    return config.model_copy(update=update)


def _stored(path: Path) -> EngineConfig:
    try:
        return _without_secrets(load_config(EngineConfig, path))
    except ConfigError as error:
        raise ConfigError(
            f"{path.parent} holds a run of another version ({error}): remove {path.name} there to resume it with these "
            "settings, or set another output_dir"
        ) from error
