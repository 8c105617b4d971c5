"""Publishing a job, with the server's answers made up."""

import pytest

from contract.bus import Bus
from contract.errors import (
    AlreadyAcceptedError,
    BusError,
    BusUnavailableError,
    OutcomeUnknownError,
    QueueFullError,
)
from contract.topology import JobName

JOB = JobName("http", "local", "00000000-0000-7000-8000-000000000001")


class Answering(Bus):
    """Publishes with the outcomes that a test names, one a try."""

    def __init__(self, *outcomes: BusError | None) -> None:
        super().__init__()
        self.outcomes = list(outcomes)

    async def _publish_stored(self, subject: str, body: bytes, headers: dict[str, str]) -> int:
        assert (subject, body) == (JOB.subject, b"{}")
        if outcome := self.outcomes.pop(0):
            raise outcome
        return 7


@pytest.mark.parametrize(
    "outcomes",
    [[None], [OutcomeUnknownError(), None], [OutcomeUnknownError(), AlreadyAcceptedError()]],
    ids=["stored", "stored by the second try", "stored by the first try, of which nothing was heard"],
)
async def test_a_job_that_was_stored_is_accepted(outcomes: list[BusError | None]) -> None:
    bus = Answering(*outcomes)
    await bus.publish_job(JOB, b"{}", {})
    assert not bus.outcomes


@pytest.mark.parametrize("refusal", [QueueFullError(), AlreadyAcceptedError(), BusUnavailableError()])
async def test_a_first_try_that_was_refused_is_the_last(refusal: BusError) -> None:
    bus = Answering(refusal)
    with pytest.raises(type(refusal)):
        await bus.publish_job(JOB, b"{}", {})


@pytest.mark.parametrize(
    "second", [OutcomeUnknownError(), QueueFullError(), BusUnavailableError(), BusError("Something else.")]
)
async def test_after_an_unknown_first_try_only_a_stored_second_one_tells_the_outcome(second: BusError) -> None:
    """A full queue may be full of the first try's job."""
    with pytest.raises(OutcomeUnknownError):
        await Answering(OutcomeUnknownError(), second).publish_job(JOB, b"{}", {})
