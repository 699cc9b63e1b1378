"""What ``provision`` writes: for each service what it needs, and nothing more."""

import hmac
import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest

from deploy.cli import Told
from deploy.cli.provision import SHARES, files, provision, roles_script, scram_verifier
from deploy.local.credentials import Credentials, load_or_create
from deploy.local.permissions import PERMISSIONS, inbox_prefix

MEBIBYTE = 1024**2


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return load_or_create(tmp_path)


@pytest.fixture
def written(credentials: Credentials) -> dict[str, str]:
    return files(credentials, raw_max_bytes=2048 * MEBIBYTE)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def passwords(share: str) -> set[str]:
    found: dict[str, dict[str, str]] = json.loads(share)
    return {password for known in found.values() for password in known.values()}


def test_passwords_stay_when_it_is_run_again(tmp_path: Path) -> None:
    folder = tmp_path / "made/by/us"
    provision(folder)
    first = everything(folder)
    provision(folder)
    again = everything(folder)
    assert again.keys() == first.keys()
    # The verifiers are salted anew; what they verify is the same.
    assert [name for name in first if first[name] != again[name]] == ["secrets/roles.sql"]


def test_only_the_owner_gets_to_the_files_and_containers_may_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "compose"
    provision(folder)
    modes = {path.name: S_IMODE(path.stat().st_mode) for path in (folder / "secrets").iterdir()}
    assert len(modes) == len(SHARES) + 4
    assert set(modes.values()) == {0o644}
    assert S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert {S_IMODE((folder / name).stat().st_mode) for name in ("credentials.json", "token")} == {0o600}


def test_folders_that_are_made_on_the_way_show_nobody_what_is_in_them(tmp_path: Path) -> None:
    provision(tmp_path / "data/compose")
    assert S_IMODE((tmp_path / "data").stat().st_mode) & 0o066 == 0


def test_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(Told, match="is no folder"):
        provision(tmp_path / "taken")


@pytest.mark.parametrize("service", SHARES)
def test_service_is_given_its_own_passwords_and_no_others(
    service: str, credentials: Credentials, written: dict[str, str]
) -> None:
    share = SHARES[service]
    own = {credentials.postgres[f"tasktracker_{role}"] for role in share.postgres}
    own |= {credentials.nats[user] for user in share.nats}
    assert passwords(written[f"{service}.json"]) == own


def test_who_serves_can_neither_change_the_schema_nor_rule_nats(written: dict[str, str]) -> None:
    mighty = passwords(written["migrate.json"])
    assert len(mighty) == 2
    assert [name for name in SHARES if name != "migrate" and passwords(written[f"{name}.json"]) & mighty] == []


def test_every_user_and_role_is_given_to_somebody() -> None:
    assert {user for share in SHARES.values() for user in share.nats} == set(PERMISSIONS)
    assert {role for share in SHARES.values() for role in share.postgres} == {"read", "write", "migrate"}


def test_rights_on_nats_are_those_of_the_embedded_one(credentials: Credentials, written: dict[str, str]) -> None:
    configuration: dict[str, Any] = json.loads(written["nats.conf"])
    users = {each["user"]: each for each in configuration["authorization"]["users"]}
    assert users.keys() == PERMISSIONS.keys()
    for name, grant in PERMISSIONS.items():
        assert users[name]["password"] == credentials.nats[name]
        assert users[name]["permissions"]["publish"] == list(grant.publish)
        assert users[name]["permissions"]["subscribe"] == [*grant.subscribe, f"{inbox_prefix(name)}.>"]


def test_nats_writes_to_the_disk_first_and_can_be_watched(written: dict[str, str]) -> None:
    configuration: dict[str, Any] = json.loads(written["nats.conf"])
    assert configuration["jetstream"]["sync_interval"] == "always"
    assert configuration["jetstream"]["store_dir"] == "/data"
    assert configuration["listen"] == "0.0.0.0:4222"
    assert configuration["http"] == "0.0.0.0:8222"
    assert "pid_file" not in configuration


def test_nats_has_room_for_the_streams(credentials: Credentials) -> None:
    large = 64 * 1024 * MEBIBYTE
    configuration: dict[str, Any] = json.loads(files(credentials, raw_max_bytes=large)["nats.conf"])
    # RESULTS, DEAD and COMMANDS take 832 MiB together.
    assert configuration["jetstream"]["max_file"] >= large + 832 * MEBIBYTE


def test_roles_are_made_without_a_password_in_clear(credentials: Credentials) -> None:
    script = roles_script(credentials.postgres)
    assert [password for password in credentials.postgres.values() if password in script] == []
    assert script.count("SCRAM-SHA-256$") == 3
    assert "alter role postgres" not in script


def test_verifier_is_that_of_the_standard() -> None:
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={salt},i=4096,c=biws,r={nonce}".encode()
    proof, signature = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    verifier = scram_verifier("pencil", salt=b64decode(salt))  # the example of RFC 7677
    kind, parameters, keys = verifier.split("$")
    assert (kind, parameters) == ("SCRAM-SHA-256", f"4096:{salt}")
    stored, server = (b64decode(key) for key in keys.split(":"))
    assert hmac.digest(server, said, sha256) == b64decode(signature)
    mask = hmac.digest(stored, said, sha256)
    assert sha256(bytes(a ^ b for a, b in zip(b64decode(proof), mask, strict=True))).digest() == stored
