"""The passwords and the access token of one embedded stack, made once and kept in its folder."""

import os
import secrets
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.permissions import PERMISSIONS
from deploy.local.process import StackError

POSTGRES_ROLES = ("postgres", "tasktracker_migrate", "tasktracker_write", "tasktracker_read")


class Credentials(BaseModel):
    """Who may come in with what: database roles, NATS users, and the token of the API."""

    model_config = ConfigDict(frozen=True)

    postgres: dict[str, str] = Field(repr=False)
    nats: dict[str, str] = Field(repr=False)
    token: str = Field(repr=False)


def load_or_create(directory: Path) -> Credentials:
    """Read the folder's credentials, making folder, files and what is missing in them.

    Both ``credentials.json`` and ``token`` are readable by their owner only.
    """
    _make(directory)
    path = directory / "credentials.json"
    try:
        kept = Credentials.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        kept = Credentials(postgres={}, nats={}, token=secrets.token_urlsafe(32))
    except ValidationError:
        raise StackError(f"{path} is damaged: restore it, or remove {directory} with all its data") from None
    complete = Credentials(
        postgres={role: kept.postgres.get(role) or secrets.token_urlsafe(24) for role in POSTGRES_ROLES},
        nats={user: kept.nats.get(user) or secrets.token_urlsafe(24) for user in PERMISSIONS},
        token=kept.token,
    )
    if complete != kept:
        write_private(path, complete.model_dump_json(indent=2))
    write_private(directory / "token", complete.token)
    return complete


def write_private(path: Path, text: str) -> None:
    """Replace the file as a whole; from its first byte on, only its owner can read it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _make(directory: Path) -> None:
    if not directory.exists():
        directory.mkdir(parents=True)
        # As root, the user that PostgreSQL runs as must be able to pass through.
        directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
