"""Opens the engine that the settings ask for. Imports the local engine only when it is asked for."""

from contract.errors import SettingsError
from inference_worker.cores import available_cores
from inference_worker.echo import EchoEngine
from inference_worker.generation import Engine
from inference_worker.model_file import locate_model
from inference_worker.settings import WorkerSettings


def open_engine(settings: WorkerSettings) -> Engine:
    """Load what answers queries; blocks for as long as that takes. Raises SettingsError with one sentence."""
    if settings.engine == "echo":
        return EchoEngine(settings.slots, settings.echo_delay_s)
    if not settings.enable_local_model:
        raise SettingsError(
            "DOCQA_ENABLE_LOCAL_MODEL: the local model is all that answers in this version, there is no proxy yet; "
            "leave it at true."
        )
    if settings.model_quantization != "auto":
        raise SettingsError(
            "MODEL_QUANTIZATION: this version runs a model file as it is and knows `auto` only; "
            "name a file of that quantization in MODEL_NAME."
        )
    return _open_llama(settings)


def _open_llama(settings: WorkerSettings) -> Engine:
    path = locate_model(settings.model_path, settings.model_name)
    try:
        from inference_worker.engine import LlamaEngine
        from inference_worker.model import Model
    except ImportError as error:
        raise SettingsError(
            f"DOCQA_ENGINE: the local engine needs {error.name}; install goblin-docqa[llama]."
        ) from None
    return LlamaEngine(Model(path, settings.threads or available_cores()), settings.slots)
