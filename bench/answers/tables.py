"""The figures of answers as tables of words."""

from typing import Any, Final

from bench.harness.table import Table

_SCOPES: Final = {
    "passage": "own passage", "article": "whole article", "document": "its document", "space": "all documents",
    "all": "all articles",
}  # fmt: skip
_REFUSED: Final = {
    "other_article": "questions put to another article",
    "no_answer": "questions that their own text does not answer",
    "absent_party": "400 contracts from one template, a party that is in none of them",
}


def tables(found: dict[str, Any]) -> list[Table]:
    """Of a result's `answers`."""
    return [_right(found), _recall(found), *([_refusals(found)] if found["refusals"] else [])]


def models(found: dict[str, Any]) -> list[Table]:
    """Of models that answered: what their words are worth, how well they are cited and marked, and what they cost."""
    rows = found["rows"]
    cited = [row for row in rows if "citation_recall" in row]
    refused = [_refusals(found)] if found.get("refusals") else []
    return [_words(found, rows), *([_cited(found, cited)] if cited else []), *refused]


def _words(found: dict[str, Any], rows: list[dict[str, Any]]) -> Table:
    heads = (
        "answered by", "read", "right", "F1", "words", "area of risk", "answers a second", "seconds", "tokens read",
        "written", "`auto`",
    )  # fmt: skip
    cells = [
        (
            f"{row['model']}, {row['style']}",
            _read(found, row),
            _share(row["right"]),
            f"{row['f1']:.3f}",
            f"{row['words_median']:g}",
            f"{row['risk_coverage_area']:.3f}",
            f"{row['answers_per_s']:.2f}",
            f"{row['seconds_median']:.2f}",
            f"{row['tokens_read_mean']:.0f}",
            f"{row['tokens_written_mean']:.0f}",
            _auto(row),
        )
        for row in rows
    ]
    note = (
        "Right: a reference is contained word for word in the model's own words; in brackets the 95% interval "
        "(Wilson's). Seconds and words are medians, tokens means, 8 questions at a time. `auto`: what this model's "
        "answers are made of from now on, and by how many points its words are right more often than the sentences."
    )
    return Table(f"{found['dataset']}, {rows[0]['questions']} questions", heads, cells, note)


def _cited(found: dict[str, Any], rows: list[dict[str, Any]]) -> Table:
    heads = ("answered by", "read", "right, with the quotes added", "citations that hold the answer",
             "answers that cite it")  # fmt: skip
    cells = [
        (
            f"{row['model']}, {row['style']}",
            _read(found, row),
            _share(row["right_with_quotes"]),
            f"{_share(row['citation_precision'])} of {row['citation_precision']['of']}",
            _share(row["citation_recall"]),
        )
        for row in rows
    ]
    note = (
        "Citations that hold the answer: those with a reference in the sentence (precision). Answers that cite it: "
        "those with at least one such citation (recall)."
    )
    return Table("Citations", heads, cells, note)


def _read(found: dict[str, Any], row: dict[str, Any]) -> str:
    scope = row.get("read", found["read"])
    return f"{_SCOPES.get(scope, scope)}{', ' + row['reads'] if 'reads' in row else ''}"


def _auto(row: dict[str, Any]) -> str:
    if "difference" not in row:
        return str(row.get("auto", "-"))
    by = row["difference"]
    undecided = "" if by["low"] > 0 or by["high"] < 0 else ", undecided"
    return f"{row['auto']}{undecided} ({by['difference']:+.1%}, {by['low']:+.1%} to {by['high']:+.1%})"


def _right(found: dict[str, Any]) -> Table:
    rows = [(_SCOPES.get(scope, scope), *_of_scope(figures)) for scope, figures in found["scopes"].items()]
    heads = (
        "read", "questions", "right by the first sentence", "its words", "its F1", "right by the quote", "its words",
        "area of risk", "sentence F1",
    )  # fmt: skip
    note = (
        "Right: a reference is contained word for word; in brackets the 95% interval (Wilson's). Words are medians. "
        "Area of risk: the mean share of wrong first sentences as ever less supported answers are given. "
        "Sentence F1: of the best four sentences against those that the data set names."
    )
    return Table(f"{found['dataset']}, by quoting, {found['embedder']}", heads, rows, note)


def _of_scope(figures: dict[str, Any]) -> tuple[str, ...]:
    if not figures["questions"]:
        return ("0", *("-" for _ in range(7)))
    return (
        str(figures["questions"]),
        _share(figures["first_sentence_right"]),
        f"{figures['first_sentence_words_median']:g}",
        f"{figures['first_sentence_f1']:.3f}",
        _share(figures["quote_right"]),
        f"{figures['quote_words_median']:g}",
        f"{figures['risk_coverage_area']:.3f}",
        f"{figures['sentence_f1']:.3f}" if "sentence_f1" in figures else "-",
    )


def _recall(found: dict[str, Any]) -> Table:
    scopes = {scope: figures for scope, figures in found["scopes"].items() if figures["questions"]}
    bests = list(next(iter(scopes.values()))["sentence_recall"]) if scopes else []
    rows = [
        (f"{what}, {_SCOPES.get(scope, scope)}", *(f"{figures[key][best]:.1%}" for best in bests))
        for scope, figures in scopes.items()
        for what, key in (("the answer", "sentence_recall"), ("its passage", "passage_recall"))
    ]
    return Table("Found among the best", ("what", *(f"{best}" for best in bests)), rows, "Heads: sentences.")


def _refusals(found: dict[str, Any]) -> Table:
    heads = ("without an answer", "questions", "area under the ROC", "marked", "right ones marked wrongly", "precision",
             "marked at 3% wrongly", "at 5%")  # fmt: skip
    rows = [
        (
            _REFUSED.get(kind, kind),
            f"{row['without_answer']} / {row['with_answer']}",
            f"{row['area']:.3f}",
            _share(row["marked"]),
            _share(row["marked_wrongly"]),
            "-" if row["precision"] is None else f"{row['precision']:.1%}",
            f"{row['marked_at_3_percent_wrongly']:.1%}",
            f"{row['marked_at_5_percent_wrongly']:.1%}",
        )
        for kind, row in found["refusals"].items()
    ]
    note = "Questions: without an answer / with one. The last two columns choose the bound for this data set."
    return Table("The document does not say", heads, rows, note)


def _share(row: dict[str, Any]) -> str:
    return f"{row['share']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
