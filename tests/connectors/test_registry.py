import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors import CONNECTORS, channels, load
from connectors.contract import Inlet
from schemas.sources import NewSource

ROOT = Path(__file__).resolve().parents[2]


def run(program: str, *paths: Path) -> str:
    """Run a program in an interpreter that has imported nothing yet."""
    found = [str(ROOT), *map(str, paths)]
    code = f"import sys; sys.path[:0] = {found!r}; {program}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("channel", CONNECTORS)
def test_every_connector_loads_under_its_own_name(channel: str) -> None:
    connector = load(channel)
    assert connector.channel == channel
    assert connector.settings.model_validate({})
    with pytest.raises(ValidationError):
        connector.check(NewSource(slug="one", channel=channel, settings={"nothing": "like that"}))
    assert channel in channels()


def test_only_channels_that_speak_http_are_inlets() -> None:
    assert isinstance(load("webhook"), Inlet)
    assert not isinstance(load("files"), Inlet)


def test_unknown_channel_is_told_with_those_that_there_are() -> None:
    with pytest.raises(LookupError, match=r"carrier-pigeon.*files, webhook"):
        load("carrier-pigeon")


def test_importing_the_registry_loads_no_channel() -> None:
    loaded = run("import connectors; print(*[name for name in sys.modules if name.startswith('connectors.')])")
    assert loaded == "connectors.contract"


def test_outsider_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "pigeon.py").write_text("class Pigeon:\n    channel = 'carrier-pigeon'\n")
    info = tmp_path / "pigeon-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tasktracker.connectors]\ncarrier-pigeon = pigeon:Pigeon\n")
    said = run("import connectors; print(connectors.load('carrier-pigeon').channel, *connectors.channels())", tmp_path)
    assert said == "carrier-pigeon carrier-pigeon files webhook"
