"""Words that say nothing about what a question is about, in the languages that are met most."""

import re
from typing import Final

_ENGLISH: Final = """
a about above after again all also am an and any are aren't as at be because been before being below between both but
by can can't cannot could did didn't do does doesn't doing don't down during each else ever few for from further get
gets give given had has have having he her here hers herself him himself his how i i'd i'll i'm i've if in into is
isn't it its itself just kind let's many may me might more most much must my myself no nor not of off on once only or
other ought our ours ourselves out over own please same shall she should shouldn't so some such tell than that the
their theirs them themselves then there these they this those through to too under until up upon us very was wasn't we
were weren't what what's when where which while who who's whom whose why will with won't would wouldn't you your yours
yourself yourselves
"""
_GERMAN: Final = """
aber alle als also am an auch auf aus bei beim bin bis bist da dann das dass dem den denn der des die dies diese
diesem diesen dieser dieses durch ein eine einem einen einer eines er es fur hat hatte haben ich ihm ihn ihr ihre im
in ist ja kann man mit nach nicht noch nur ob oder ohne sein seine sich sie sind so uber um und uns unter vom von vor
war waren warum was welche welchem welchen welcher welches wann wem wen wenn wer werden wie wieviel wird wo wurde
wurden zu zum zur
"""
_FRENCH: Final = """
au aux avec ce ces cette comment combien dans de des du elle elles en est et ete etait il ils je la le les leur leurs
lors mais ne nous ont ou par pas pour pourquoi qu quand que quel quelle quelles quels qui quoi sa se ses son sont sur
un une vous
"""
_SPANISH: Final = """
al como con cual cuales cuando cuanto cuantos cuantas de del desde donde el ella ellos en entre era es esta este fue
fueron ha han hay la las lo los mas muy o para pero por porque que quien quienes se ser si sin sobre son su sus una
uno unos y
"""
_OTHERS: Final = """
che chi con cosa dei del della delle di dove gli i il la le lo nel nella per perche quale quali quando quanti quanto
si sono ao as com da das do dos e em foi na nas no nos onde os ou para pelo qual quais quantos quem sao seu sua um uma
aan bij dat de die dit een en er het hoe hoeveel in is met naar niet of om op te van voor waar waarom wat welke werd
wie
"""
_RUSSIAN: Final = """
а без был была были было быть в вам вас весь во вот все вы где для до его ее если есть еще же за и из или им их к как
какая какие какой каком какого какую каких кем ко когда кого который которая которые которое кто ли между мы на над не
него нее ни них но о об один одна он она они от по под почему при с сколько со так также такой там то только ты у уже
чего чей чем что чтобы чья это этот эта эти этой этом этого я
"""
_ARABIC: Final = """
ما ماذا من متي اين كيف لماذا كم هل اي ايه الذي التي الذين في علي الي عن مع هذا هذه ذلك تلك هو هي هم كان كانت يكون تكون
قد لقد ان انه انها او ثم بعد قبل بين عند كل بعض غير لا لم لن ليس و حول خلال حيث منذ حتي اذا كما فيه فيها به بها له لها
تم
"""

STOP_WORDS: Final = frozenset("".join((_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _OTHERS, _RUSSIAN, _ARABIC)).split()) - {
    "war",
    "die",
    "hat",
    "man",
    "as",
    "sein",
    "all",
} | {"as", "all", "how", "'s", "s", "t"}
"""Folded as `words.fold` does. Short German words that are English ones with a meaning stay words."""

PARTICLES: Final = re.compile(
    "什么|甚么|哪些|哪个|哪一|哪里|哪|谁|誰|多少|几|何时|為什麼|为什么|怎么|如何|是否|吗|嗎|呢|吧|的|了|着|過|是|在|和|与|與|及|或|"
    "何ですか|ですか|でしたか|ました|ません|ます|です|どこ|だれ|いつ|なぜ|どの|どれ|いくつ|という|として|について|[はがをにへとで]|"
    "무엇|누구|언제|어디|어떻게|얼마나|몇|입니까|습니까|는가|인가|อะไร|ใคร|เมื่อไร|เมื่อใด|ที่ไหน|ทำไม|อย่างไร|เท่าไร|กี่"
)
"""What a run of Chinese, Japanese, Korean or Thai is cut at: question words and the commonest particles."""
