"""All contests of `docqa bench peers`, by name."""

from typing import Final

from bench.peers import speed
from bench.peers.contest import Contest
from bench.peers.long_neighbour import LongNeighbour
from bench.peers.memory_growth import MemoryGrowth
from bench.peers.overload import Overload
from bench.peers.quality import Quality, WrongDocument
from bench.peers.same_answers import SameAnswers
from bench.peers.second_question import SecondQuestion

DEFAULT: Final[dict[str, Contest]] = {
    **{contest.name: contest for contest in speed.CONTESTS},
    SecondQuestion.name: SecondQuestion(),
    LongNeighbour.name: LongNeighbour(),
    Overload.name: Overload(),
}
"""Contests that run by default."""
ON_DEMAND: Final[dict[str, Contest]] = {
    Quality.name: Quality(),
    WrongDocument.name: WrongDocument(),
    MemoryGrowth.name: MemoryGrowth(),
    SameAnswers.name: SameAnswers(),
}
"""Long contests, which run only by name."""
CONTESTS: Final = {**DEFAULT, **ON_DEMAND}
