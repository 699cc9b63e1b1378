"""Links: the web addresses that a text names."""

import re
from collections.abc import Iterable

_LINK = re.compile(r"(?<![\w@])(?:https?://|www\.)[^\s<>\"'`{}|\\^]{1,2000}", re.IGNORECASE)
_SCHEME = re.compile(r"https?://[^\s<>\"'`{}|\\^]{1,2000}\Z", re.IGNORECASE)
_MOST = 50


def links(text: str) -> tuple[str, ...]:
    """List the addresses in a text, each once, in order, without the punctuation of the sentence around.

    >>> links("See https://x.org/a_(b), (http://y.org/) and www.z.org.")
    ('https://x.org/a_(b)', 'http://y.org/', 'www.z.org')
    """
    if "://" not in text and "www." not in text and "WWW." not in text:
        return ()
    return _first(_trim(match[0]) for match in _LINK.finditer(text))


def web_links(targets: Iterable[str]) -> tuple[str, ...]:
    """Keep the targets that are addresses on the web: no scripts, no mail, nothing relative."""
    return _first(target for target in map(str.strip, targets) if _SCHEME.match(target))


def _trim(link: str) -> str:
    link = link.rstrip(".,;:!?*_~…»”’")
    if link.endswith(")"):
        # A closing bracket belongs to the sentence unless the link opened it.
        bare = link.rstrip(")")
        surplus = link.count(")") - link.count("(")
        link = link[: len(link) - max(0, min(surplus, len(link) - len(bare)))]
    return link.rstrip(".,;:!?")


def _first(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(link for link in found if link.lower() not in ("http://", "https://", "www")))[:_MOST]
