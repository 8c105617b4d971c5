"""Opens the local engine that the settings ask for. Imports llama.cpp only when it is asked for."""

import structlog

from contract.errors import SettingsError
from inference_worker import metrics
from inference_worker.echo import EchoEngine
from inference_worker.generation import Engine
from inference_worker.kept import record
from inference_worker.model_file import locate_model
from inference_worker.settings import WorkerSettings

log = structlog.get_logger(__name__)


def open_engine(settings: WorkerSettings) -> Engine:
    """Load the model; blocks for as long as that takes. Raises SettingsError with one sentence."""
    if settings.engine == "echo":
        return EchoEngine(settings.slots, settings.echo_delay_s)
    return _open_llama(settings)


def hint_for(settings: WorkerSettings) -> str:
    """What would make the engine faster, in a sentence; empty when nothing is known that would."""
    if settings.engine == "echo" or settings.policy == "proxy":
        return ""
    from inference_worker.tuning.plan import plan_model

    return plan_model(settings).hint


def _open_llama(settings: WorkerSettings) -> Engine:
    try:
        from inference_worker.engine import LlamaEngine
        from inference_worker.model import Model
        from inference_worker.tuning.plan import plan_model
    except ImportError as error:
        raise SettingsError(
            f"DOCQA_ENGINE: the local engine needs {error.name}; install goblin-docqa[llama]."
        ) from None
    given = locate_model(settings.model_path, settings.model_name)
    record.check(given, settings.snapshots_folder, settings.model_check)
    plan = plan_model(settings)
    if plan.hint:
        log.info(plan.hint)
    model = Model(plan.path, plan.options, settings.slots, settings.context_tokens)
    donor_bytes = settings.prefix_cache_mb * 1_000_000
    return LlamaEngine(
        model, name=plan.name, donor_bytes=donor_bytes, share_with=settings.share_prefixes, on_step=metrics.count_step
    )
