"""Finds the values of settings that are named like secrets: `key = value` in all the ways that people write it.

Environment files, YAML, JSON, INI, XML, code, shell, connection strings, and sentences.
A name alone proves nothing: the value must look random (`secret_values`), and a password, which may be any word, must
at least be no placeholder and no code.
"""

from collections.abc import Iterator
from typing import NamedTuple

from contract.errors import TooManySecretsError
from contract.redaction.detectors import secret_values, value_extent
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.setting_names import NEAR, REST, SPOKEN, WRITTEN, Name, Names, is_benign
from contract.redaction.detectors.text import Refusals, Span, Text

_CLOSE = r"(?:\\{0,2}[\"'`]|[\])}]|\*{2}|</(?:key|name|string)>\s{0,8}<(?:string|value)){0,3}"
_TYPE = (
    r"(?:\[\d{0,4}\]|\s{0,2}:?\s{1,2}(?:&?'?(?:static )?str(?:ing)?|String|char|text|NSString|Optional\[str\]|any)"
    r"[?*]?(?:\[\d{0,4}\])?)?"
)
_SET = (
    # `"name": "PASSWORD", "value": "…"`, and the same in XML and YAML, goes before the bare comma.
    r"(?:,?\s{1,16}|,)[\"']?value[\"']?\s{0,2}[=:]\s{0,2}"
    # In Terraform a variable's name comes before a block that contains its value.
    r"|\s{0,2}\{\s{1,8}(?:type\s{0,8}=\s{0,2}[a-z]{1,8}\s{1,8})?default\s{0,8}=\s{0,2}"
    r"|\s{0,20}(?:=>|->|:{1,3}=|={1,3}|!={1,2}|[?.+]=|\?{2}=|\|{1,2}|:|\xef\xbc\x9a|%3d)\*{0,2}"
    r"(?:[ \t]{5,20}|\s{0,4})(?:[>|][-+]?\s{1,8})?"
    r"|\s{0,2}>\s{0,8}(?:<(?:value|string)>)?(?:<!\[cdata\[)?\{?"
    r"|[ \t]{1,3}(?:for [\w@.\-]{1,32} )?(?:is|was|ist|lautet|est|es|\xc3\xa8|\xc3\xa9|jest|je|er"  # codespell:ignore
    r"|\xc3\xa4r)[ \t:]{1,3}"
    # As scanners and logs report a header: `'x-api-key' found, with contents: …`.
    r"|[ \t]{1,3}(?:header )?(?:found, )?with (?:the )?(?:value|contents?)[ \t:]{1,3}"
    # The same in Chinese and Japanese, where no space is needed.
    r"|[ \t]{0,2}(?:\xe6\x98\xaf|\xe4\xb8\xba|\xe7\x82\xba|\xe3\x81\xaf)[ \t:]{0,3}"
)
"""Between a name and any value."""
_BEFORE_QUOTE = r"\s{0,2},\s{0,8}|\(|\.assign\(|[ \t]{1,3}(?:-[ \t])?"
"""Between a name and a value in quotes."""
_QUOTE = r"[bBrRuUfF]{0,2}\\{0,2}(?:\"\"\"|'''|'\"|\"'|\"\\\"|'\\'|[\"'`])"

_WORD = r"[^\s\"'`=:,;<>&|\\(){}\[\]]{5}"
_ONE_WORD = r"[^\s\"'`=:,;<>&|\\(){}\[\]][^\s\"'`=,<>|\\(){}\[\]]{4}"
_LONG = _WORD + r"[^\s\"'`<>;&|,\\(){}\[\]]{3}"
_RANDOM = r"[A-Za-z0-9+/_.~-]{16}"


def _set(names: str, quoted: int, bare: str) -> str:
    """A name with the beginning of a value. Without the value, a text of bare names would be all candidates."""
    value = (
        rf"(?:{_QUOTE} ?[^\"'`\s][^\"'`\n]{{{quoted}}}"
        # A quoted value that contains the other kind of quote.
        rf"|\"[^\"\s][^\"\n]{{{quoted}}}|'[^'\s][^'\n]{{{quoted}}})"
    )
    return rf"(?:{names}){REST}{_CLOSE}{_TYPE}(?:(?:{_SET})@?(?:{value}|{bare})|(?:{_BEFORE_QUOTE})@?{value})"


