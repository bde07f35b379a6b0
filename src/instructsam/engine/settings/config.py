"""The configuration of `instructsam engine run`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.engine.settings.balance import BalanceSettings
from instructsam.engine.settings.cluster import ClusterSettings
from instructsam.engine.settings.filters import FilterSettings
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.settings.reground import RegroundSettings
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.verify import VerifySettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.settings.write import WriteSettings
from instructsam.errors import ConfigError
from instructsam.structures.secrets import redact_urls


class EngineConfig(Config):
    """All settings of a run.

    Attributes:
        output_dir: the run's folder: rows, ledger, spending, decisions, export.
        source: images, and their objects or a detector for them.
        vlm: the model that proposes.
        verifier: the model that verifies; None for the same one.
        propose, verify, reground: the stages.
        filters, balance, write: the export.
        cluster: processes and storage of a run on several machines.
    """

    output_dir: Path
    source: SourceSettings
    vlm: VLMSettings
    verifier: VLMSettings | None = None
    propose: ProposeSettings = Field(default_factory=ProposeSettings)
    verify: VerifySettings = Field(default_factory=VerifySettings)
    reground: RegroundSettings = Field(default_factory=RegroundSettings)
    filters: FilterSettings = Field(default_factory=FilterSettings)
    balance: BalanceSettings = Field(default_factory=BalanceSettings)
    write: WriteSettings = Field(default_factory=WriteSettings)
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)

    @model_validator(mode="after")
    def _check(self) -> EngineConfig:
        places = {
            "source.data": self.source.data,
            "source.images": self.source.images,
            "source.folder": self.source.folder,
            "cluster.storage": self.cluster.storage,
        }
        for name, place in places.items():
            if "://" in place and redact_urls(place) != place:  # these are stored with the run
                raise ConfigError(
                    f"{name} must be a URL without user, password or key, got {redact_urls(place)!r}: put them into "
                    "the environment or the configuration of fsspec"
                )
        for group, model in (("vlm", self.vlm), ("verifier", self.verifier)):
            if model is not None and model.max_cost and not (model.input_price or model.output_price):
                raise ConfigError(
                    f"{group}.max_cost is {model.max_cost:g}, and without prices nothing costs anything: set "
                    f"{group}.input_price and {group}.output_price (per million tokens), or cap {group}.max_tokens"
                )
        code, name = self.filters.language, self.propose.language
        if code and (code == "en") != ("english" in name.casefold()):
            raise ConfigError(
                f"filters.language must be the ISO 639-1 code of propose.language ({name!r}), or '' for no check, "
                f"got {code!r}"
            )
        return self
