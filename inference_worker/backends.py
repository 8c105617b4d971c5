"""Opens what answers queries: the local engine, the proxy, or one behind the other, as the settings say."""

import structlog

from contract.bus import Bus
from contract.errors import SettingsError
from inference_worker.engines import open_engine
from inference_worker.fallback import Fallback
from inference_worker.generation import Engine
from inference_worker.metered import Metered
from inference_worker.proxy.budget import Budget
from inference_worker.proxy.cache import AnswerCache
from inference_worker.proxy.engine import ProxyEngine
from inference_worker.proxy.remote import Remote
from inference_worker.proxy.target import target_of
from inference_worker.settings import WorkerSettings
from inference_worker.usage_ledger import UsageLedger

log = structlog.get_logger(__name__)


def open_backend(settings: WorkerSettings, bus: Bus) -> Engine:
    """Load what answers; blocks for as long as that takes. `bus` need not be connected yet.

    Raises SettingsError with one sentence.
    """
    ledger = UsageLedger(bus.usage)
    if settings.policy == "local":
        if settings.proxy_url:
            log.info("COPILOT_API_URL is not used: DOCQA_BACKEND does not name the proxy")
        return Metered(open_engine(settings), ledger)
    # First what is quick to refuse.
    proxy = _open_proxy(settings, bus, ledger)
    match settings.policy:
        case "local-then-proxy":
            return Metered(Fallback(open_engine(settings), proxy), ledger)
        case "proxy-then-local":
            return Metered(Fallback(proxy, open_engine(settings)), ledger)
        case _:
            return Metered(proxy, ledger)


def _open_proxy(settings: WorkerSettings, bus: Bus, ledger: UsageLedger) -> ProxyEngine:
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
        redactor=settings.redactor(),
        lose_tokens=ledger.lose,
    )


def _cache(settings: WorkerSettings, bus: Bus) -> AnswerCache | None:
    if not settings.cache_enabled:
        return None
    return AnswerCache(bus.cache, settings.cache_ttl_s, is_shared=settings.cache_shared)
