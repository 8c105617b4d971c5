"""What a page's styles hide, as far as they say so plainly: in attributes, and in rules with simple selectors."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from library.readers.reading import HiddenReason

_RULE = re.compile(r"([^{}]{1,500})\{([^{}]*)\}")
_SELECTOR = re.compile(r"[\w\s.#*>-]+")
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_RULES = 500
_DECLARATION = re.compile(r"([a-z-]+)\s*:\s*([^;]+)")
_NUMBER = re.compile(r"(-?\d*\.?\d+)(px|pt|em|rem|%|vw|vh)?$")
_SMALLEST_PX = 1.0
_OFF_PAGE_PX = 500.0
_WHITE = frozenset({"white", "#fff", "#ffffff", "rgb(255,255,255)", "rgba(255,255,255,1)", "hsl(0,0%,100%)"})
_SAYS_SOMETHING = re.compile(r"display|visibility|opacity|font-size|color|position|indent|clip|transparent", re.I)


def concealed_by(style: str, ground: str = "#fff") -> HiddenReason | None:
    """Why an element with this style is invisible on the page; None if it is visible."""
    if not _SAYS_SOMETHING.search(style):
        return None
    said = {name: value.strip().lower() for name, value in _DECLARATION.findall(style.lower())}
    said = {name: value.removesuffix("!important").strip() for name, value in said.items()}
    if said.get("display") == "none" or said.get("visibility") in ("hidden", "collapse"):
        return "markup"
    if _length(said.get("opacity", "1")) == 0 or said.get("color") == "transparent":
        return "invisible"
    if (
        "font-size" in said
        and (_length(said["font-size"]) or 0.0) < _SMALLEST_PX
        and _length(said["font-size"]) is not None
    ):
        return "size"
    if _is_off_page(said):
        return "off-page"
    color = said.get("color", "").replace(" ", "")
    behind = (said.get("background-color") or said.get("background") or ground).replace(" ", "")
    if color and (color == behind or (color in _WHITE and behind in _WHITE)):
        return "colour"
    return None


def _is_off_page(said: dict[str, str]) -> bool:
    lengths = [_length(said.get("text-indent", ""))]
    if said.get("position") in ("absolute", "fixed"):
        lengths += [_length(said.get(side, "")) for side in ("left", "top")]
        if said.get("clip", "").replace(" ", "").replace("px", "") in ("rect(0,0,0,0)", "rect(0000)"):
            return False  # text for screen readers: it is meant to be read
    return any(length is not None and length < -_OFF_PAGE_PX for length in lengths)


def _length(value: str) -> float | None:
    """In pixels, roughly; None: no length."""
    match = _NUMBER.fullmatch(value)
    if match is None:
        return None
    return float(match[1]) * (16.0 if match[2] in ("em", "rem") else 1.0)


class Styles:
    """Which elements of one page are hidden, and why."""

    def __init__(self, tree: LexborHTMLParser) -> None:
        self._hidden: dict[int, HiddenReason] = {}
        for selector, reason in _hiding_rules(tree):
            for node in tree.css(selector):
                self._hidden.setdefault(node.mem_id, reason)

    def reason(self, node: LexborNode) -> HiddenReason | None:
        """None: nothing says that the element is hidden."""
        attributes = node.attributes
        if attributes:
            if "hidden" in attributes:
                return "markup"
            background = attributes.get("bgcolor") or "#fff"
            style = attributes.get("style")
            if style and (reason := concealed_by(style, background)):
                return reason
            if (attributes.get("color") or "").lower() in _WHITE and node.tag == "font":
                return "colour"
        return self._hidden.get(node.mem_id) if self._hidden else None


def _hiding_rules(tree: LexborHTMLParser) -> list[tuple[str, HiddenReason]]:
    """Rules outside of @media and the like, with selectors of names, classes and ids."""
    found: list[tuple[str, HiddenReason]] = []
    for element in tree.css("style"):
        sheet = _COMMENT.sub("", element.text())
        for selectors, declarations in _RULE.findall(sheet)[:_RULES]:
            reason = concealed_by(declarations)
            for selector in selectors.split(",") if reason else ():
                if _SELECTOR.fullmatch(selector.strip() or "@") and reason:
                    found.append((selector.strip(), reason))
    return found[:_RULES]
