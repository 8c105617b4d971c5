"""The errors of one call of the proxy's API, and what each means for the next try, the budget and the job."""

from contract.errors import DocQAError


class ApiError(DocQAError):
    """A call of the proxy's API gave no answer."""

    def __init__(
        self,
        sentence: str,
        *,
        is_passing: bool = False,
        may_have_cost: bool = True,
        is_replayable: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        """`is_passing`: a later try may succeed. `may_have_cost`: tokens may have been charged for it.

        `is_replayable`: the same question may succeed after a repair. `retry_after_s`: as the API asks.
        """
        super().__init__(sentence)
        self.is_passing = is_passing
        self.may_have_cost = may_have_cost
        self.is_replayable = is_replayable
        self.retry_after_s = retry_after_s

    @property
    def is_outage(self) -> bool:
        """The API is down, and not only busy or refusing."""
        return self.is_passing and self.retry_after_s is None


class ParameterError(ApiError):
    """The proxy's model does not take one of the request's parameters."""

    def __init__(self, parameter: str) -> None:
        super().__init__(f"The proxy's model refuses `{parameter}`.", may_have_cost=False)
        self.parameter = parameter


class NotUnderstoodError(ApiError):
    """The API refuses the request and does not say why in words that are known: a parameter may be the reason."""


class TooLongError(ApiError):
    """Prompt and answer do not fit the proxy's model. A number that the API did not say is 0."""

    def __init__(self, prompt_tokens: int = 0, limit_tokens: int = 0, left_tokens: int | None = None) -> None:
        """`left_tokens`: how many tokens an answer may have, where the API says so; else what the others leave."""
        super().__init__("The prompt does not fit the proxy's model.", may_have_cost=False, is_replayable=False)
        self.prompt_tokens = prompt_tokens
        self.limit_tokens = limit_tokens
        known = max(limit_tokens - prompt_tokens, 0) if prompt_tokens else 0
        self.left_tokens = known if left_tokens is None else left_tokens
        """0 where it is not known, or none are left."""
