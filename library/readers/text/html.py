"""HTML as text: blocks are lines, rows of tables are lines, headings are marked, what no browser shows is hidden.

Nothing that a page links to is ever fetched. Styles are followed as far as they say plainly that something is hidden.
"""

import re
from collections.abc import Iterable
from contextlib import ExitStack

from selectolax.lexbor import LexborHTMLParser, LexborNode

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.reading import too_deep
from library.readers.source import Source
from library.readers.text.encoding import decoded
from library.readers.text.styles import Styles

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_IGNORED = {"script", "style", "template", "noscript", "head", "iframe", "object", "svg", "math", "canvas"}
_IGNORED |= {"video", "audio", "select", "datalist", "-comment"}
_PARAGRAPHS = {*_HEADINGS, "p", "table", "ul", "ol", "dl", "blockquote", "pre", "section", "article", "header"}
_PARAGRAPHS |= {"footer", "nav", "aside", "main", "figure", "form", "hr", "fieldset", "address", "details"}
_LINES = {"div", "li", "tr", "dt", "dd", "figcaption", "caption", "summary", "legend", "option", "thead", "tbody"}
_LINES |= {"tfoot", "center"}
_CELLS = frozenset(("td", "th"))
_NO_DATA = "h1,h2,h3,h4,h5,h6,ul,ol,table,pre,hr,section,article"
_LISTS = frozenset(("ul", "ol"))
_MATTERS = _PARAGRAPHS | _LINES | _CELLS | {"br"}
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?([A-Za-z0-9_:.-]+)", re.I)
# Elements whose end may not be left out: what opens more of them than it closes is as deep as their difference.
_OPENED_OR_CLOSED = re.compile(r"<(/?)(?:div|span|table|ul|ol|b|i|em|strong|a|font|blockquote|section|form)\b", re.I)
_DEEPER = 10  # honest pages forget to close elements; honest XML does not


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the page's text; its title is the document's."""
    declared = _CHARSET.search(source.head(4096))
    write_html(decoded(source.content(), declared[1].decode("ascii") if declared else None), canvas)
    return ()


def write_html(page: str, canvas: Canvas) -> None:
    """Write the text of a page, or of a part of one. Raises ReadingFailed `too-deep`."""
    _check_depth(page, canvas.limits.depth * _DEEPER)
    tree = LexborHTMLParser(page)
    if (title := tree.css_first("head > title")) is not None and not canvas.title:
        canvas.title = " ".join(title.text().split())[:200]
    if tree.body is not None:
        _Writer(canvas, Styles(tree)).write(tree.body)


def _check_depth(page: str, bound: int) -> None:
    """Before the page is parsed: parsers take time that grows with the square of the depth."""
    depth = 0
    for tag in _OPENED_OR_CLOSED.finditer(page):
        depth += -1 if tag[1] else 1
        if depth > bound:
            raise too_deep(bound)


class _Writer:
    """Walks a tree without recursion."""

    def __init__(self, canvas: Canvas, styles: Styles) -> None:
        self._canvas = canvas
        self._styles = styles
        self._preformatted = 0
        self._in_cell = 0
        self._numbers: list[int | None] = []  # of the lists around, the next item's; None: without numbers

    def write(self, root: LexborNode) -> None:
        """Write what is inside the element."""
        around: list[tuple[LexborNode, ExitStack | None]] = [(root, None)]
        node = root.first_child
        while around:
            if node is None:
                parent, effects = around.pop()
                if effects is not None:
                    effects.close()
                node = parent.next if around else None
            elif node.is_text_node:
                self._text(node)
                node = node.next
            elif node.tag in _IGNORED or not node.is_element_node:
                node = node.next
            else:
                around.append((node, self._opened(node)))
                node = node.first_child

    def _text(self, node: LexborNode) -> None:
        text = node.text_content or ""
        if self._preformatted:
            self._canvas.write(text)
        else:
            self._canvas.flow(text)

    def _opened(self, node: LexborNode) -> ExitStack | None:
        """What an element does to the text in it, to be closed behind it; None: nothing."""
        tag = str(node.tag)
        hidden = self._styles.reason(node)
        if hidden is None and tag not in _MATTERS:
            return None
        effects = ExitStack()
        if tag in _PARAGRAPHS or tag in _LINES:
            self._break(tag)
            effects.callback(self._break, tag)
        self._open_by_tag(tag, node, effects)
        if hidden is not None:
            effects.enter_context(self._canvas.concealed(hidden))
        return effects

    def _open_by_tag(self, tag: str, node: LexborNode, effects: ExitStack) -> None:
        if tag in _HEADINGS:
            effects.enter_context(self._canvas.heading(_HEADINGS[tag]))
        elif tag == "br":
            self._canvas.flow(" ") if self._in_cell else self._canvas.write("\n")
        elif tag in _CELLS:
            self._open_cell(node, effects)
        elif tag == "pre":
            self._preformatted += 1
            effects.callback(self._leave_preformatted)
        elif tag in _LISTS:
            self._numbers.append(1 if tag == "ol" else None)
            effects.callback(self._numbers.pop)
        elif tag == "li":
            self._canvas.write(self._bullet())

    def _break(self, tag: str) -> None:
        """At both ends of a block; a row of a table stays one line."""
        if self._in_cell:
            self._canvas.flow(" ")
        elif tag in _LINES or (tag in _LISTS and len(self._numbers) > 1):
            self._canvas.end_line()
        else:
            self._canvas.end_paragraph()

    def _open_cell(self, node: LexborNode, effects: ExitStack) -> None:
        """A cell of data is part of its row's line; one that only lays the page out is a block."""
        if node.css_first(_NO_DATA) is not None:
            self._canvas.end_line()
            effects.callback(self._canvas.end_line)
            return
        self._canvas.cell()
        self._in_cell += 1
        effects.callback(self._leave_cell)

    def _leave_cell(self) -> None:
        self._in_cell -= 1

    def _bullet(self) -> str:
        if not self._numbers or (number := self._numbers[-1]) is None:
            return "- "
        self._numbers[-1] = number + 1
        return f"{number}. "

    def _leave_preformatted(self) -> None:
        self._preformatted -= 1
