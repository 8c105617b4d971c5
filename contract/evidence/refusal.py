"""Recognises a model's "the document does not say" in its many wordings."""

import re
from typing import Final

_SOURCE: Final = (
    r"(?:document|text|context|passage|article|excerpt|paragraph|contract|agreement|report|page|file|source|"
    r"content|evidence|"
    r"(?:provided|given|above|available) (?:information|material|details|data)|information (?:provided|given|above|"
    r"available))s?"
)
_NOT: Final = r"(?:not|n[’']t|never|no(?:where)?|cannot)"
_GIVE: Final = (
    r"(?:say|state|mention|specif|provid|contain|includ|give|indicat|discuss|address|answer|cover|describe|tell|offer|"
    r"explain|detail|clarif|disclos|list|identif|refer|make clear|have (?:any |enough |sufficient )?(?:information|"
    r"details))"
)
_REFUSALS: Final = re.compile(
    "|".join(
        (
            rf"\b{_SOURCE}\b[^.!?\n]{{0,40}}?(?:\b|(?<=[a-z])){_NOT}\b[^.!?\n]{{0,30}}?\b{_GIVE}",
            rf"\b(?:not|n[’']t|never|nowhere)\b[^.!?\n]{{0,20}}?\b(?:said|stated|mentioned|specified|provided|"
            rf"contained|included|given|indicated|discussed|addressed|answered|"
            rf"covered|described|explained|clear|available|found|present|possible to (?:say|tell|determine|"
            rf"answer))\b[^.!?\n]{{0,30}}?\b(?:in|from|by|within|based on)\b[^.!?\n]{{0,20}}?\b{_SOURCE}\b",
            rf"\b(?:no|any|enough|sufficient|insufficient|without|lacks?)\b[^.!?\n]{{0,20}}?\b(?:information|"
            rf"mention|details?|answer|data|evidence|reference|context)\b[^.!?\n]{{0,60}}?"
            rf"\b(?:in|from|within|by|to (?:answer|determine|say|tell))\b[^.!?\n]{{0,24}}?\b(?:{_SOURCE}|question|"
            rf"this|that)\b",
            rf"\b(?:{_SOURCE})\b[^.!?\n]{{0,20}}?\b(?:has|have|contains?|gives?|provides?|offers?|makes?|"
            rf"includes?)\b no\b",
            r"\b(?:there is|there[’']s|there are|i (?:see|find|found)) no (?:(?:explicit|specific|direct|clear|"
            r"relevant|further) )?(?:information|mention|details?|answer|indication|data|reference)\b",
            r"\b(?:i|we)(?: (?:am|[’']m)|[’']m| was)?(?: sorry,? (?:but )?i)? ?(?:can(?:not|[’']t| not)|"
            r"could(?: not|n[’']t)|(?:am |was )?(?:not able|unable)(?: to)?|do(?: not|n[’']t)|did(?: not|n[’']t)) "
            r"(?:know|find|answer|determine|tell|say|see|locate|have (?:any |enough |sufficient |that |this |"
            r"the )?(?:information|details|data|context|answer))\b",
            r"\b(?:cannot|can[’']t|can not|could not|impossible to|not possible to|unable to) (?:be )?(?:answer|"
            r"determin|tell|say|found|infer|deduc|conclu|establish)\w*",
            r"\b(?:is|are|was|were)(?: not|n[’']t)(?: (?:explicitly|directly|clearly|specifically))? (?:stated|"
            r"mentioned|specified|provided|given|indicated|disclosed|known|answerable)\b[^.!?\n]{0,40}[.!]?$",
            r"\A\W*(?:unanswerable|unknown|not (?:mentioned|stated|specified|provided|given|found|available|known|"
            r"in the (?:text|document|context))|no answer|none given|n/?a)\b[^.!?\n]{0,60}[.!]?\W*\Z",
            # German, French, Spanish, Russian, Chinese, Arabic, Japanese.
            r"\b(?:dokument|text|kontext|abschnitt|vertrag|artikel)\w*\b[^.!?\n]{0,60}\b(?:nicht|keine?\w*)\b|"
            r"\bkeine (?:angaben?|informationen?|auskunft)\b|\bgeht\b[^.!?\n]{0,50}\bnicht hervor\b|\bweiß (?:ich|"
            r"es) nicht\b",
            r"\b(?:document|texte|contexte|passage|article|contrat)\b[^.!?\n]{0,30}\bne\b[^.!?\n]{0,40}\bpas\b|"
            r"\baucune (?:information|mention|indication)\b|\bje ne sais pas\b|n[’']est pas (?:mentionn|précis|indiqu)",
            r"\b(?:documento|texto|contexto|pasaje|contrato)\b[^.!?\n]{0,20}\bno\b[^.!?\n]{0,30}\b(?:mencion|dice|"
            r"indica|especific|contien|proporcion)|\bno (?:hay|se (?:menciona|indica|especifica)|lo sé)\b",
            r"(?:документ|текст|контекст|стать|договор)\w*[^.!?\n]{0,40}\bне\b[^.!?\n]{0,20}(?:указ|упомин|сказ|"
            r"содерж|говор|сообща|привод)|\bне (?:указан|упомина|упомянут|сообща|содержит)\w*|\bнет (?:информации|"
            r"ответа|данных|упоминани)|\bя не знаю\b",
            r"(?:文[档件本章中]|上下文|原文|合同|段落)[^。！？\n]{0,12}(?:没有|未|并未|并没有|无)[^。！？\n]{0,8}(?:提[到及供]|说明|给出|包含|指出|涉及|信息)|"
            r"无法(?:回答|确定|得知|判断)|没有(?:提到|提及|相关信息)|我不知道",
            r"(?:لا|لم) (?:يذكر|يحتوي|يتضمن|يوضح|تذكر|تحتوي|يرد|توجد|يوجد)|غير (?:مذكور|محدد)|لا (?:أعرف|أعلم)",
            r"(?:文書|文章|本文|テキスト)[^。\n]{0,20}(?:ない|ません|いない|おらず)|(?:記載|言及|情報)[^。\n]{0,8}(?:ない|ありません|されていません)|わかりません",
        )
    ),
    re.IGNORECASE,
)  # fmt: skip
_TURN: Final = re.compile(
    r"(?:,|;|\.|\bbut\b|\bhowever\b)\s*(?:but|however|although|though|it does|aber|mais|pero|но|但)\b\s*(.{30,})",
    re.IGNORECASE,
)
_FIRST: Final = re.compile(r"\s*[^\n]{0,400}?(?:[.!?。！？؟](?=\s|$|[^\d\s])|\n|\Z)")
_READ_CHARACTERS: Final = 600


def is_refusal(answer: str) -> bool:
    """Whether an answer says, in its first sentence, that the document does not hold one.

    "The document does not mention A, but it says that ..." is an answer.
    """
    head = answer.strip()[:_READ_CHARACTERS]
    first = _FIRST.match(head)
    opening = (first[0] if first else head).strip()
    if not _REFUSALS.search(opening):
        return False
    turned = _TURN.search(head)
    return turned is None or bool(_REFUSALS.search(turned[1]))
