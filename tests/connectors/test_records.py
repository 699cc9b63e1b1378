from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from connectors.records import Record, lines, mails, whole

pieces = st.lists(st.sampled_from([b"From x\n", b"From", b" y", b"\n", b"\r\n", b">From z\n", b"text\n", b"a" * 30]))


def test_lines_know_their_place() -> None:
    assert list(lines(BytesIO(b"one\n\ntwo\r\nthree"))) == [
        Record(0, 4, b"one\n"),
        Record(5, 10, b"two\r\n"),
        Record(10, 15, b"three"),
    ]


def test_byte_order_mark_is_no_part_of_the_first_line() -> None:
    [first] = lines(BytesIO(b"\xef\xbb\xbf{}"))
    assert first.body == b"{}"


def test_line_that_is_too_long_is_cut_and_the_next_one_is_whole() -> None:
    long = b"x" * 200_000
    assert list(lines(BytesIO(long + b"\nok\n"), limit=100)) == [
        Record(0, 200_001, long[:100], cut=True),
        Record(200_001, 200_004, b"ok\n"),
    ]


def test_line_of_just_the_limit_is_not_cut() -> None:
    assert [each.cut for each in lines(BytesIO(b"12345\n12345"), limit=6)] == [False, False]


def test_mbox_is_cut_at_from_lines_behind_empty_ones_only() -> None:
    one, two = b"From a\nX: 1\n\ntext\nFrom where I stand\n\n", b"From b\nX: 2\n\n>From c\n"
    assert [each.body for each in mails(BytesIO(one + two))] == [one, two]


def test_from_inside_a_long_line_begins_no_mail() -> None:
    body = b"From a\n\n" + b"x" * 64 * 1024 + b"From b\n"
    assert [each.body for each in mails(BytesIO(body))] == [body]


def test_mail_that_is_too_long_is_cut_and_the_next_one_is_whole() -> None:
    one, two = b"From a\n\n" + b"x" * 99 + b"\n\n", b"From b\n\n"
    assert list(mails(BytesIO(one + two), limit=50)) == [
        Record(0, 109, one[:50], cut=True),
        Record(109, 117, two),
    ]


def test_whole_file_is_one_record_and_an_empty_one_none() -> None:
    assert list(whole(BytesIO(b"abc"), limit=3)) == [Record(0, 3, b"abc")]
    assert list(whole(BytesIO(b"abcd"), limit=3)) == [Record(0, 4, b"abc", cut=True)]
    assert not list(whole(BytesIO(b"")))


@given(pieces)
def test_nothing_of_an_mbox_is_lost_but_empty_lines_before_it(parts: list[bytes]) -> None:
    content = b"".join(parts)
    found = list(mails(BytesIO(content)))
    kept = b"".join(each.body for each in found)
    assert content.endswith(kept)
    assert not content.removesuffix(kept).strip()
    assert [each.start for each in found[1:]] == [each.end for each in found[:-1]]


@given(pieces, st.integers(0, 20))
def test_reading_goes_on_behind_any_record(parts: list[bytes], number: int) -> None:
    content = b"".join(parts)
    for cutter in (lines, mails):
        found = list(cutter(BytesIO(content)))
        for place, record in enumerate(found[: number + 1]):
            file = BytesIO(content)
            file.seek(record.end)
            assert list(cutter(file)) == found[place + 1 :]
