"""/docs: what the api serves, on one page that needs nothing from elsewhere."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """List the operations of the OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    rows = [
        f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{escape(operation['description'])}</td></tr>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(document['info']['title'])}: the api</title>"
        "<link rel=stylesheet href=/static/page.css>"
        f"<main class=docs><h1>{escape(document['info']['title'])}: the api</h1>"
        "<p>The whole document: <a href=/openapi.json>/openapi.json</a>. Send the access token as "
        "<code>Authorization: Bearer …</code>.</p>"
        f"<table><tbody>{''.join(rows)}</tbody></table></main></html>"
    )
