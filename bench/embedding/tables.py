"""What the embedder finds by itself, as a table."""

from typing import Any

from bench.harness.table import Table


def tables(found: dict[str, Any]) -> list[Table]:
    """A row for each data set."""
    rows = [(name, str(row["questions"]), *(f"{part:.1%}" for part in row["best"])) for name, row in found.items()]
    note = "The part of the questions whose answer is in the best one, two and three sentences of the whole article."
    return [Table("Best sentences by cosine alone", ("articles", "questions", "best 1", "2", "3"), rows, note)]
