"""The application: the routes, and what stands before them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Query, WebSocket
from fastapi.responses import FileResponse
from fastapi.security import HTTPBearer
from starlette.staticfiles import StaticFiles

from api.auth import Door
from api.deps import House, Resources
from api.fanout import Fanout
from api.headers import SecurityHeaders
from api.limits import Limits
from api.metrics import Counting
from api.problems import DOCUMENTED, Faults, install
from api.roster import Roster
from api.routes import dead, docs, events, health, messages, sources, stats, tasks
from api.routes.live import live
from schemas.sources import NewSource

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def create_app(
    *,
    token: str,
    resources: Callable[[], AbstractAsyncContextManager[Resources]],
    static: Path,
    workspace: str = "default",
    hosts: Sequence[str] = LOOPBACK,
    check_source: Callable[[NewSource], None] | None = None,
) -> FastAPI:
    """Make the application; ``resources`` is entered when it starts, ``static`` holds the page.

    ``check_source`` raises ValueError for a source that its channel cannot use; None: every one is taken as it is.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            resources() as opened,
            Fanout(opened.nats, missing=opened.read) as fanout,
            Roster(opened.nats) as roster,
        ):
            app.state.house = House(opened, fanout, roster, workspace, check_source)
            yield

    app = FastAPI(
        title="Task Tracker",
        summary="Turns a team's messages into tasks, live, with nothing lost and nothing twice.",
        version="0.1.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=DOCUMENTED,
    )
    install(app)
    for part in (tasks, messages, events, sources, dead, stats, docs):
        # The Door has asked for it already; this is how the OpenAPI document says so.
        app.include_router(part.router, dependencies=[Depends(HTTPBearer(auto_error=False))])
    app.include_router(health.router)
    _add_socket(app)
    _add_page(app, static)
    # The one added last is met first.
    app.add_middleware(Limits)
    app.add_middleware(Door, token=token, hosts=hosts)
    app.add_middleware(Faults)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Counting)
    return app


def _add_socket(app: FastAPI) -> None:
    @app.websocket("/ws")
    async def ws(
        websocket: WebSocket,
        after: Annotated[int | None, Query(ge=0, le=2**62)] = None,
        epoch: UUID | None = None,
        types: Annotated[str, Query(max_length=500)] = "",
    ) -> None:
        house: House = websocket.app.state.house
        wanted = frozenset(part for part in types.split(",") if part)
        await live(websocket, house.fanout, house.resources.read, house.workspace, after, epoch, wanted)


def _add_page(app: FastAPI, static: Path) -> None:
    app.mount("/static", StaticFiles(directory=static), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(static / "index.html", headers={"Cache-Control": "no-cache"})
