"""What the environment sets, how it reaches the servers, and what is never shown."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.cli import Told, read_settings
from deploy.settings import SettingMissing, Settings

URL = "postgresql://owner:hush@db.example:5433/tasks"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what this machine's environment sets."""
    for name, field in Settings.model_fields.items():
        monkeypatch.delenv(f"TASKTRACKER_{name.upper()}", raising=False)
        monkeypatch.delenv(str(field.validation_alias), raising=False)


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"postgres": {"tasktracker_read": "r/w?"}, "nats": {"api": "n@ts"}}))
    return path


def test_flag_goes_before_environment_before_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(port=None).port == 8000
    monkeypatch.setenv("TASKTRACKER_PORT", "9000")
    assert read_settings(port=None).port == 9000
    assert read_settings(port=0).port == 0


def test_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("TASKTRACKER_PORT", "")
    assert (Settings().database_url, Settings().port) == (None, 8000)


def test_database_without_credentials_takes_the_role_on() -> None:
    settings = Settings(database_url=URL)
    assert settings.database("read") == f"{URL}?options=-c%20role%3Dtasktracker_read"
    assert settings.database("migrate") == URL
    assert Settings(database_url=f"{URL}?sslmode=require").database("write") == (
        f"{URL}?sslmode=require&options=-c%20role%3Dtasktracker_write"
    )


def test_database_with_credentials_logs_the_role_in(credentials: Path) -> None:
    settings = Settings(database_url=URL, credentials=credentials)
    assert settings.database("read") == "postgresql://tasktracker_read:r%2Fw%3F@db.example:5433/tasks"
    with pytest.raises(SettingMissing, match="no password for tasktracker_write of postgres"):
        settings.database("write")


def test_nats_with_and_without_credentials(credentials: Path) -> None:
    url = "nats://all:hush@bus.example:4222"
    assert Settings(nats_url=url).nats("api") == url
    assert Settings(nats_url=url, credentials=credentials).nats("api") == "nats://api:n%40ts@bus.example:4222"


def test_missing_servers_and_credentials_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingMissing, match="DATABASE_URL is not set: give it, or start"):
        Settings().database("read")
    with pytest.raises(SettingMissing, match="NATS_URL is not set: give it, or start"):
        Settings().nats("api")
    with pytest.raises(SettingMissing, match=r"gone\.json cannot be read"):
        Settings(nats_url="nats://x", credentials=tmp_path / "gone.json").nats("api")


def test_token_is_the_setting_else_the_folders_file(tmp_path: Path) -> None:
    with pytest.raises(SettingMissing, match="set TASKTRACKER_TOKEN"):
        Settings(data=tmp_path).access_token()
    (tmp_path / "token").write_text("from-the-file\n")
    assert Settings(data=tmp_path).access_token() == "from-the-file"
    assert Settings(data=tmp_path, token="given").access_token() == "given"


def test_no_secret_is_shown() -> None:
    settings = Settings(database_url=URL, nats_url="nats://all:hush@bus", token="hush")
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TASKTRACKER_PORT", "many", "TASKTRACKER_PORT: Input should be a valid integer"),
        ("TASKTRACKER_PORT", "70000", "TASKTRACKER_PORT: Input should be less than or equal to 65535"),
        ("TASKTRACKER_LOG_LEVEL", "loud", "TASKTRACKER_LOG_LEVEL: Value error, DEBUG, INFO, WARNING or ERROR"),
        ("TASKTRACKER_HOSTS", " , ", "TASKTRACKER_HOSTS: Tuple should have at least 1 item"),
        ("TASKTRACKER_RAW_MAX_BYTES", "1", "TASKTRACKER_RAW_MAX_BYTES: Input should be greater"),
        ("DATABASE_URL", "mysql://root:hush@db", "DATABASE_URL: Value error, begins with postgresql://"),
        ("NATS_URL", "bus:hush", "NATS_URL: Value error, begins with nats://"),
    ],
)
def test_wrong_value_is_told_by_its_variable_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Told) as caught:
        read_settings()
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)


def test_environment_gives_a_roles_process_the_same_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, credentials: Path
) -> None:
    given = Settings(
        database_url=URL,
        nats_url="nats://bus",
        pg_bin=tmp_path / "bin",
        credentials=credentials,
        data=tmp_path,
        host="::1",
        port=0,
        hosts=("a.example", "b.example"),
        token="hush",
        metrics_port=9100,
        log_level="debug",
        nats_durable=False,
        raw_max_bytes=2**21,
        dead_letter_days=7,
    )
    default = Settings()
    assert not {name for name in Settings.model_fields if getattr(given, name) == getattr(default, name)}
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == given


def test_settings_cannot_be_made_of_a_wrong_flag() -> None:
    with pytest.raises(ValidationError):
        Settings(port=-1)
