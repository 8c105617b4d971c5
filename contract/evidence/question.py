"""What a question asks for: the kind of answer, and whether any one sentence can give it."""

import re
from typing import Final, Literal

Asked = Literal["person", "date", "number", "place", "other"]

_KINDS: Final[tuple[tuple[Asked, re.Pattern[str]], ...]] = (
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|far|often|tall|high|large|big|deep|wide|fast|late|early|soon|heavy)\b|"
            r"\b(?:what|which) (?:\w+ )?(?:percent\w*|number|amount|"
            r"share|price|sum|age|size|rate|fee|cost|population|distance|ratio|fraction|proportion)\b|\bsaldo\b|"
            r"wie ?viele?\b|"
            r"combien|cu[aá]nt[oa]s?|сколько|количеств|процент|كم |عدد|نسبة|"
            r"多少|几|百分|何人|いくつ|いくら|얼마|몇|เท่าไร|กี่",
            re.IGNORECASE,
        ),
    ),
    (
        "date",
        re.compile(
            r"\bwhen\b|\b(?:what|which|in what|in which) (?:\w+ )?(?:year|date|day|month|century|decade|time|era|"
            r"period|season)\b|"
            r"\bwann\b|\bquand\b|\bcu[aá]ndo\b|когда|как\w+ год|متى|عام|何时|什么时候|哪一?年|年份|いつ|何年|언제|เมื่อ",
            re.IGNORECASE,
        ),
    ),
    ("person", re.compile(r"\bwho(?:m|se)?\b|\bwer\b|\bwem\b|\bqui\b|\bqui[eé]n|\bкто\b|\bкого\b|\bкем\b|\bمن\b|谁|"
    r"誰|누구|ใคร", re.IGNORECASE)),
    (
        "place",
        re.compile(
            r"\bwhere\b|\b(?:what|which) (?:\w+ )?(?:country|city|state|place|town|region|river|continent|nation|"
            r"location|island|county)\b|"
            r"\bwo\b|\bwohin\b|\bd[oó]nde\b|\bгде\b|\bкуда\b|أين|哪里|哪个国家|什么地方|どこ|어디|ที่ไหน",
            re.IGNORECASE,
        ),
    ),
)  # fmt: skip
_WHOLE: Final = re.compile(
    r"\b(?:summari[sz]e|summary|sum up|outline|overview|tl;?dr|key points|main (?:points|ideas?|topics?|themes?|"
    r"message)|gist|"
    r"compare|comparison|contrast|differences? between|similarities|translate|translation|rewrite|rephrase|paraphrase|"
    r"(?:what|tell me what) (?:is|does) (?:this|the) (?:document|text|article|contract|file|page|report|"
    r"letter)(?: is)?(?: all)? (?:about|say|cover)|"
    r"list (?:all|every|each|the)|(?:give|make|write|create|draft)(?: me| us)? (?:an? |the )?(?:\w+ )?(?:list|"
    r"table|abstract|summary|letter|email|poem|outline)|"
    r"explain (?:this|the) (?:document|text|article|contract)|zusammenfass\w*|fasse?\b.{0,60}\bzusammen|"
    r"übersetze?n?|vergleiche?n?|"
    r"résume\w*|traduis\w*|compare[rz]?|resume\w?|resumen|traduce|traduzca|кратко (?:изложи|опиши)\w*|перескажи\w*|"
    r"переведи\w*|сравни\w*)\b|"
    r"总结|概括|摘要|翻译|比较|要約|翻訳|まとめ|요약|번역|لخص|ترجم|قارن|สรุป|แปล",
    re.IGNORECASE,
)
_WHOLE_CHARACTERS: Final = 2_000


def asked_kind(question: str) -> Asked:
    """The kind of answer that a question asks for, by its own words."""
    for kind, pattern in _KINDS:
        if pattern.search(question):
            return kind
    return "other"


def needs_whole_document(question: str) -> bool:
    """Whether no sentence can answer: summarise, compare, translate, list all, what is this about."""
    return bool(_WHOLE.search(question[:_WHOLE_CHARACTERS]))
