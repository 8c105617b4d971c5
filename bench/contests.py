"""All contests of `docqa bench peers`, by name."""

from typing import Final

from bench import speed
from bench.contest import Contest
from bench.crowd import Crowd
from bench.growth import Growth
from bench.long_neighbour import LongNeighbour
from bench.quality import Quality, WrongDocument
from bench.sameness import Sameness
from bench.second_question import SecondQuestion

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
