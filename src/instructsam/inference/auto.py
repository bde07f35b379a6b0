"""Makes our classes known to transformers: `import instructsam.inference.auto`, and `AutoConfig`, `AutoModel` and
`AutoProcessor` open our saved models. `load` needs none of it."""

from __future__ import annotations

from transformers import AutoProcessor

from instructsam.model import instructsam as _registers_config_and_model  # noqa: F401
from instructsam.model.configuration import InstructSAMConfig
from instructsam.processing.processor import InstructSAMProcessor

AutoProcessor.register(InstructSAMConfig, InstructSAMProcessor, exist_ok=True)
