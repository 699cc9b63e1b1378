"""HTML becomes the text that a reader would see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading.html import TooDeep, read_html
from pipelines.reading.text import clean


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two &amp; three</p>", "One\n\nTwo & three"),
        ("a<br>b", "a\nb"),
        ("<ul><li>x<li>y</ul>", "- x\n\n- y"),
        ("one\n two<b>\nthree</b>", "one two three"),
        ("<pre>a\nb</pre>", "a\nb"),
        ("new<blockquote>old<br>older</blockquote>", "new\n> old\n> older\n"),
        ("<style>p{}</style><script>x()</script><title>t</title>seen<!-- unseen -->", "seen"),
        ("1 < 2 & 3 &gt; 2", "1 < 2 & 3 > 2"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("", ""),
    ],
)
def test_blocks_are_lines_and_what_is_unseen_is_dropped(markup: str, text: str) -> None:
    assert clean(read_html(markup)[0]) == clean(text)


def test_targets_of_links_are_given_beside_the_text() -> None:
    assert read_html('<a href="https://x.org/a">here</a>') == ("here", ("https://x.org/a",))


def test_markup_nested_past_any_mail_is_refused() -> None:
    with pytest.raises(TooDeep):
        read_html("<div>" * 20_000)


def test_long_mail_with_many_open_line_breaks_is_read() -> None:
    assert read_html("line<br>" * 20_000)[0].count("line") == 20_000


@given(st.text(alphabet="<>/ab p=\"'&;!-\n"))
def test_any_markup_is_read(markup: str) -> None:
    text, _ = read_html(markup)
    assert "\x00" not in text
