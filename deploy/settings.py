"""What the environment may set: read here, once, and passed down as values."""

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_OR_UP = "give it, or start the embedded servers with `tasktracker up`"

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Settings(BaseSettings):
    """The settings of every role; ``docs/settings.md`` lists them, and a test fails where it does not.

    Without DATABASE_URL and NATS_URL, ``up`` and ``demo`` run embedded servers and set both for their roles.
    """

    model_config = SettingsConfigDict(
        env_prefix="TASKTRACKER_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    """postgresql://… of a role that owns the schema (or, in a role's process, of one that may take on the others)."""

    nats_url: SecretStr | None = Field(default=None, validation_alias="NATS_URL")
    """nats://… of the server; user and password come from ``credentials`` where that is set."""

    pg_bin: Path | None = Field(default=None, validation_alias="PG_BIN")
    """Folder of initdb and postgres for the embedded PostgreSQL, instead of the ones that come with the package."""

    credentials: Path | None = None
    """JSON file with a password for each database role and NATS user; without it the URLs serve all roles."""

    data: Path = Path(".local")
    """Folder of the embedded servers, their logs and the access token."""

    host: str = "127.0.0.1"
    """Address that the api listens on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """Port that the api listens on; ``up`` takes the next free one when it is taken, 0 picks any."""

    hosts: Annotated[tuple[str, ...], NoDecode] = Field(default=LOOPBACK, min_length=1)
    """Host names, separated by commas, under which the api may be reached; others are refused."""

    token: SecretStr | None = None
    """Access token of the api; without it, the one in the file ``token`` of the data folder."""

    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port on which a role other than the api shows its metrics on ``host``; 0 shows none."""

    log_level: str = "INFO"
    """Least severe level that is logged: DEBUG, INFO, WARNING or ERROR."""

    nats_durable: bool = True
    """Whether the embedded NATS writes to the disk before it acknowledges; off is faster and loses on a power cut."""

    raw_max_bytes: int = Field(default=2 * 1024**3, ge=1024**2)
    """Bytes that the stream of raw messages may take; when it is full, inlets answer 503."""

    dead_letter_days: int = Field(default=90, ge=1, le=36_500)
    """Days after which a dead letter that nothing happened to is dropped, also one that waits for a person."""

    @field_validator("hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        return _of_scheme(value, "postgresql", "postgres")

    @field_validator("nats_url")
    @classmethod
    def _nats(cls, value: SecretStr | None) -> SecretStr | None:
        return _of_scheme(value, "nats", "tls")

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    def database(self, role: str) -> str:
        """Write the database's address for ``read``, ``write`` or ``migrate``; it may hold a password.

        With credentials each role logs in by itself; without, DATABASE_URL's own login takes the role on.
        """
        if self.database_url is None:
            raise SettingMissing(f"DATABASE_URL is not set: {_OR_UP}")
        url, name = self.database_url.get_secret_value(), f"tasktracker_{role}"
        password = self._password("postgres", name)
        if password is not None:
            return _with_login(url, name, password)
        if role == "migrate":
            return url
        joint = "&" if "?" in url else "?"
        return f"{url}{joint}options={quote(f'-c role={name}')}"

    def nats(self, user: str) -> str:
        """Write the NATS address for a user; it may hold a password."""
        if self.nats_url is None:
            raise SettingMissing(f"NATS_URL is not set: {_OR_UP}")
        url = self.nats_url.get_secret_value()
        password = self._password("nats", user)
        return url if password is None else _with_login(url, user, password)

    def access_token(self) -> str:
        """Return the api's token; raises SettingMissing where there is none."""
        if self.token is not None and self.token.get_secret_value():
            return self.token.get_secret_value()
        try:
            return (self.data / "token").read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingMissing(f"no access token: set TASKTRACKER_TOKEN, or see to {self.data / 'token'}") from error

    def environment(self) -> dict[str, str]:
        """Write the settings as the environment of a role's process, secrets included."""
        said = {
            "DATABASE_URL": self.database_url and self.database_url.get_secret_value(),
            "NATS_URL": self.nats_url and self.nats_url.get_secret_value(),
            "PG_BIN": self.pg_bin and str(self.pg_bin),
            "TASKTRACKER_CREDENTIALS": self.credentials and str(self.credentials.resolve()),
            "TASKTRACKER_DATA": str(self.data.resolve()),
            "TASKTRACKER_HOST": self.host,
            "TASKTRACKER_PORT": str(self.port),
            "TASKTRACKER_HOSTS": ",".join(self.hosts),
            "TASKTRACKER_TOKEN": self.token and self.token.get_secret_value(),
            "TASKTRACKER_METRICS_PORT": str(self.metrics_port),
            "TASKTRACKER_LOG_LEVEL": self.log_level,
            "TASKTRACKER_NATS_DURABLE": str(self.nats_durable).lower(),
            "TASKTRACKER_RAW_MAX_BYTES": str(self.raw_max_bytes),
            "TASKTRACKER_DEAD_LETTER_DAYS": str(self.dead_letter_days),
            "PYTHONUNBUFFERED": "1",
        }
        return {name: value for name, value in said.items() if value}

    def _password(self, server: str, name: str) -> str | None:
        if self.credentials is None:
            return None
        try:
            known = json.loads(self.credentials.read_text(encoding="utf-8"))[server]
        except (OSError, ValueError, KeyError) as error:
            raise SettingMissing(f"TASKTRACKER_CREDENTIALS: {self.credentials} cannot be read") from error
        password = known.get(name)
        if not isinstance(password, str):
            raise SettingMissing(f"TASKTRACKER_CREDENTIALS: no password for {name} of {server}")
        return password


class SettingMissing(Exception):
    """A setting that this command needs is not there; the text says which, and what to do."""


def _of_scheme(url: SecretStr | None, *schemes: str) -> SecretStr | None:
    if url is not None and not url.get_secret_value().startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"begins with {schemes[0]}://")
    return url


def _with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"))
