"""HTML: the text and the links that a reader would see."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

# Elements that stand on lines of their own, and those that a reader does not see.
_BLOCKS = re.compile(
    r"address|article|aside|blockquote|br|d[dlt]|div|fieldset|figcaption|figure|footer|form|h[1-6r]|header|li|main|nav"
    r"|[ou]l|p|pre|section|table|tr"
)
_UNSEEN = re.compile(r"head|i?frame|math|noscript|object|script|select|style|svg|template|textarea|title|-.*")
_BLANKS = re.compile(r"\s+")
# Tags that are often left open and cost nothing; the others nest, and the parser's time is quadratic in the depth.
_NESTING = re.compile(r"<(?!(?:br|hr|img|input|meta|link|wbr|p|li|t[rdh])\b)[a-zA-Z]")
_MAX_DEPTH = 5_000


class TooDeep(ValueError):
    """Markup whose elements nest deeper than any mail's."""


def read_html(markup: str) -> tuple[str, tuple[str, ...]]:
    r"""Give the visible text, a line for each block and ``> `` before what is quoted, and the targets of links.

    Raises TooDeep.

    >>> read_html("<p>Hello <b>you</b></p><blockquote>old</blockquote><a href='https://x.org'>site</a>")
    ('\nHello you\n\n> old\nsite', ('https://x.org',))
    """
    if len(_NESTING.findall(markup)) - markup.count("</") > _MAX_DEPTH:
        raise TooDeep("nested too deep")
    root = LexborHTMLParser(markup).root
    return _Walk().read(root) if root is not None else ("", ())


class _Walk:
    """One pass over the tree, without recursion: its depth is the sender's choice."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.links: list[str] = []
        self.quotes = 0
        self.verbatim = 0

    def read(self, root: LexborNode) -> tuple[str, tuple[str, ...]]:
        path = [(root, root.iter(include_text=True))]
        while path:
            parent, children = path[-1]
            child = next(children, None)
            if child is None:
                path.pop()
                self._leave(parent.tag or "")
            elif child.is_text_node:
                self._text(child.text_content or "")
            elif not _UNSEEN.fullmatch(child.tag or "-"):
                self._enter(child)
                path.append((child, child.iter(include_text=True)))
        return "".join(self.parts), tuple(self.links)

    def _text(self, text: str) -> None:
        self.parts.append(text.replace("\n", self._newline()) if self.verbatim else _BLANKS.sub(" ", text))

    def _enter(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag == "blockquote":
            self.quotes += 1
        elif tag == "pre":
            self.verbatim += 1
        elif tag == "a" and (target := node.attributes.get("href")):
            self.links.append(target)
        if _BLOCKS.fullmatch(tag):
            self.parts.append(self._newline())
        if tag == "li":
            self.parts.append("- ")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def _leave(self, tag: str) -> None:
        if tag == "blockquote":
            self.quotes -= 1
        elif tag == "pre":
            self.verbatim -= 1
        if _BLOCKS.fullmatch(tag) and tag != "br":
            self.parts.append(self._newline())

    def _newline(self) -> str:
        return "\n" + "> " * min(self.quotes, 5)
