"""``bench`` says what is wrong before it starts anything."""

from pathlib import Path

import pytest

from deploy.cli import Told
from deploy.cli.bench import app


def test_file_that_holds_no_messages_is_told(tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("roses are red\n")
    with pytest.raises(Told, match=r"poem\.txt, line 1 is no message in the import format"):
        app(["road", "--messages", str(path)], standalone_mode=False)


@pytest.mark.parametrize("value", ["1,x", "0", "-3"])
def test_number_that_is_none_is_told(value: str) -> None:
    with pytest.raises(Told, match="--processes"):
        app(["road", f"--processes={value}"], standalone_mode=False)
