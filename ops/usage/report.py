"""The report of `docqa usage`: sums by day and client, a forecast against the budget, and advice. Pure functions."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import msgspec

from contract.usage_records import BudgetDay, ClientDay, end_of
from ops.usage.days import Usage

_DAY_S: Final = 86_400
_FORECAST_AFTER_S: Final = 3600
"""The first hour of a day is too short for a forecast."""
_MUCH: Final = 0.5
_NEARLY_ALL: Final = 0.95


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens at the end of today at this pace; `used_up_at` if the budget ends before the day."""

    tokens: int
    basis: str
    used_up_at: str | None = None


def report(usage: Usage, limit_tokens: int | None) -> dict[str, Any]:
    """The whole report, as the command's JSON."""
    today = usage.budgets[usage.today]
    limit = limit_tokens if limit_tokens is not None else today.limit_tokens
    expected = forecast(usage, limit)
    return {
        "today": usage.today,
        "resets_at": end_of(usage.today).isoformat(),
        "total": _as_json(_sum(day for days in usage.days.values() for day in days.values())),
        "days": [
            {"day": day, **_as_json(_sum(of.values())), **_spent(usage.budgets[day])} for day, of in usage.days.items()
        ],
        "clients": [{"client": owner, **_as_json(of)} for owner, of in _by_client(usage).items()],
        "budget": {"limit_tokens": limit, **_spent(today)},
        "forecast": msgspec.to_builtins(expected),
        "advice": advice(usage, limit, expected),
    }


def forecast(usage: Usage, limit: int | None) -> Forecast:
    """From today's pace after an hour, before that from the previous days."""
    used = usage.budgets[usage.today].used_tokens
    passed_s = _DAY_S - (end_of(usage.today) - usage.now).total_seconds()
    if passed_s >= _FORECAST_AFTER_S:
        per_s, basis = used / passed_s, "today's pace"
    else:
        before = [budget.used_tokens for day, budget in usage.budgets.items() if day != usage.today]
        busy = [tokens for tokens in before if tokens]
        per_s, basis = (sum(busy) / len(busy) / _DAY_S if busy else 0.0), "the previous days"
    tokens = round(used + per_s * (_DAY_S - passed_s))
    used_up_at = None
    if limit is not None and used < limit < tokens:
        used_up_at = (usage.now + timedelta(seconds=(limit - used) / per_s)).isoformat(timespec="minutes")
    return Forecast(tokens=tokens, basis=basis, used_up_at=used_up_at)


def advice(usage: Usage, limit: int | None, expected: Forecast) -> list[str]:
    """Advice, most urgent first; may be empty."""
    total = _sum(day for days in usage.days.values() for day in days.values())
    today = usage.budgets[usage.today]
    found = [_on_budget(usage, limit, expected), _on_reserved(today), *_on_answers(usage, total)]
    return [sentence for sentence in found if sentence]


def _on_budget(usage: Usage, limit: int | None, expected: Forecast) -> str:
    used = usage.budgets[usage.today].used_tokens
    if limit is None:
        return "COPILOT_TOKEN_BUDGET_DAILY is not set: the cost of the proxy is unlimited." if used else ""
    if used >= limit:
        return f"Today's budget is used up until {end_of(usage.today):%H:%M} UTC, unless the budget is raised."
    if expected.used_up_at:
        return (
            f"At this pace today's budget is used up at {expected.used_up_at[11:16]} UTC, and {expected.tokens} tokens "
            "would be needed: let the local model answer first (DOCQA_BACKEND=local-then-proxy), or raise the budget."
        )
    return ""


def _on_reserved(today: BudgetDay) -> str:
    if today.reserved_tokens <= _MUCH / 5 * max(today.used_tokens, 1):
        return ""
    return (
        f"{today.reserved_tokens} of today's tokens are reserved by running calls, or by calls of killed workers, "
        "which stay counted until the end of the day."
    )


def _on_answers(usage: Usage, total: ClientDay) -> Iterable[str]:
    if total.lost_tokens > _MUCH / 5 * max(total.proxy.tokens, 1):
        yield f"{total.lost_tokens} tokens were spent on calls without an answer: see the worker's log."
    if total.proxy.answers and total.proxy.prompt_tokens > _NEARLY_ALL * total.proxy.tokens:
        yield "Nearly all tokens are documents: send only the relevant part of a document."
    if not total.cache.answers and total.proxy.answers > 100:
        yield (
            "No answer came from the cache: it needs the same question from the same client, and a temperature of 0 "
            "or a seed."
        )
    clients = {owner: _charged(of) for owner, of in _by_client(usage).items()}
    most = max(clients, key=clients.__getitem__, default="")
    if len(clients) > 1 and clients[most] > _MUCH * sum(clients.values()):
        yield f"{most} takes {clients[most] / sum(clients.values()):.0%} of the proxy's tokens."


def _by_client(usage: Usage) -> dict[str, ClientDay]:
    """Sums by client: most proxy tokens first, then most local answers."""
    owners = {owner for days in usage.days.values() for owner in days}
    sums = {owner: _sum(days[owner] for days in usage.days.values() if owner in days) for owner in owners}
    return dict(sorted(sums.items(), key=lambda item: (-_charged(item[1]), -item[1].local.answers, item[0])))


def _charged(day: ClientDay) -> int:
    return day.proxy.tokens + day.lost_tokens


def _sum(days: Iterable[ClientDay]) -> ClientDay:
    return sum(days, start=ClientDay())


def _as_json(day: ClientDay) -> dict[str, Any]:
    asked = day.local.answers + day.proxy.answers + day.cache.answers
    proxied = day.proxy.answers + day.cache.answers
    return {
        "answers": asked,
        **{name: _answers_as_json(getattr(day, name)) for name in ("local", "proxy", "cache")},
        "proxy_tokens": _charged(day),
        "lost_tokens": day.lost_tokens,
        "saved_tokens": day.local.tokens + day.cache.tokens,
        "cache_hit_ratio": round(day.cache.answers / proxied, 3) if proxied else None,
    }


def _answers_as_json(of: Any) -> dict[str, int]:
    return {"answers": of.answers, "prompt_tokens": of.prompt_tokens, "completion_tokens": of.completion_tokens}


def _spent(budget: BudgetDay) -> dict[str, int]:
    return {
        "charged_tokens": budget.charged_tokens,
        "reserved_tokens": budget.reserved_tokens,
        "used_tokens": budget.used_tokens,
    }
