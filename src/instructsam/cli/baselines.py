"""Baselines as model arguments of `instructsam evaluate`: `sam3:FOLDER`, `agent:DETECTOR`, `oracle:MODEL`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.cli.options import Opening
from instructsam.errors import InputError

if TYPE_CHECKING:
    from instructsam.structures.answering import Answerer, AnyAnswerer
    from instructsam.vlms.protocol import VisionLanguageModel

KINDS = ("sam3", "agent", "oracle")


@dataclass(frozen=True)
class AnyOpening(Opening):
    """A model or baseline to open. After the colon: a SAM3, or the detector that an agent or oracle calls.

    Attributes:
        vlm: of an agent: a folder or hub id, or its name on the server at `vlm_url`.
        vlm_url: of an agent: the server's URL; None runs the VLM in this process.
    """

    vlm: str | None = None
    vlm_url: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        kind, rest = self.parts
        if kind == "agent" and self.vlm is None:
            raise InputError(
                "an agent needs a VLM: name it with --vlm, and with --vlm-url if a server runs it"
            )
        if kind != "agent" and (self.vlm is not None or self.vlm_url is not None):
            raise InputError("--vlm and --vlm-url belong to an agent: write agent:DETECTOR as the model")
        if kind == "sam3" and not rest:
            raise InputError("sam3: needs a folder or hub id, such as sam3:facebook/sam3")
        if (kind == "sam3" or rest.startswith("sam3:")) and self.quantize is not None:
            raise InputError("--quantize is for the VLM of an InstructSAM model; SAM3 has none: leave it out")
        if kind in ("agent", "oracle") and rest.partition(":")[0] in ("agent", "oracle"):
            raise InputError(f"{kind} needs a detector: an InstructSAM model or sam3:FOLDER, got {rest!r}")

    @property
    def parts(self) -> tuple[str, str]:
        """The kind of baseline, "" for a model, and the text after the colon."""
        kind, colon, rest = (self.model or "").partition(":")
        return (kind, rest) if colon and kind in KINDS else ("", self.model or "")

    def open_any(self) -> AnyAnswerer:
        """Load it.

        Raises:
            InstructSAMError: see `instructsam.load`, `load_sam3`, `load_vlm` and `VLMClient`.
        """
        kind, rest = self.parts
        if kind == "":
            return self.open()
        self.use_threads()  # an InstructSAM detector sets them again
        if kind == "sam3":
            from instructsam.baselines.sam3_concept import load_sam3

            return load_sam3(rest, self.device, self.dtype)
        detector = self._detector(rest)
        if kind == "oracle":
            from instructsam.baselines.oracle_agent import OracleAgent

            return OracleAgent(detector)
        from instructsam.baselines.sam3_agent import Sam3Agent

        vlm = self._vlm()
        if self.vlm_url is None:
            self.use_threads()
        return Sam3Agent(vlm, detector)

    def _detector(self, rest: str) -> Answerer:
        if not rest.startswith("sam3:"):
            return replace(self, model=rest or None, vlm=None, vlm_url=None).open()
        from instructsam.baselines.sam3_concept import load_sam3

        return load_sam3(rest.removeprefix("sam3:"), self.device, self.dtype)

    def _vlm(self) -> VisionLanguageModel:
        name = self.vlm or ""
        if self.vlm_url is not None:
            from instructsam.vlms.client import VLMClient

            return VLMClient(name, self.vlm_url)
        from instructsam.vlms.local import load_vlm

        return load_vlm(name, self.device, self.dtype)
