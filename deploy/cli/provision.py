"""``provision``: passwords, and with them what each server and each process of a stack in containers may know."""

import hmac
import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, sha256
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from deploy.cli import Told, read_settings
from deploy.cli.terminal import terminal
from deploy.local.credentials import Credentials, load_or_create, write_private
from deploy.local.nats import MAX_FILE, configuration
from deploy.local.postgres import DATABASE, OWNER, SUPERUSER

FOLDER = Path(".local/compose")


@dataclass(frozen=True, slots=True)
class Share:
    """The roles of the database and the users of NATS whose passwords one service is given."""

    postgres: tuple[str, ...]
    nats: tuple[str, ...]


SHARES = {
    "api": Share(("read", "write"), ("api",)),
    "inlets": Share(("write",), ("inlets",)),
    "dataflow": Share(("write",), ("flow",)),
    "relay": Share(("write",), ("relay", "lanes", "requeue", "keeper")),
    "commands": Share(("write",), ("lanes",)),
    "migrate": Share(("migrate",), ("admin",)),
    "tools": Share(("read", "write"), ("files", "operator")),
}
"""What each service of compose.yaml logs in with, and nothing more."""


def provision(
    folder: Annotated[Path, typer.Argument(help="Where the passwords are kept.")] = FOLDER,
) -> None:
    """Make passwords, the configuration of NATS and the database's roles for a stack in containers."""
    if folder.exists() and not folder.is_dir():
        raise Told(f"{folder} is no folder: choose another")
    for parent in reversed([each for each in folder.parents if not each.exists()]):
        parent.mkdir(mode=0o711)  # it may be the data folder of `up`, which others pass through and do not look into
    credentials = load_or_create(folder)
    made = files(credentials, raw_max_bytes=read_settings().raw_max_bytes)
    place = folder / "secrets"
    # Containers read these files as users of their own. So they are open, and the folder around them is closed.
    place.mkdir(mode=0o700, exist_ok=True)
    place.chmod(0o700)
    for name, text in made.items():
        write_private(place / name, text)
        (place / name).chmod(0o644)
    console = terminal()
    console.print(f"{len(made)} files are in {escape(str(place))}, the access token in {escape(str(folder / 'token'))}")
    console.print("start it: docker compose up --detach --wait; after a change, with --force-recreate")


def files(credentials: Credentials, *, raw_max_bytes: int) -> dict[str, str]:
    """Write what the services are given, by the name of the file."""
    return {
        "nats.conf": json.dumps(_nats(credentials, raw_max_bytes), indent=2),
        "roles.sql": roles_script(credentials.postgres),
        "postgres": credentials.postgres[SUPERUSER],
        "token": credentials.token,
        **{f"{service}.json": _share(share, credentials) for service, share in SHARES.items()},
    }


def _share(share: Share, credentials: Credentials) -> str:
    names = [f"tasktracker_{role}" for role in share.postgres]
    known = {
        "postgres": {name: credentials.postgres[name] for name in names},
        "nats": {user: credentials.nats[user] for user in share.nats},
    }
    return json.dumps(known, indent=2)


def _nats(credentials: Credentials, raw_max_bytes: int) -> dict[str, Any]:
    return configuration(
        credentials,
        name="tasktracker",
        address="0.0.0.0:4222",  # the container's own; compose.yaml says who reaches it
        monitoring="0.0.0.0:8222",
        store=Path("/data"),
        max_file=max(MAX_FILE, raw_max_bytes + 1024**3),
    )


def roles_script(passwords: Mapping[str, str]) -> str:
    """Write the SQL that makes the roles, or sets their passwords anew; for a superuser, in the stack's database.

    Passwords stand in it as verifiers, with which nobody can log in.
    """
    roles = {role: scram_verifier(password) for role, password in passwords.items() if role != SUPERUSER}
    return "\n".join(
        [
            "begin;",
            *(line for role, verifier in roles.items() for line in _role(role, verifier)),
            *(f"grant {role} to {OWNER};" for role in roles if role != OWNER),
            f"alter database {DATABASE} owner to {OWNER};",
            *(_extension(name) for name in ("pg_trgm", "unaccent")),
            "commit;",
            "",
        ]
    )


def _role(name: str, verifier: str) -> tuple[str, str]:
    return (
        f"do $$ begin if not exists (select from pg_roles where rolname = '{name}') then create role {name}; "
        "end if; end $$;",
        f"alter role {name} login password '{verifier}';",
    )


def _extension(name: str) -> str:
    return (
        f"do $$ begin if exists (select from pg_available_extensions where name = '{name}') then "
        f"create extension if not exists {name}; end if; end $$;"
    )


def scram_verifier(password: str, *, salt: bytes | None = None, iterations: int = 4096) -> str:
    """Derive what PostgreSQL keeps of an ASCII password. Source: RFC 5802 and 7677; PostgreSQL, pg_authid."""
    salt = salt or secrets.token_bytes(16)
    salted = pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client, server = (hmac.digest(salted, word, sha256) for word in (b"Client Key", b"Server Key"))
    stored = sha256(client).digest()
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")
