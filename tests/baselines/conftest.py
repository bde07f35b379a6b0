"""A tiny SAM3 with random weights, and pictures to show it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Sam3Config, Sam3Model

from tests.tiny import tiny_pair, tiny_tokenizer


@pytest.fixture(scope="session")
def sam3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole SAM3, text encoder included, with 12 decoder slots."""
    folder = tmp_path_factory.mktemp("sam3")
    model, _ = tiny_pair()
    config = Sam3Config(**model.config.detector_config.to_dict())
    config.detr_decoder_config.num_queries = 12
    config.text_config.vocab_size = len(tiny_tokenizer())
    config.text_config.num_hidden_layers = 1
    config.text_config.hidden_size = config.text_config.intermediate_size = 32
    config.text_config.num_attention_heads = 2
    config.geometry_encoder_config.hidden_size = 32
    config.geometry_encoder_config.num_attention_heads = 2
    torch.manual_seed(3)
    detector = Sam3Model(config)
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    detector.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(str(folder))
    return folder
