"""The whole application, in this process, and clients of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

import api
from api.app import create_app
from api.deps import Resources

TOKEN = "let-me-in"
BASE = "http://127.0.0.1"
STATIC = Path(api.__file__).parent / "static"


def make(resources: Resources, **options: Any) -> FastAPI:
    """Make the application on given links."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Resources]:
        yield resources

    return create_app(**{"token": TOKEN} | options, resources=opened, static=STATIC)


@asynccontextmanager
async def serving(app: FastAPI, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the application that knows the token."""
    given = {"base_url": BASE, "headers": {"Authorization": f"Bearer {TOKEN}"}} | options
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), **given) as client,
    ):
        yield client
