"""Errors with an exit status of their own."""

from contract.errors import DocQAError


class TryLaterError(DocQAError):
    """The system cannot accept the question now: exit status 75 (EX_TEMPFAIL)."""
