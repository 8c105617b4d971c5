"""Whether a text is English, by its letters and its function words. Knows nothing of other languages but their own.

A vector model for English alone does better there, and knows nothing of the rest.
"""

import re
from typing import Final

_CHARACTERS: Final = 4_000
"""Of a text that are looked at."""
_NOT_LATIN: Final = 0.3
"""The share of letters beyond Latin ones from which on a text is not English, whatever words stand among them."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LATIN_END: Final = "\u0250"
"""Behind the letters of Latin-1 and its extensions."""
_ENGLISH: Final = frozenset(
    """
    about after and any are at be because been before being between both but by can could did does doing during each
    every for from given had has have having he her his how if into is it its may might more most must my not of off
    only or other our out over shall she should since some such than that the their them then there these they this
    those through to under unless until upon we were what when where whether which while who whom whose why will
    with within without would you your
    """.split()
)
_OTHERS: Final = frozenset(
    """
    aber als am auch auf aus bei bin bis bist da das dem den denn der des die dies diese dieser du durch ein eine einem
    einen einer eines er es für haben hat ich ihr im in ist kann mit muss nach nicht noch nur oder sein sich sie sind so
    soll über um und uns unter vom von vor wann
    war warum was wegen welche welcher wenn wer werden wie wieviel wird wo wurde
    zu zum zur zwischen
    à au aux avec ce ces cette comment dans de des doit du elle en entre est et être il ils je la le les leur leurs mais
    ne nous ont ou où par pas peut plus pour pourquoi qu quand que quel quelle quels qui quoi sa sans se ses si son sont
    sur un une vous
    al algo ante como cómo con cuál cuáles cuando cuándo cuánto cuánta cuántos debe del desde donde dónde el ellos entre
    era esta está este esto fue ha hay hasta las lo los más muy no o para pero por porque puede que qué quién se según
    ser sin sobre su sus también tiene una uno y ya
    alla anche che chi col come cosa da dal dalla degli dei del della delle deve di dopo dove e è gli ha i il le nel
    nella per perché più può quale quali quando quanto questa questo se sia sono sul sulla un
    aan bij dan dat de deze die dit door een en er geen heeft het hij hoe hoeveel ik is kan maar met moet naar niet of
    om ook op te tot uit van voor waar waarom wanneer wat welke werd wie wordt worden zal zijn
    ao aos às até com das do dos e ela ele em foi há isso mais na nas não nem no nos onde os ou para pela pelo por qual
    quais quanto quem são se seu sua também um uma
    av den det ett för från har hur i inte jag kan med men när och om på ska som till vad var vem vid är att en
    af at blev der et fra hvad hvem hvor ikke kan når og på til være er
    co czy dla do gdzie go i jak jest jego kto które która który lub ma na nie od po przez się tak to w z za że
    a ako by byl co do jak je jeho jsou kde kdo kdy na nebo od po pro se si také že
    ama bir bu da daha de gibi hangi için ile kadar kim mi ne nasıl neden olan olarak ve veya
    ei että hän ja joka kuin mikä missä mitä myös ne on ovat se tai
    """.split()
) - {"a", "at", "by", "can", "do", "for", "had", "her", "i", "in", "is", "men", "of", "on", "so", "to", "was"}
"""Words that English has too speak for neither."""


def is_english(text: str) -> bool | None:
    """None where the text has too few words to say so: a name, a number, a heading."""
    return _decided(_WORD.findall(text[:_CHARACTERS]))


def _decided(words: list[str]) -> bool | None:
    letters = sum(map(len, words))
    foreign = sum(sign >= _LATIN_END for word in words for sign in word if sign not in "'’")
    if letters and foreign > _NOT_LATIN * letters:
        return False
    lowered = [word.lower() for word in words]
    english = sum(word in _ENGLISH for word in lowered)
    others = sum(word in _OTHERS for word in lowered)
    if english == others:
        return None
    return english > others
