"""Sources: the configured inlets."""

from http import HTTPStatus

from fastapi import APIRouter, Request

from api import deps
from api.paging import Page
from api.queries import sources
from pipelines.store import sources as store
from schemas.sources import NewSource, Source

router = APIRouter(prefix="/api/sources", tags=["sources"])


class Registered(Source):
    """A source, and where its inlet is (None for a channel that is not sent its messages over HTTP)."""

    url: str | None


@router.get("")
async def everything(conn: deps.Read, workspace: deps.Workspace) -> Page[Source]:
    """List the sources, by name."""
    return Page(items=await sources.everything(conn, workspace))


@router.post("", status_code=HTTPStatus.CREATED)
async def register(request: Request, conn: deps.Write, workspace: deps.Workspace, new: NewSource) -> Registered:
    """Register a source, or change the one of that name; its secrets are never shown again."""
    source = await store.register(conn, workspace, new, actor=deps.ACTOR)
    url = f"{request.base_url}webhook/{source.slug}" if source.channel == "webhook" else None
    return Registered(**source.model_dump(), url=url)
