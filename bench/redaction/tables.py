"""The figures of the redaction benchmark as tables."""

from typing import Any

from bench.harness.table import Table


def tables(found: dict[str, Any]) -> list[Table]:
    """The tables of a result's `redaction` figures."""
    scores: dict[str, Any] = found["scores"]
    return [_recall(found, scores), _harmless(found, scores), _pace(found), _hostile(found["hostile"])]


def _recall(found: dict[str, Any], scores: dict[str, Any]) -> Table:
    kinds = found["scores"]["ours"]["recall"]
    rows = [
        (kind, _share(found["named"].get(kind)), *(_share(score["recall"][kind]) for score in scores.values()))
        for kind in kinds
    ]
    rows.append(("all that was found is secret", "", *(_share(score["precision"]) for score in scores.values())))
    note = (
        f"{found['cases_each']} texts of each kind. Found: no character of the secret is left outside. "
        "Right: of what we gave the kind's name to, the share that is one, exactly. "
        + " ".join(f"{name} is left out: {why}" for name, why in found["left_out"].items())
    )
    return Table("Secrets found", ("kind", "ours: right", *(f"{name}: found" for name in scores)), rows, note.strip())


def _harmless(found: dict[str, Any], scores: dict[str, Any]) -> Table:
    rows = [(sort, *(_share(score["left_alone"][sort]) for score in scores.values())) for sort in found["sorts"]]
    return Table("Harmless texts left alone", ("sort", *scores), rows)


def _pace(found: dict[str, Any]) -> Table:
    heads = ("100 KB of", *found["pace_ms"])
    rows = [
        (kind, *(f"{paces[kind] / 10:.2f}" if kind in paces else "-" for paces in found["pace_ms"].values()))
        for kind in found["pace_ms"]["ours"]
    ]
    note = (
        "Milliseconds of processor time for 10 KB, the quickest of three; of gitleaks only whole runs can be measured."
    )
    return Table("Pace", heads, rows, note)


def _hostile(found: dict[str, Any]) -> Table:
    rows = [(row["text"], f"{row['ms']:.1f}", "yes" if row["is_refused"] else "no") for row in found["slowest"]]
    return Table(f"The slowest of {found['texts']} hostile texts of 100 KB", ("pieces", "ms", "refused"), rows)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}" if value < 1 else "100%"
