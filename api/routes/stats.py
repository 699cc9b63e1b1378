"""Figures: of the workspace, and of this process."""

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import deps
from api.queries import stats
from api.queries.stats import Stats

router = APIRouter(tags=["stats"])


@router.get("/api/stats")
async def counts(conn: deps.Read, workspace: deps.Workspace) -> Stats:
    """Count messages, tasks and noise."""
    return await stats.stats(conn, workspace)


@router.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    """Show the figures of this process, for Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
