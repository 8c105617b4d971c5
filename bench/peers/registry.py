"""All contests of `docqa bench peers`, by name."""

from typing import Final

from bench.peers import speed
from bench.peers.contest import Contest
from bench.peers.long_neighbour import LongNeighbour
from bench.peers.memory_growth import Growth
from bench.peers.overload import Crowd
from bench.peers.quality import Quality, WrongDocument
from bench.peers.same_answers import Sameness
from bench.peers.second_question import SecondQuestion

DEFAULT: Final[dict[str, Contest]] = {
    **{contest.name: contest for contest in speed.CONTESTS},
    SecondQuestion.name: SecondQuestion(),
    LongNeighbour.name: LongNeighbour(),
    Crowd.name: Crowd(),
}
"""What is measured when nothing is named."""
ON_DEMAND: Final[dict[str, Contest]] = {
    Quality.name: Quality(),
    WrongDocument.name: WrongDocument(),
    Growth.name: Growth(),
    Sameness.name: Sameness(),
}
"""What takes long: by name only."""
CONTESTS: Final = {**DEFAULT, **ON_DEMAND}