_ANY = Pattern(
    r"(?i)"
    + _set(rf"{SPOKEN}|pass|pw", 2, _ONE_WORD)
    + "|"
    # A secret that is not a password must look random, which no short value does.
    + _set(NEAR, 7, _LONG)
    # Only a space in between: in a command, at the beginning of a line, in a .netrc, and before a random value.
    + rf"|-[\w.\-]{{0,24}}(?:{SPOKEN}|{NEAR}){REST}[ \t]{{1,3}}{_WORD}"
    + rf"|(?:^|\n)[ \t]{{0,8}}(?:{SPOKEN}|pass|pw){REST}{_CLOSE}[ \t]{{1,3}}{_WORD}"
    + rf"|login[ \t]{{1,3}}\S{{1,64}}\s{{1,3}}(?:{SPOKEN})[ \t]{{1,3}}{_WORD}"
    + rf"|(?:{NEAR}){REST}{_CLOSE}[ \t]{{1,3}}{_RANDOM}"
    # A name that is just `key` is rarely a secret's: it needs a long value without spaces.
    + rf"|(?:^|[^\w.$-])key{_CLOSE}(?:{_SET}|[ \t]{{1,3}}(?:-[ \t])?)[\"'`]?[A-Za-z0-9+_-]{{20}}"
)
_PARTS = Pattern(rf"(?i)({SPOKEN}|{WRITTEN})({REST})({_CLOSE}){_TYPE}({_SET}|{_BEFORE_QUOTE})@?((?:{_QUOTE})?)")
_KEYWORD = Pattern(rf"(?i){SPOKEN}|{WRITTEN}")
_PARTS_BYTES = 160
_EXAMINED_BYTES = 256
"""How much of an unquoted value is examined; if that is a secret, the whole value is replaced."""

_FEW = 1000
_BYTES_EACH = 32
_COST_OF_A_VALUE = 4
"""Budget of candidates: `_FEW` plus one per `_BYTES_EACH` bytes of text. A name costs 1, a name with a value
`_COST_OF_A_VALUE`. Texts that people write stay below it; one that exceeds it would take long, and is refused."""

_AWS_SECRET = Pattern(r"[A-Za-z0-9/+]{40}")
_AZURE_KEY = Pattern(r"[A-Za-z0-9/+]{86}==")

_MOST_WORDS = 4
"""An XML element with more words is prose."""

_GOES_ON_BELOW = (b">", b"|", b"-", b"+")
"""Characters after which a value may begin on the next line: in XML, and in YAML's block scalars."""


class _Verdict(NamedTuple):
    """The secret's span or None, and up to which byte offset the text was read to decide."""

    span: Span | None
    read: int


_NOTHING = _Verdict(None, 0)


class _Place(NamedTuple):
    """Byte offsets of a keyword, the end of its name, the sign after it and an opening quote."""

    keyword: tuple[int, int]
    name_end: int
    sign: tuple[int, int]
    quote: tuple[int, int]


def find(text: Text) -> Iterator[Span]:
    """All values that are secrets, from left to right."""
    source, search, refusals = text.source, text.searcher(_ANY), Refusals()
    names = Names()
    position = 0
    left = _FEW + len(source) // _BYTES_EACH - text.spent(_ANY)
    while found := search(position):
        place = _placed(source, found)
        name = names.classify(source, place.keyword, place.name_end) if place else None
        # A name that is not a secret's may contain another keyword: `accesstoken_token`.
        after = (place.sign[1] if name else place.keyword[1]) if place else 0
        position = max(after, found[0] + 2)
        cost = _COST_OF_A_VALUE if name else 1
        left -= cost
        if left < 0:
            raise TooManySecretsError("The text names secrets too often to look at each: send it in parts.")
        verdict = _validate(source, place, name) if place and name else _NOTHING
        if verdict.span:
            yield verdict.span
            position = verdict.span.end
            refusals.validate_again(found[0])
        else:
            refusals.refuse(found[0], max(verdict.read, found[1] + _PARTS_BYTES), cost)
    text.refused(_ANY, refusals)


def _placed(source: bytes, found: tuple[int, int]) -> _Place | None:
    # The part of the pattern before a name contains no keyword.
    start, _ = _KEYWORD.search(source, found[0]) or found
    parts = _PARTS.groups(source, start, min(start + _PARTS_BYTES, len(source)))
    return None if parts is None else _Place(parts[1], parts[2][1], parts[4], parts[5])


