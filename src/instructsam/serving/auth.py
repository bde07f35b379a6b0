"""The key of a request in routes whose protocol sends it in the body."""

from __future__ import annotations

from instructsam.serving.context import Context
from instructsam.serving.errors import KeyRequiredError

KEY_IN_BODY = ("/sam3/",)
"""Paths whose routes check the key themselves, by `require_key`, because it may stand in the body."""

PUBLIC = ("/health", "/ready", "/", "/app", "/app/", "/app/ready")
"""Paths that need no key: load balancers and labelling tools ask without one, and the page asks the user for it."""

PUBLIC_FOLDERS = ("/app/files/",)
"""Paths below these need no key: the files of the page."""

MESSAGE = (
    "a key is required: send it as `Authorization: Bearer KEY`, `X-API-Key: KEY` or `Token: KEY`, or as the password "
    "of basic authentication"
)


def require_key(context: Context, scope_authorized: bool, api_key: str | None) -> None:
    """Accept a request of a `KEY_IN_BODY` path by its headers or by the key in its body.

    Args:
        context: of the server.
        scope_authorized: `request.state.authorized`: the headers or the query have the key.
        api_key: of the body.

    Raises:
        KeyRequiredError: neither has it.
    """
    if not scope_authorized and not context.keys.accept([api_key or ""]):
        raise KeyRequiredError(MESSAGE)
