"""What services print: cut into lines, kept within bounds."""

import io
from pathlib import Path

from deploy.local.journal import MAX_LINE_BYTES, Journal, Lines, on_terminal


def test_line_without_an_end_is_cut_and_not_hoarded() -> None:
    lines = Lines()
    [cut] = lines.feed(b"x" * (MAX_LINE_BYTES + 1))
    assert len(cut) == MAX_LINE_BYTES
    assert lines.feed(b"") == []


def test_broken_utf8_is_shown_and_not_raised() -> None:
    assert Lines().feed(b"caf\xe9\r\n") == ["caf\N{REPLACEMENT CHARACTER}"]


def test_files_stay_within_their_bound(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=100)
    for number in range(50):
        journal.write("web", [f"line {number:03d}"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log", "web.log.1"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 220
    kept = (tmp_path / "web.log.1").read_text() + (tmp_path / "web.log").read_text()
    assert kept.endswith("line 049\n")


def test_latest_lines_are_told_by_service(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write("web", [f"line {number}" for number in range(20)])
    journal.write("nats", ["other"])
    assert journal.latest("web").splitlines() == [f"line {number}" for number in range(8, 20)]


def test_terminal_shows_whose_line_it_is() -> None:
    stream = io.StringIO()
    on_terminal(stream)("nats", "ready")
    assert stream.getvalue() == "     nats | ready\n"
