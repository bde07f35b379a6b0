"""`/docs`: the OpenAPI document as one page that needs no other file and no other host."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from instructsam.serving.context import Context
from instructsam.structures.html_page import page_template

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def add_docs_page(app: FastAPI, context: Context) -> None:
    """Add the route."""

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        """The page."""
        document = app.openapi()
        page = page_template("instructsam.serving", "docs.html", "serve").render(
            document=document,
            groups=_groups(document),
            base=str(request.base_url).rstrip("/"),
            key=context.keys.required,
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The routes of each tag."""
    schemas = document.get("components", {}).get("schemas", {})
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            route = {
                "method": method.upper(),
                "path": path,
                "text": operation.get("description") or operation.get("summary", ""),
                "bodies": {kind: _fields(body.get("schema", {}), schemas) for kind, body in content.items()},
                "answers": {
                    status: answer["description"] for status, answer in operation.get("responses", {}).items()
                },
            }
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(route)
    return groups


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, str]]:
    schema = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "type": _type(field) + (", required" if name in required else ""),
            "text": field.get("description", ""),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _type(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(kind) for kind in field["anyOf"]))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("type") or field.get("$ref", "").rpartition("/")[2])
