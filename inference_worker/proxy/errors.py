"""What can go wrong with one call of the proxy's API, and what each means for the next try, the budget and the job."""

from contract.errors import DocQAError


class TroubleError(DocQAError):
    """A call of the proxy's API came to no answer."""

    def __init__(
        self,
        sentence: str,
        *,
        is_passing: bool = False,
        may_have_cost: bool = True,
        is_replayable: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        """`is_passing`: a later try may do. `may_have_cost`: tokens may have been charged for it.

        `is_replayable`: the same question may do later, when something was mended. `retry_after_s`: as the API asks.
        """
        super().__init__(sentence)
        self.is_passing = is_passing
        self.may_have_cost = may_have_cost
        self.is_replayable = is_replayable
        self.retry_after_s = retry_after_s

    @property
    def is_outage(self) -> bool:
        """The API is down, and not only busy or of another opinion."""
        return self.is_passing and self.retry_after_s is None


class ParameterError(TroubleError):
    """The proxy's model does not take one of the request's parameters."""

    def __init__(self, parameter: str) -> None:
        super().__init__(f"The proxy's model refuses `{parameter}`.", may_have_cost=False)
        self.parameter = parameter


class TooLongError(TroubleError):
    """The prompt does not fit the proxy's model."""

    def __init__(self, prompt_tokens: int, limit_tokens: int) -> None:
        super().__init__("The prompt does not fit the proxy's model.", may_have_cost=False, is_replayable=False)
        self.prompt_tokens = prompt_tokens
        self.limit_tokens = limit_tokens
