"""Opens what answers queries: the local engine, the proxy, or one behind the other, as the settings say."""

import shlex
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from contract import answer_choice
from contract.answer_choice import EVIDENCE_TOKENS
from contract.bus import Bus
from contract.errors import SettingsError
from contract.runtime.resources import available_cores
from inference_worker.answering.excerpt import narrowing
from inference_worker.answering.grounded import Grounded, Grounding
from inference_worker.answering.library import Library
from inference_worker.answering.ranking_process import RankingProcess
from inference_worker.answering.texts import Texts
from inference_worker.engines.base import Engine
from inference_worker.engines.compiling import HINT, CompilingEngine, is_compiling
from inference_worker.engines.echo import EchoEngine
from inference_worker.engines.fallback import Fallback
from inference_worker.engines.replaceable import Replaceable
from inference_worker.model_files import record, soundness
from inference_worker.model_files.locate import locate_model
from inference_worker.monitoring import metrics
from inference_worker.proxy.api_client import Remote, target_of
from inference_worker.proxy.budget import Budget
from inference_worker.proxy.cache import AnswerCache
from inference_worker.proxy.engine import LoseTokens, ProxyEngine, ignore_lost_tokens
from inference_worker.settings import WorkerSettings

if TYPE_CHECKING:
    from contract.embedding import Embedders

log = structlog.get_logger(__name__)


def open_engine(settings: WorkerSettings) -> Engine:
    """Load the model; blocks for as long as that takes. Raises SettingsError with one sentence."""
    if settings.engine == "echo":
        return EchoEngine(settings.slots, settings.echo_delay_s)
    if settings.llama_compiling and is_compiling(settings.llama_compiling):
        name = locate_model(settings.model_path, settings.model_name).stem
        return CompilingEngine(settings.llama_compiling, name, settings.slots, settings.context_tokens)
    return _open_llama(settings)


def hint_for(settings: WorkerSettings) -> str:
    """What would make the engine faster, in a sentence; empty when nothing is known that would."""
    if settings.engine == "echo" or settings.policy == "proxy":
        return ""
    if is_compiling(settings.llama_compiling):
        return HINT
    from inference_worker.model_files.plan import plan_model

    return plan_model(settings).hint


def expected_pace(settings: WorkerSettings) -> float:
    """Questions per second with all slots busy, before any was answered; 0 where nothing is known.

    Of a model that was tuned on this machine, as the tuning measured it.
    """
    if settings.engine == "echo":
        return settings.slots / settings.echo_delay_s if settings.echo_delay_s else 0.0
    if settings.policy == "proxy" or is_compiling(settings.llama_compiling):
        return 0.0
    from inference_worker.model_files.plan import plan_model

    return plan_model(settings).questions_per_s


def needs_tuning(settings: WorkerSettings) -> bool:
    """True if the model was not measured on this machine, and may be measured while the worker is idle."""
    return settings.tune == "idle" and not is_compiling(settings.llama_compiling) and bool(hint_for(settings))


def open_tuned(settings: WorkerSettings) -> Engine:
    """Load the model in the form that was just chosen, or as it was given where that can't be loaded."""
    try:
        return open_engine(settings)
    except SettingsError as error:
        log.warning("the tuned form can't be loaded: the model runs as it was given", reason=str(error))
        return open_engine(msgspec.structs.replace(settings, model_quantization="as-is"))


def _open_llama(settings: WorkerSettings) -> Engine:
    try:
        from inference_worker.llama.binding.model import Model
        from inference_worker.llama.engine import LlamaEngine
        from inference_worker.model_files import amx
        from inference_worker.model_files.plan import plan_model
        from inference_worker.model_files.shape import shape_in
    except ImportError as error:
        raise SettingsError(
            f"DOCQA_ENGINE: the local engine needs {error.name}; install goblin-docqa[llama]."
        ) from None
    given = locate_model(settings.model_path, settings.model_name)
    soundness.wait_until_written(given)
    record.check(given, settings.snapshots_folder, settings.model_check)
    plan = plan_model(settings)
    if plan.hint:
        log.info(plan.hint)
    options = amx.checked(plan.options, given, settings.model_cache)
    model = Model(plan.path, options, settings.slots, settings.context_tokens, shape_in(given))
    cache_bytes = settings.prefix_cache_mb * 1_000_000
    engine = LlamaEngine(
        model, name=plan.name, cache_bytes=cache_bytes, share_with=settings.share_prefixes, on_step=metrics.count_step
    )
    engine.warm_up()
    return engine


