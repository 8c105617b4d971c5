"""The comparisons with peers as tables, as the page, the report and the terminal show them."""

from typing import Any

from bench.answers import tables as answers_tables
from bench.embedding import tables as embedding_tables
from bench.harness.table import Table
from bench.peers.registry import CONTESTS
from bench.redaction import tables as redaction_tables


def tables(figures: dict[str, Any]) -> list[Table]:
    """One table per contest of a result; none for other benchmarks."""
    contests = [CONTESTS[name].table(found) for name, found in figures.get("contests", {}).items()]
    redaction = redaction_tables.tables(figures["redaction"]) if "redaction" in figures else []
    embedding = embedding_tables.tables(figures["found_by_meaning"]) if figures.get("found_by_meaning") else []
    answers = answers_tables.tables(figures["answers"]) if "answers" in figures else []
    models = answers_tables.models(figures["models"]) if "models" in figures else []
    return [*contests, *redaction, *embedding, *answers, *models]
