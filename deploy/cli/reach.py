"""Reaching what runs: the servers of the environment, else those of the stack in the data folder."""

from typing import Any

import httpx
from pydantic import SecretStr

from deploy.cli import Told
from deploy.local.stack import Running, running
from deploy.settings import Settings


def reach(settings: Settings) -> Settings:
    """Fill in the servers of the stack that runs in the data folder, unless the environment names its own."""
    if settings.database_url is not None and settings.nats_url is not None:
        return settings
    found = stack(settings)
    return settings.model_copy(
        update={
            "database_url": SecretStr(found.database_url),
            "nats_url": SecretStr(found.nats_url),
            "credentials": found.credentials,
        }
    )


def stack(settings: Settings) -> Running:
    """Find the stack that runs in the data folder."""
    found = running(settings.data)
    if found is None:
        raise Told(f"{_nothing_runs(settings)}, or set DATABASE_URL and NATS_URL")
    return found


def ask(settings: Settings, path: str, *, method: str = "GET", **options: Any) -> Any:
    """Ask the api, by its address of the data folder's stack or of the settings; raises Told when it says no."""
    found = running(settings.data)
    if found is None and settings.token is None:  # a token that is left in the folder is none of whoever has the port
        raise Told(f"{_nothing_runs(settings)}, or set TASKTRACKER_TOKEN")
    url = found.url if found else f"http://{settings.host}:{settings.port}"
    try:
        headers = {"Authorization": f"Bearer {settings.access_token()}"} | options.pop("headers", {})
        answer = httpx.request(method, f"{url}{path}", headers=headers, timeout=10, **options)
    except httpx.HTTPError as error:
        if found:
            logs = settings.data / "logs" / "api.log"
            raise Told(f"the api at {url} does not answer ({error}): see {logs}, or try again in a moment") from error
        raise Told(f"no api at {url} ({error}): {_nothing_runs(settings)}") from error
    if answer.is_error:
        raise Told(f"the api at {url} says {answer.status_code}: {_detail(answer)}")
    return answer.json() if answer.content else None


def _nothing_runs(settings: Settings) -> str:
    return f"nothing runs in {settings.data}: start it with `./run up --data {settings.data}` in another terminal"


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail") or answer.json().get("title"))
    except (ValueError, AttributeError):
        return answer.text[:200]
