"""The embedded PostgreSQL, as whoever runs the tests: root drops to another user."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from deploy.local.credentials import Credentials, load_or_create
from deploy.local.postgres import SUPERUSER, Postgres
from deploy.local.process import StackError

Make = Callable[[Path], Postgres]


@pytest.fixture
def make(pg_bin: Path | None) -> Iterator[Make]:
    """Build servers that are stopped at the end of the test."""
    with ExitStack() as ends:

        def build(folder: Path) -> Postgres:
            server = Postgres(folder, load_or_create(folder), pg_bin=pg_bin)
            ends.callback(server.stop)
            return server

        yield build


def _remember(server: Postgres, word: str) -> None:
    with psycopg.connect(server.url()) as conn:
        conn.execute("create table if not exists words (word text)")
        conn.execute("insert into words values (%s)", [word])


def _words(server: Postgres) -> list[str]:
    with psycopg.connect(server.url()) as conn:
        return [word for (word,) in conn.execute("select word from words order by word")]


def test_commit_is_on_the_disk_and_only_this_machine_may_connect(postgres_server: Postgres) -> None:
    names = ["fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses", "server_encoding"]
    with psycopg.connect(postgres_server.url()) as conn:
        settings = [conn.execute("select current_setting(%s)", [name]).fetchone() for name in names]
    assert settings == [("on",), ("on",), ("on",), ("on",), ("127.0.0.1",), ("UTF8",)]


def test_upper_case_knows_more_than_english(postgres_server: Postgres) -> None:
    with psycopg.connect(postgres_server.url()) as conn:
        assert conn.execute("select lower('ЗАДАЧА'), 'ЇЖАК' ilike 'їжак'").fetchone() == ("задача", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to drop its rights")
def test_server_of_root_does_not_run_as_root(postgres_server: Postgres) -> None:
    assert Path(f"/proc/{postgres_server.pid}").stat().st_uid != 0


def test_password_is_asked_for(postgres_server: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://tasktracker_read:wrong@127.0.0.1:{postgres_server.port}/tasktracker")


@pytest.mark.parametrize("role", ["migrate", "write", "read"])
def test_no_role_of_ours_is_a_superuser(postgres_urls: dict[str, str], role: str) -> None:
    with psycopg.connect(postgres_urls[role]) as conn:
        found = conn.execute("select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user")
        assert found.fetchone() == (False, False, False)


def test_reading_role_neither_writes_nor_sees_secrets(postgres_urls: dict[str, str]) -> None:
    with psycopg.connect(postgres_urls["read"], autocommit=True) as conn:
        assert conn.execute("select slug from sources").fetchall() == []
        for forbidden in ("select secrets from sources", "delete from outbox", "create table mine (n int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(forbidden)


def test_writing_role_rewrites_no_history(postgres_urls: dict[str, str]) -> None:
    with psycopg.connect(postgres_urls["write"], autocommit=True) as conn:
        for forbidden in ("delete from events", "update events set actor = ''", "drop table events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(forbidden)


def test_owner_can_act_as_the_other_roles(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, options="-c role=tasktracker_write") as conn:
        assert conn.execute("select current_user").fetchone() == ("tasktracker_write",)


def test_second_start_keeps_all_data(make: Make, stack_folder: Path) -> None:
    first = make(stack_folder)
    first.start()
    _remember(first, "kept")
    first.stop()
    second = make(stack_folder)
    second.start()
    assert _words(second) == ["kept"]


def test_crashed_server_starts_again_with_all_that_was_committed(make: Make, stack_folder: Path) -> None:
    server = make(stack_folder)
    server.start()
    _remember(server, "committed")
    server.kill()
    server.start()
    assert _words(server) == ["committed"]


def test_recycled_pid_of_a_crashed_server_does_not_block_the_next(make: Make, stack_folder: Path) -> None:
    server = make(stack_folder)
    server.start()
    server.kill()
    pid_file = stack_folder / "postgres/data/postmaster.pid"
    lines = pid_file.read_text().split("\n")
    # Pid 1 lives and is not ours: PostgreSQL alone would take it for the postmaster.
    pid_file.write_text("\n".join(["1", *lines[1:]]))
    server.start()
    assert server.pid


def test_two_servers_run_at_once_in_two_folders(make: Make, stack_folder: Path) -> None:
    servers = [make(stack_folder / name) for name in ("one", "two")]
    for server in servers:
        server.start()
    for server, word in zip(servers, ("first", "second"), strict=True):
        _remember(server, word)
    assert [_words(server) for server in servers] == [["first"], ["second"]]


def test_folder_in_use_is_refused_naming_its_user(make: Make, stack_folder: Path) -> None:
    first, second = make(stack_folder), make(stack_folder)
    first.start()
    with pytest.raises(StackError, match=rf"is in use by process {first.pid}: stop that one"):
        second.start()
    _remember(first, "unharmed")


def test_folder_of_another_major_is_refused_and_left_alone(make: Make, stack_folder: Path) -> None:
    make(stack_folder).start()
    version = stack_folder / "postgres/data/PG_VERSION"
    server = make(stack_folder)
    version.write_text("14\n")
    with pytest.raises(StackError, match=r"was made by PostgreSQL 14, and this is PostgreSQL \d+ .*: set PG_BIN"):
        server.start()
    assert version.read_text() == "14\n"


def test_folder_made_with_other_credentials_is_refused(make: Make, stack_folder: Path) -> None:
    server = make(stack_folder)
    server.start()
    server.stop()
    (stack_folder / "credentials.json").unlink()
    with pytest.raises(StackError, match=r"was made with another credentials\.json"):
        make(stack_folder).start()


def test_half_made_folder_is_made_anew(make: Make, stack_folder: Path) -> None:
    server = make(stack_folder)
    partial = stack_folder / "postgres/data.new"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18")
    server.start()
    _remember(server, "whole")
    assert not partial.exists()


def test_passwords_stay_out_of_the_log(make: Make, stack_folder: Path) -> None:
    server, credentials = make(stack_folder), load_or_create(stack_folder)
    server.start()
    with psycopg.connect(server.url(SUPERUSER), autocommit=True) as conn:
        conn.execute("alter system set log_statement = 'all'")
    server.stop()
    server = make(stack_folder)
    server.start()
    log = (stack_folder / "postgres.log").read_text()
    assert "alter role" in log
    assert not _secrets_in(log, credentials)
    assert not _secrets_in(repr(server.service), credentials)


def _secrets_in(text: str, credentials: Credentials) -> list[str]:
    return [secret for secret in credentials.postgres.values() if secret in text]


def test_unusable_pg_bin_is_refused(stack_folder: Path) -> None:
    with pytest.raises(StackError, match=r"holds no PostgreSQL >= 15"):
        Postgres(stack_folder, load_or_create(stack_folder), pg_bin=stack_folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's server sees what that user sees")
def test_data_of_root_behind_a_closed_door_lie_elsewhere_with_a_link(make: Make, tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    server = make(closed / "data")
    server.start()
    _remember(server, "found")
    server.stop()
    again = make(closed / "data")
    again.start()
    elsewhere = (closed / "data/postgres").resolve()
    try:
        assert _words(again) == ["found"]
        assert not elsewhere.is_relative_to(closed)
    finally:
        again.stop()
        shutil.rmtree(elsewhere)
