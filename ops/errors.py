"""Errors that the command tells apart by its exit status."""

from contract.errors import DocQAError


class TryLaterError(DocQAError):
    """The system can't take the question now: exit status 75 (EX_TEMPFAIL)."""
