"""What clients were promised, held against what is stored: nothing lost, nothing twice."""

import httpx
import msgspec
from nats.js.errors import NotFoundError

from contract import topology
from contract.bus import Bus
from contract.messages import Answer, DeadLetter, Failure, Result, decode_result
from tests.support.client import located_id
from tests.support.waiting import eventually

RESULTS_STREAM = f"KV_{topology.RESULTS_BUCKET}"
STARTS_STREAM = f"KV_{topology.STARTS_BUCKET}"


class Ledger:
    """Every job that clients know of, and how certain each may be that it was accepted."""

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        self.maybe: set[str] = set()
        self.answers: dict[str, str] = {}
        self.refused = 0
        self.broken = 0
        """POSTs that the client can't name: the connection broke, or the job failed while the client waited."""

    def note(self, response: httpx.Response) -> None:
        """Record the reply to a POST to /api/query."""
        match response.status_code:
            case 200:
                self.answers[response.json()["id"]] = response.json()["answer"]
                self.accepted.add(response.json()["id"])
            case 202:
                self.accepted.add(located_id(response))
            case 503 if "location" in response.headers:
                self.maybe.add(located_id(response))
            case 429 | 503:
                self.refused += 1
            case 500 | 504:
                self.broken += 1
            case other:
                raise AssertionError(f"{other}: {response.text}")

    def tally(self) -> str:
        counts = (len(self.accepted), self.refused, len(self.maybe), self.broken)
        return "{} accepted, {} refused, {} unknown, {} cut".format(*counts)

    async def settled(self, bus: Bus, timeout_s: float = 60.0) -> dict[str, Result]:
        """Wait for an empty stream, then hold the bucket against the promises; the results by job id."""
        await queue_is_empty(bus, timeout_s)
        results = await stored_results(bus)
        lost = self.accepted - results.keys()
        assert not lost, f"lost: {sorted(lost)}"
        extra = results.keys() - self.accepted - self.maybe
        assert len(extra) <= self.broken, f"results that nobody asked for: {sorted(extra)}"
        for job_id, text in self.answers.items():
            result = results[job_id]
            assert isinstance(result, Answer)
            assert result.answer == text, f"{job_id} was answered with another text than the stored one"
        return results


async def queue_is_empty(bus: Bus, timeout_s: float = 60.0) -> None:
    async def probe() -> bool:
        return (await bus.queue_state()).depth == 0

    await eventually(probe, "the stream of jobs is empty", timeout_s)


async def stored_results(bus: Bus) -> dict[str, Result]:
    """All results by job id, after a look at the bucket: no key is written twice, unless its document was erased."""
    info = await bus.js.stream_info(RESULTS_STREAM, subjects_filter=">")
    keys = [subject.removeprefix(f"$KV.{topology.RESULTS_BUCKET}.") for subject in info.state.subjects or {}]
    assert info.state.messages == len(keys)
    entries = [await bus.results.get(key) for key in keys]
    results = {
        key.rsplit(".", 1)[1]: decode_result(entry.value) for key, entry in zip(keys, entries, strict=True) if entry
    }
    assert len(results) == len(keys), "one id has results under two names"
    erased = sum(isinstance(result, Failure) and result.code == "erased" for result in results.values())
    assert info.state.last_seq <= len(keys) + erased, "a result was written twice"
    assert all(result.id == job_id for job_id, result in results.items())
    return results


async def stored_subjects(bus: Bus, stream: str) -> dict[str, int]:
    """The subjects of a stream and how many messages each has."""
    return (await bus.js.stream_info(stream, subjects_filter=">")).state.subjects or {}


async def dead_letters(bus: Bus) -> list[tuple[str, DeadLetter]]:
    """All dead letters with their subjects, oldest first."""
    state = (await bus.js.stream_info(topology.DEAD_STREAM)).state
    letters = []
    for sequence in range(max(state.first_seq, 1), state.last_seq + 1):
        try:
            message = await bus.js.get_msg(topology.DEAD_STREAM, sequence)
        except NotFoundError:
            continue
        letters.append((message.subject or "", msgspec.json.decode(message.data or b"", type=DeadLetter)))
    return letters


async def starts(bus: Bus, job_id: str) -> int:
    """How often a job was started, in company and alone, while it has no result."""
    for subject in await stored_subjects(bus, STARTS_STREAM):
        if subject.endswith(job_id) and (entry := await bus.starts.get(subject.split(".", 2)[2])):
            return sum(map(int, entry.headers["Docqa-Starts"].split(",")[:2]))
    return 0


async def is_running(bus: Bus, at_least: int = 1, timeout_s: float = 30.0) -> None:
    """Wait until so many jobs have been started that have no result yet."""

    async def probe() -> bool:
        return len(await stored_subjects(bus, STARTS_STREAM)) >= at_least

    await eventually(probe, f"{at_least} jobs are running", timeout_s, every_s=0.01)


def answered(results: dict[str, Result], ids: set[str]) -> None:
    """Each of these jobs has an answer."""
    failed = [result for job_id, result in results.items() if job_id in ids and isinstance(result, Failure)]
    assert not failed, f"failed: {failed[:5]}"
    assert ids <= results.keys()