def open_backend(settings: WorkerSettings, bus: Bus, lose_tokens: LoseTokens = ignore_lost_tokens) -> Grounded:
    """Load what answers; blocks for as long as that takes. `bus` need not be connected yet.

    `lose_tokens` gets the tokens that the proxy may have charged without an answer. Raises SettingsError.
    """
    process = RankingProcess(settings.embedding_model, available_cores())
    texts = Texts(partial(_open_embedders, settings), process=process)
    # The embedder is loaded while the model is, and before the first question: its evidence takes milliseconds then.
    warmed = texts.warm() if settings.engine != "echo" else None
    writer = _open_writer(settings, bus, lose_tokens, texts)
    if warmed:
        warmed.result()
    return Grounded(writer, texts, _grounding(settings), Library(bus))


def _grounding(settings: WorkerSettings) -> Grounding:
    is_echo = settings.engine == "echo" and settings.policy != "proxy"
    return Grounding(
        style=settings.style,
        auto_quotes=settings.policy == "local" and not is_echo and is_better_quoted(settings),
        evidence_tokens=None if is_echo else evidence_tokens(settings),
        abstain=settings.abstain,
        support_min=settings.support_min,
        only_asked=is_echo,
    )


def evidence_tokens(settings: WorkerSettings) -> int | None:
    """How much evidence the local model reads of a document; None: all of it.

    Where the proxy is asked first, it gets the evidence that fits a larger model, as `narrowing` chooses it.
    """
    if settings.policy in ("proxy", "proxy-then-local") or settings.read == "whole":
        return None
    if settings.read.isdecimal():
        return int(settings.read)
    choice = answer_choice.kept(locate_model(settings.model_path, settings.model_name), settings.model_cache)
    measured = choice.evidence_tokens if choice else EVIDENCE_TOKENS
    return measured or (EVIDENCE_TOKENS if settings.read == "evidence" else None)


def is_better_quoted(settings: WorkerSettings) -> bool:
    """Whether pointing at sentences was measured to be right more often than the model's own words.

    Of the bundled model it ships (docs/answers.md); a model that was not measured writes, once it is there.
    """
    if is_compiling(settings.llama_compiling):
        return True
    choice = answer_choice.kept(locate_model(settings.model_path, settings.model_name), settings.model_cache)
    return choice is not None and choice.style == "quote"


def answers_hint_for(settings: WorkerSettings) -> str:
    """The command that measures whether the model should write or point, where that is not known; else empty."""
    if settings.engine == "echo" or settings.policy == "proxy" or settings.style != "auto":
        return ""
    model = locate_model(settings.model_path, settings.model_name)
    if answer_choice.kept(model, settings.model_cache):
        return ""
    return (
        f"Whether {model.stem}'s own words are right more often than the document's sentences was not measured: it "
        f"writes. Measure it: docqa models compare {shlex.quote(str(model))}."
    )


def _open_embedders(settings: WorkerSettings) -> "Embedders | None":
    # Imported here: without vectors numpy is not needed.
    from contract.embedding import open_embedders

    return open_embedders(settings.embedding_model, available_cores())


def _open_writer(settings: WorkerSettings, bus: Bus, lose_tokens: LoseTokens, texts: Texts) -> Engine:
    """The engine that writes answers, without their evidence."""
    if settings.policy == "local":
        if settings.proxy_url:
            log.info("COPILOT_API_URL is not used: DOCQA_BACKEND does not name the proxy")
        return Replaceable(open_engine(settings)) if needs_tuning(settings) else open_engine(settings)
    # First what is quick to refuse.
    proxy = _open_proxy(settings, bus, lose_tokens, texts)
    match settings.policy:
        case "local-then-proxy":
            return Fallback(open_engine(settings), proxy)
        case "proxy-then-local":
            return Fallback(proxy, open_engine(settings))
        case _:
            return proxy


def _open_proxy(settings: WorkerSettings, bus: Bus, lose_tokens: LoseTokens, texts: Texts) -> ProxyEngine:
    target = target_of(settings.proxy_url, allow_http=settings.proxy_allow_http)
    if not settings.proxy_model:
        raise SettingsError("DOCQA_PROXY_MODEL: name the model that the proxy is to answer with.")
    if settings.token_budget_daily is None:
        log.warning("COPILOT_TOKEN_BUDGET_DAILY is not set: what the proxy may cost has no bound")
    log.info("the proxy may answer", host=target.host, model=settings.proxy_model, policy=settings.policy)
    return ProxyEngine(
        Remote(target, settings.proxy_key, first_byte_s=settings.proxy_first_byte_s, idle_s=settings.proxy_idle_s),
        Budget(bus.budget, settings.token_budget_daily),
        _cache(settings, bus),
        model=settings.proxy_model,
        slots=settings.slots,
        context_tokens=settings.proxy_context_tokens,
        redactor=settings.redactor_of_all_kinds(),
        lose_tokens=lose_tokens,
        narrow=narrowing(texts),
    )


def _cache(settings: WorkerSettings, bus: Bus) -> AnswerCache | None:
    if not settings.cache_enabled:
        return None
    return AnswerCache(bus.cache, settings.cache_ttl_s, is_shared=settings.cache_shared)
