"""Faces: the routes of each protocol, one file per protocol, one line here."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from instructsam.serving.context import Context
from instructsam.serving.faces import label_studio, mcp, native, operations, roboflow, x_anylabeling

FACES: tuple[Callable[[Context], APIRouter], ...] = (
    operations.router,
    native.router,
    label_studio.router,
    x_anylabeling.router,
    roboflow.router,
    mcp.router,
)
