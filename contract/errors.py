"""The project's exceptions, in one tree. A class's docstring is its default message."""

from datetime import datetime


class DocQAError(Exception):
    """Something went wrong in Goblin DocQA."""

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or type(self).__doc__)


class SettingsError(DocQAError):
    """A setting can't be used."""


class BadNameError(DocQAError):
    """A publisher, client or job id does not have the form that the bus accepts."""


class BadMessageError(DocQAError):
    """A message on the bus is not a query."""


class UnreadableResultError(DocQAError):
    """A stored result can't be read: it may have been written by a newer version."""


class TooManySecretsError(DocQAError):
    """The text holds more than 1000 secrets: take them out, or send it in parts."""


class NewerVersionError(DocQAError):
    """A message was written by a newer version than this one."""


class StoreReplacedError(DocQAError):
    """The library's database was replaced while it was in use: the library is started again with the new one."""


class BusError(DocQAError):
    """The bus refused or did not answer."""


class BusUnavailableError(BusError):
    """The message bus is unavailable: nothing was sent, and nothing will be sent later."""


class ConnectionLostError(BusError):
    """The connection to the bus ended for good: this process ends too, to be started again."""


class OutcomeUnknownError(BusError):
    """The bus did not confirm whether it stored the job."""


class QueueFullError(BusError):
    """The queue is full."""


class StoreFullError(BusError):
    """A store on the bus is full."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The store {name} is full.")


class MessageTooLargeError(BusError):
    """The message is larger than the bus accepts."""


class AlreadyAcceptedError(BusError):
    """A job with this id is already waiting or running."""


class NotProvisionedError(BusError):
    """The bus has no stream for jobs; `docqa nats` makes it."""


class EngineError(DocQAError):
    """The engine could not answer this query."""

    code: str = "engine-error"
    """The code of the failure that is stored for it."""
    is_passing: bool = True
    """True if another attempt may succeed."""
    is_replayable: bool = True
    """True if a dead letter is kept once all attempts have failed."""


class AnswerFormError(EngineError):
    """Field `response_format`: answers can't be held to this schema: ask with a simpler one."""

    code = "bad-request"
    is_passing = False
    is_replayable = False


class NoAnswerError(EngineError):
    """The model gave its reasoning and no answer: ask with a larger `max_tokens`."""

    is_passing = False


class EngineBlockedError(DocQAError):
    """The engine can't answer any more until its process is started again."""


class ProxyError(EngineError):
    """The proxy could not answer this query."""

    code = "proxy-error"

    def __init__(self, sentence: str | None = None, *, is_passing: bool = False, is_replayable: bool = True) -> None:
        super().__init__(sentence)
        self.is_passing = is_passing
        self.is_replayable = is_replayable


class BudgetExhaustedError(EngineError):
    """The proxy's token budget for today is used up."""

    code = "budget-exhausted"
    is_passing = False

    def __init__(self, sentence: str, resets_at: datetime | None) -> None:
        """`resets_at`: when the budget is renewed; None where waiting would not help."""
        super().__init__(sentence)
        self.resets_at = resets_at


class DocumentRefusedError(EngineError):
    """The library has no such document for this client, or none that can be read now."""

    is_passing = False
    is_replayable = False

    def __init__(self, code: str, sentence: str) -> None:
        """`code`: see `contract.library_messages.RefusalCode`."""
        super().__init__(sentence)
        self.code = code


class LibraryUnavailableError(EngineError):
    """The library does not answer: the job waits for it until its deadline, and no start is counted."""

    code = "library-unavailable"


class PromptTooLongError(EngineError):
    """The prompt does not fit the model."""

    def __init__(self, prompt_tokens: int, limit_tokens: int, cut_chars: int) -> None:
        super().__init__(
            f"The prompt has {prompt_tokens} tokens and the model takes {limit_tokens}: "
            f"cut the context by about {cut_chars} characters."
        )
        self.prompt_tokens = prompt_tokens
        self.limit_tokens = limit_tokens
        self.cut_chars = cut_chars


class AlreadyRunningError(DocQAError):
    """Another process holds the lock."""


class LibraryRefusedError(DocQAError):
    """The library refused."""

    def __init__(self, code: str, sentence: str, retry_after_s: int = 0) -> None:
        """`code`: see `contract.library_messages.RefusalCode`; `retry_after_s`: 0 where trying again does not help."""
        super().__init__(sentence)
        self.code = code
        self.retry_after_s = retry_after_s
