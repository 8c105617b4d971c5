"""Measures how close the choice between two tokens was, for `docqa bench peers`.

Reads pairs of greedy answers to the same prompts from stdin, has the model evaluate what both have in common, and
reports how far apart the two next tokens are. The order of sums decides between tokens that are nearly as likely.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing

import msgspec
import numpy as np
import numpy.typing as npt

from contract import settings
from contract.runtime import logs
from contract.worker_tools import Fork, NearTies, Pair
from inference_worker.llama.binding.model import Model
from inference_worker.llama.engine import prefix_tokens
from inference_worker.llama.prefix_cache import common_length
from inference_worker.llama.sequence import Span
from inference_worker.model_files.plan import plan_model
from inference_worker.settings import WorkerSettings
from inference_worker.tools.report import reply


def main() -> int:
    """Exit status 2 with a sentence when a setting can't be used."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    logs.configure("development", "near-ties")  # stdout is for the reply
    return reply(
        lambda: NearTies(forks=measure(msgspec.json.decode(sys.stdin.buffer.read(), type=list[Pair]), os.environ))
    )


def measure(pairs: list[Pair], environment: Mapping[str, str]) -> list[Fork]:
    """One fork for each pair, on the model that the settings name, run as the worker runs it; raises DocQAError."""
    plan = plan_model(settings.load(WorkerSettings, environment))
    with closing(Model(plan.path, plan.options, 1)) as model:
        ends = [token for token in range(len(model.vocabulary.token_bytes)) if model.vocabulary.ends_answer(token)]
        return [fork(model, pair, ends) for pair in pairs]


def fork(model: Model, pair: Pair, ends: list[int]) -> Fork:
    """Read the prompt and the common part, and compare the next two; an answer that is over goes on with its end."""
    first, second = (model.vocabulary.tokenize(text, parse_special=False) for text in (pair.first, pair.second))
    common = common_length(first, second)
    log_p = _log_probabilities(_logits_after(model, [*_prompt(model, pair), *first[:common]]))
    end = max(ends, key=lambda token: float(log_p[token]))
    next_two = [next(iter(tokens[common:]), end) for tokens in (first, second)]
    said = [float(log_p[token]) for token in next_two]
    return Fork(
        common_tokens=common,
        first=model.vocabulary.piece(next_two[0]).decode(errors="replace"),
        second=model.vocabulary.piece(next_two[1]).decode(errors="replace"),
        gap_nats=round(abs(said[0] - said[1]), 4),
        behind_nats=round(float(log_p.max()) - min(said), 4),
    )


def _both(first: list[int], second: list[int]) -> Iterator[tuple[int | None, int | None]]:
    longest = max(len(first), len(second))
    padded = ([*tokens, *[None] * (longest - len(tokens))] for tokens in (first, second))
    return zip(*padded, strict=True)


def _prompt(model: Model, pair: Pair) -> list[int]:
    prompt = model.template.render(pair.query, pair.context)
    user = model.vocabulary.tokenize(prompt.user, parse_special=False)
    return [*prefix_tokens(model, prompt.before), *user, *model.vocabulary.tokenize(prompt.after, parse_special=True)]


def _logits_after(model: Model, tokens: list[int]) -> npt.NDArray[np.float32]:
    """What the model says after `tokens`, read from the start in one row."""
    model.clear()
    place = 0
    for start in range(0, len(tokens), model.step_tokens):
        part = tokens[start : start + model.step_tokens]
        [place] = model.decode([Span(0, start, part, wants_logits=start + len(part) == len(tokens))])
    return model.logits(place).copy()


def _log_probabilities(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    shifted = logits.astype(np.float64) - float(logits.max())
    said: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return said


if __name__ == "__main__":
    sys.exit(main())
