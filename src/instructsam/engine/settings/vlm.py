"""A vision-language model behind a server, its limits and its price."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from instructsam.config import Config


class VLMSettings(Config):
    """The groups `vlm` and `verifier`. The key comes from the environment alone.

    Attributes:
        model: its name on the server.
        url: such as http://localhost:8000/v1.
        key_variable: environment variable with the key.
        pictures: their format: auto is PNG for drawings and small pictures, JPEG (quality 95) for photographs.
        concurrency: requests at a time.
        requests_per_minute, tokens_per_minute: 0 for no limit.
        timeout: seconds per try.
        retries: further tries after a lost connection, a timeout, or a busy or failing server.
        corrections: times that a broken reply is sent back with its fault.
        max_failures: rows in succession without a usable reply, after which the run stops.
        input_price, output_price: money per million tokens.
        max_tokens, max_cost: the run stops cleanly when they are spent; 0 for no cap.
    """

    model: str
    url: str
    key_variable: str = "OPENAI_API_KEY"
    pictures: Literal["auto", "png", "jpeg"] = "auto"
    concurrency: int = Field(default=16, ge=1, le=1000)
    requests_per_minute: float = Field(default=0.0, ge=0)
    tokens_per_minute: float = Field(default=0.0, ge=0)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=5, ge=0, le=100)
    corrections: int = Field(default=2, ge=0, le=10)
    max_failures: int = Field(default=20, ge=1)
    input_price: float = Field(default=0.0, ge=0)
    output_price: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=0, ge=0)
    max_cost: float = Field(default=0.0, ge=0)
