"""Made once, kept, and shown to nobody."""

import json
from pathlib import Path

import pytest

from deploy.local.credentials import load_or_create
from deploy.local.permissions import PERMISSIONS
from deploy.local.process import StackError


def test_credentials_are_made_once_and_then_kept(tmp_path: Path) -> None:
    made = load_or_create(tmp_path / "new")
    assert load_or_create(tmp_path / "new") == made
    assert (tmp_path / "new/token").read_text() == made.token
    assert set(made.nats) == set(PERMISSIONS)
    assert len({*made.nats.values(), *made.postgres.values(), made.token}) == len(made.nats) + len(made.postgres) + 1


def test_only_their_owner_can_read_them(tmp_path: Path) -> None:
    load_or_create(tmp_path)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("credentials.json", "token")] == [0o600, 0o600]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["credentials.json", "token"]


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    shown = repr(made) + str(made)
    assert not [secret for secret in (*made.nats.values(), *made.postgres.values(), made.token) if secret in shown]


def test_user_that_a_newer_version_brings_gets_a_password(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    older = made.model_dump()
    del older["nats"]["keeper"]
    (tmp_path / "credentials.json").write_text(json.dumps(older))
    newer = load_or_create(tmp_path)
    assert newer.nats["keeper"]
    assert newer.nats["api"] == made.nats["api"]


def test_damaged_file_is_refused_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    with pytest.raises(StackError, match="is damaged: restore it"):
        load_or_create(tmp_path)
    assert (tmp_path / "credentials.json").read_text() == "{"
