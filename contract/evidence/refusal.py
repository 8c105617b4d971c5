"""Recognises a model's "the document does not say" in its many wordings."""

import re
from typing import Final

_TEXT: Final = (
    r"(?:documents?|texts?|context|passages?(?! of\b)|excerpts?|paragraphs?|evidence|sources?(?! code)|contents?|"
    r"(?:provided|given|above|available) (?:information|material|details|data)|information (?:provided|given|above|"
    r"available))"
)
"""What a model calls what it read."""
_WORK: Final = r"(?:articles?|contracts?|agreements?|reports?|pages?|files?|policy|letters?)"
"""The same where it names the thing itself: what that does not include may be an answer, what it does not say none."""
_SOURCE: Final = rf"(?:{_TEXT}|{_WORK})"
_NOT: Final = r"(?:(?:do|does|did|has|have|is|are)(?: not|n[’']t)|never|nowhere)"
_SAY: Final = (
    r"(?:say|state|mention|specif|indicat|discuss|answer|describe|tell|explain|clarif|disclos|identif|refer|address|"
    r"make clear|name|provid|(?:contain|includ|give|offer|have) (?:any |enough |sufficient |that |this |the |an? )?"
    r"(?:information|answer|details?|mention|data))"
)
_GIVE: Final = rf"(?:{_SAY}|contain|includ|give|cover|offer|detail|list|(?:seem|appear)s? to)"
_KNOWLEDGE: Final = r"(?:information|mention|details?|answer|data|reference|indication|evidence|statement|context)"
_SAID: Final = (
    r"(?:said|stated|mentioned|specified|provided|contained|included|given|indicated|discussed|addressed|answered|"
    r"covered|described|explained|disclosed|named|clear|available|found|present|possible to (?:say|tell|determine|"
    r"answer))"
)
_ENGLISH: Final = (
    rf"\b{_TEXT}\b[^.!?\n]{{0,40}}?\b{_NOT}\b[^.!?\n]{{0,30}}?\b{_GIVE}",
    rf"\b{_WORK}\b[^.!?\n]{{0,40}}?\b{_NOT}\b[^.!?\n]{{0,30}}?\b{_SAY}",
    rf"\b(?:not|n[’']t|never|nowhere)\b[^.!?\n]{{0,20}}?\b{_SAID}\b[^.!?\n]{{0,30}}?\b(?:in|from|by|within|based on)\b"
    rf"[^.!?\n]{{0,20}}?\b{_SOURCE}\b",
    rf"\b(?:no|any|enough|sufficient|insufficient|without|lacks?)\b[^.!?\n]{{0,20}}?\b{_KNOWLEDGE}\b[^.!?\n]{{0,60}}?"
    rf"\b(?:in|from|within|by|to (?:answer|determine|say|tell))\b[^.!?\n]{{0,24}}?\b(?:{_SOURCE}|question|this|that)\b",
    rf"\b{_SOURCE}\b[^.!?\n]{{0,20}}?\b(?:has|have|contains?|gives?|provides?|offers?|makes?|includes?)\b no(?: \w+)? "
    rf"{_KNOWLEDGE}\b|\b{_SOURCE}\b lacks? (?:\w+ )?{_KNOWLEDGE}\b",
    rf"\b{_SOURCE}\b[^.!?\n]{{0,20}}?\b(?:says?|states?|contains?|mentions?|tells? us|has|have|gives?)\b nothing\b",
    rf"\bnothing\b[^.!?\n]{{0,30}}?\b(?:in|from|within|by)\b[^.!?\n]{{0,20}}?\b{_SOURCE}\b",
    rf"\b{_SOURCE}\b (?:is|are|remains?) silent\b",
    rf"\b(?:none of the|neither)\b[^.!?\n]{{0,20}}?\b{_SOURCE}\b[^.!?\n]{{0,20}}?\b(?:{_SAY}|contain|includ)",
    r"\b(?:there is|there[’']s|there are|i (?:see|find|found)) no (?:(?:explicit|specific|direct|clear|relevant|"
    r"further) )?(?:information|mention|details?|indication|data|reference|"
    r"answer(?= (?:to|in|given|provided)|\W*\Z))\b",
    r"\b(?:i|we)(?: (?:am|[’']m)|[’']m| was)?(?: sorry,? (?:but )?i)? ?(?:can(?:not|[’']t| not)|"
    r"could(?: not|n[’']t)|(?:am |was )?(?:not able|unable)(?: to)?|do(?: not|n[’']t)|did(?: not|n[’']t)) "
    r"(?:know|find|answer|determine|tell|say|see|locate|have (?:any |enough |sufficient |that |this |"
    r"the )?(?:information|details|data|context|answer))\b|\bwe are(?: not|n[’']t) told\b",
    r"\b(?:cannot|can[’']t|can not|could not|couldn[’']t) be (?:answer|determin|said|infer|deduc|conclu|"
    r"establish)\w*|\b(?:impossible|not possible|unable) to (?:answer|determine|tell|say|find|infer|conclude)\b",
    r"\b(?:is|are|was|were|it[’']s)(?: not|n[’']t)(?: (?:explicitly|directly|clearly|specifically))? (?:stated|"
    r"mentioned|specified|provided|given|indicated|disclosed|answerable)(?: (?:here|there|anywhere|explicitly))?\W*\Z",
    rf"\banswer\b[^.!?\n]{{0,40}}?\bnot (?:in|within|part of|to be found)\b[^.!?\n]{{0,20}}?\b{_SOURCE}\b",
    rf"\b{_TEXT}\b (?:is|are) (?:unclear|not clear|not specific)\b",
    r"\bnothing\b[^.!?\n]{0,20}\bis (?:said|mentioned|stated)\b",
    rf"\b(?:unclear|not clear)\b(?: from[^.!?\n]{{0,20}}?\b{_SOURCE}\b|\W*\Z)",
    r"\A\W*(?:there (?:is|[’']s|isn[’']t|is not) )?(?:insufficient|not enough|enough|no(?: relevant| specific)?) "
    r"(?:information|data|context|details?)(?: (?:(?:is|was|are) )?(?:available|given|provided|found)\b[^.!?\n]{0,40}"
    r"| to (?:say|tell|answer|determine)\b[^.!?\n]{0,40}|)\W*\Z",
    r"\A\W*(?:the )?(?:information|answer) (?:is |was )?not (?:found|available|given|provided)\W*\Z",
    rf"\A\W*(?:it|the author|the {_SOURCE}) (?:does|do)(?: not|n[’']t)(?: (?:say|specify|state|tell)[^.,!?\n]{{0,24}})?"
    r"\W*\Z",
    r"\banswer\b[^.!?\n]{0,40}?\b(?:cannot|can not|can[’']t|could not|couldn[’']t) be found\b",
    r"\A\W*(?:unanswerable|unknown|no answer|none given|n/?a)\W*\Z",
    rf"\A\W*not (?:mentioned|stated|specified|provided|given|found|available|known|in)(?:[^.!?\n]{{0,40}}\b{_SOURCE}\b)"
    r"?\W*\Z",
)
_GERMAN: Final = (
    r"\b(?:dokument|text|kontext|abschnitt|vertrag|artikel)\w*\b[^.!?\n]{0,50}\b(?:nichts?|keine?\w*)\b[^.!?\n]{0,40}"
    r"(?:erwähn|nenn|genannt|sagt|enth|angab|angeg|inform|beschr|beantwort|hervor|steht|\bgibt)|"
    r"\b(?:dokument|text|kontext|abschnitt|vertrag|artikel)\w*\b[^.!?\n]{0,20}(?:sagt|steht|enthält|nennt|erwähnt|gibt)\b"
    r"[^.!?\n]{0,40}\b(?:nichts?|keine?\w*)\b|"
    r"\b(?:steht|sagt)\b[^.!?\n]{0,30}\b(?:nichts?|keine?\w*)\b[^.!?\n]{0,20}\b(?:dokument|text|vertrag|abschnitt)|"
    r"\bkeine (?:angaben?|informationen?|auskunft)\b|\bgeht\b[^.!?\n]{0,50}\bnicht hervor\b|\bweiß (?:ich|es) nicht\b|"
    r"\bnicht (?:erwähnt|angegeben|beantwortet werden)\b"
)
_ROMANCE: Final = (
    # French, Spanish, Italian, Portuguese.
    r"\b(?:document|texte|contexte|passage|article|contrat)\b[^.!?\n]{0,30}\bn(?:e\b|[’'])[^.!?\n]{0,20}(?:mentionn|précis|indiqu|"
    r"\bdit\b|contien|donn|répond|fourni|parl|spécifi)[^.!?\n]{0,20}\b(?:pas|rien|aucune?)\b|"
    r"\baucune (?:information|mention|indication)\b|\bpas d[’'](?:information|indication)|"
    r"\bje ne (?:sais pas|trouve pas)\b|n[’']est pas (?:mentionn|précis|indiqu)",
    r"\b(?:documento|texto|contexto|pasaje|contrato)\b[^.!?\n]{0,20}\b(?:no|não)\b[^.!?\n]{0,30}\b(?:mencion|dice|diz|"
    r"indica|especific|contien|contém|proporcion|fornece)|\b(?:no hay|não há) (?:información|informaç|mención|datos)|"
    r"\bno (?:se (?:menciona|indica|especifica)|lo sé)\b|\brespuesta no se encuentra\b",
    r"\b(?:documento|testo|contesto|brano|contratto)\b[^.!?\n]{0,20}\bnon\b[^.!?\n]{0,20}\b(?:menzion|forni|indica|dice|"
    r"specifica|contiene|riporta)|\bnon (?:è|viene) (?:specificat|menzionat|indicat)|\bnon lo so\b",
)
_OTHERS: Final = (
    # Dutch, Swedish, Polish, Turkish, Vietnamese, Russian, Chinese, Arabic, Japanese, Korean, Thai.
    r"\b(?:document|tekst|context|contract)\b[^.!?\n]{0,20}\b(?:vermeldt|zegt|noemt|bevat|geeft)\b[^.!?\n]{0,30}\b(?:niet|"
    r"niets|geen)\b|\b(?:dokumentet|texten)\b[^.!?\n]{0,10}\b(?:nämner|säger|anger|innehåller)\b[^.!?\n]{0,20}\b(?:inte|"
    r"inget|ingen)|\b(?:dokument|tekst)\b[^.!?\n]{0,10}\bnie\b[^.!?\n]{0,10}(?:wspomina|zawiera|podaje|mówi)|"
    r"\bbelirtilmemiş|\bbilgi (?:yok|bulunmuyor)|(?:tài liệu|văn bản)[^.!?\n]{0,20}không (?:đề cập|nêu|nói)",
    r"(?:документ|текст|контекст|стать|договор)\w*[^.!?\n]{0,40}\bне\b[^.!?\n]{0,20}(?:указ|упомин|сказ|"
    r"содерж|говор|сообща|привод|ясно)|\bне (?:указан|упомина|упомянут|сообща|содержит)\w*|\bнет (?:информации|"
    r"ответа|данных|упоминани)|\bничего не (?:сказано|говорится|сообща)|из текста[^.!?\n]{0,10}неясно|\bя не знаю\b",
    r"(?:文[档件本章中]|上下文|原文|合同|段落)[^。！？\n]{0,12}(?:没有|未|并未|并没有|无)[^。！？\n]{0,8}(?:提[到及供]|说明|给出|包含|指出|涉及|信息)|"
    r"无法(?:回答|确定|得知|判断)|没有(?:提到|提及|(?:提供)?相关信息)|我不知道",
    r"(?:لا|لم) (?:يذكر|يحتوي|يتضمن|يوضح|تذكر|تحتوي|يرد|توجد|يوجد)|غير (?:مذكور|محدد)|لا (?:أعرف|أعلم)|"
    r"لا يمكن (?:الإجابة|تحديد|معرفة)",
    r"(?:文書|文章|本文|テキスト)[^。\n]{0,20}(?:ない|ません|いない|おらず)|(?:記載|言及|情報)[^。\n]{0,8}(?:ない|ありません|されていません)|わかりません",
    r"(?:문서|본문|텍스트|지문)[^.\n]{0,20}(?:없습니다|않습니다|없다|않다)|알 수 없|정보가 없|"
    r"ไม่ได้(?:ระบุ|กล่าวถึง|บอก)|ไม่มีข้อมูล",
)
_REFUSALS: Final = re.compile("|".join((*_ENGLISH, _GERMAN, *_ROMANCE, *_OTHERS)), re.IGNORECASE)
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
