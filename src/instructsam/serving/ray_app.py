"""Ray Serve: the server on several GPUs or machines (docs/deploy.md). Needs the extras `serve` and `cluster`.

`serve run instructsam.serving.ray_app:app replicas=4 gpus=1` starts four replicas with one GPU each; every replica
loads the models and batches the requests that it receives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import Field
from ray import serve

from instructsam.config.base import Config, load_config
from instructsam.serving.app import create_app
from instructsam.serving.services import make_service
from instructsam.serving.settings import ServeSettings

_EXTRA_SECONDS = 5.0  # of a replica to end, beyond the time limit of a request


class RaySettings(Config):
    """Settings of the deployment.

    Attributes:
        replicas: copies of the server.
        gpus: of each replica; 0 for the CPU.
        cpus: of each replica.
        serve: settings of the server; host and port are those of Ray.
    """

    replicas: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0.0
    cpus: Annotated[float, Field(gt=0)] = 1.0
    serve: ServeSettings = Field(default_factory=ServeSettings)


class Server:
    """One replica; its routes are those of `create_app`."""


def app(args: Mapping[str, Any]) -> serve.Application:
    """The application of Ray Serve.

    Args:
        args: as `parse_settings` takes them, from the command line or the `args` of a configuration file.

    Raises:
        ConfigError: a field is unknown or has a wrong value.
    """
    settings = parse_settings(args)
    limits = settings.serve.limits

    def make_routes() -> FastAPI:
        """Called in the process of each replica; Ray accepts only a plain function for this."""
        return create_app(make_service(settings.serve), settings.serve)

    deployment = serve.deployment(
        name="instructsam",
        num_replicas=settings.replicas,
        ray_actor_options={"num_gpus": settings.gpus, "num_cpus": settings.cpus},
        max_ongoing_requests=2 * settings.serve.queue,
        graceful_shutdown_timeout_s=limits.max_seconds + _EXTRA_SECONDS,
    )(serve.ingress(make_routes)(Server))
    found: serve.Application = deployment.bind()
    return found


def parse_settings(args: Mapping[str, Any]) -> RaySettings:
    """Checked settings.

    Args:
        args: values by key, such as `replicas` or `serve.max_batch`, as text or not; `settings` names a YAML file with
            further ones.

    Raises:
        ConfigError: a key is unknown or has a wrong value, or the file cannot be read.
    """
    given = dict(args)
    file = given.pop("settings", None)
    changes = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()
    ]
    return load_config(RaySettings, file, changes)