def _validate(source: bytes, place: _Place, name: Name) -> _Verdict:
    """The value that follows a name, if it is a secret."""
    if place.quote[0] < place.quote[1]:
        return _validate_quoted(source, place, name)
    start = place.quote[1]
    between = source[place.sign[0] : place.sign[1]]
    sign = between.strip()
    if between == b"|" or (sign[:1] in (b",", b"(", b".") and b"=" not in sign and b"value" not in sign):
        return _NOTHING
    if not sign and not _takes_a_bare_value(source, place.keyword[0], name):
        return _after_a_space(source, place.keyword[0], start, name)
    if b"\n" in between[len(between.rstrip()) :] and not sign.endswith(_GOES_ON_BELOW):
        # An empty setting with another one below it. Below a heading only a plainly random value counts.
        return _after_a_space(source, place.keyword[0], start, name) if sign == b":" else _NOTHING
    if sign.rstrip(b"{").endswith(b">") and (span := _in_element(source, start, name)):
        return _Verdict(span, span.end)
    end, read = value_extent.unquoted(source, start, name.is_password, sign, _EXAMINED_BYTES)
    value = source[start:end]
    if (name.is_bare and not _is_key(source, place.keyword[0], value)) or not secret_values.is_unquoted_secret(
        source, start, end, name.is_password, name.is_strong
    ):
        # Inside an element, later text may change this verdict.
        return _Verdict(None, len(source) if sign.endswith(b">") else read)
    if end - start > _EXAMINED_BYTES - 8:
        end, _ = value_extent.unquoted(source, start, name.is_password, sign, len(source))
    return _Verdict(Span(start, end, _kind(name, source[start:end])), end)


def _validate_quoted(source: bytes, place: _Place, name: Name) -> _Verdict:
    start = place.quote[1]
    end, read = value_extent.quoted(source, place.quote)
    value = source[start:end]
    is_secret = (
        end >= 0
        and secret_values.is_quoted_secret(value, name.is_password, name.is_strong)
        and not _is_next_word(name, source[place.sign[0] : place.sign[1]].strip(), value)
        and (not name.is_bare or _is_key(source, place.keyword[0], value))
    )
    return _Verdict(Span(start, end, _kind(name, value)) if is_secret else None, read)


def _is_next_word(name: Name, sign: bytes, value: bytes) -> bool:
    """True if the "value" is only the next word of code: `'pass', 'raise'`, ``pass `null` ``, `pass.on('data')`."""
    if sign not in (b"", b",", b"(", b"-") or (sign == b"(" and b"." not in name.text):
        return False
    text = name.text
    is_bare = text.isalpha() and (text.islower() or text.isupper() or text.istitle())
    return (is_bare or b"." in text or (sign == b"," and b"_" in value)) and secret_values.is_a_word(value)


def _takes_a_bare_value(source: bytes, start: int, name: Name) -> bool:
    """True if a space alone may separate name and value: in a command's options, or for a password in a .netrc."""
    if name.text.startswith(b"-"):
        return True
    line = source[max(source.rfind(b"\n", 0, start) + 1, start - 48) : start]
    return name.is_password and (not line.strip() or b"login " in line)


def _after_a_space(source: bytes, keyword: int, start: int, name: Name) -> _Verdict:
    """`API key 9f8e7d6c…`: the value itself must look random, and the name must not be a cache's or a table's key."""
    end, read = value_extent.unquoted(source, start, is_password=False, sign=b"", most=_EXAMINED_BYTES)
    if source[end : end + 1] in (b":", b"=") or not secret_values.is_plainly_random(source[start:end]):
        return _Verdict(None, read)
    if is_benign(b"_".join((*_word_before(source, keyword), name.text))):
        return _Verdict(None, read)
    return _Verdict(Span(start, end, _kind(name, source[start:end])), read)


def _in_element(source: bytes, start: int, name: Name) -> Span | None:
    """All of `<secret>{AQAAABAAA 9f8e…}</secret>`, if it has few words and one of them is plainly random."""
    content = source[start : max(start, source.find(b"</", start, start + value_extent.VALUE_BYTES))].rstrip(b"} \n")
    words = content[:_EXAMINED_BYTES].split(None, _MOST_WORDS)
    if not 1 < len(words) <= _MOST_WORDS or not any(map(secret_values.is_plainly_random, words)):
        return None
    end = start + len(content)
    return Span(start, end, _kind(name, source[start:end]))


def _is_key(source: bytes, keyword: int, value: bytes) -> bool:
    """Whether the value of a `key` is a secret: random, and not a cache's or a table's key."""
    return secret_values.is_key(value) and not is_benign(b"_".join((*_word_before(source, keyword), b"key")))


def _word_before(source: bytes, keyword: int) -> list[bytes]:
    return source[max(0, keyword - 24) : keyword].split()[-1:]


def _kind(name: Name, value: bytes) -> str:
    lowered = name.text.lower()
    if _AWS_SECRET.matches(value) and b"aws" in lowered:
        return "aws-secret"
    if _AZURE_KEY.matches(value):
        return "azure-storage-key"
    return "password" if name.is_password else "secret"
