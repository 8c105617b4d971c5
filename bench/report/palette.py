"""The report's colours. Plots use the light ones; in the page each becomes a CSS variable, so that dark mode works."""

from typing import Final

LIGHT: Final = {
    "paper": "#fdfdfc",
    "ink": "#1c2230",
    "muted": "#6a7283",
    "grid": "#e3e6eb",
    "arrivals": "#8b93a3",
    "accepted": "#2462d9",
    "refused": "#d4790b",
    "answered": "#0a8a5f",
    "queue": "#7446d6",
    "fault": "#d12c3a",
}
DARK: Final = {
    "paper": "#14171d",
    "ink": "#e8eaf0",
    "muted": "#98a0b0",
    "grid": "#2b313c",
    "arrivals": "#7d8596",
    "accepted": "#6c9cff",
    "refused": "#f3a548",
    "answered": "#3ccb98",
    "queue": "#ac8cff",
    "fault": "#ff6b76",
}
SERIES: Final = ("accepted", "refused", "answered", "queue", "fault", "arrivals")


def variables(palette: dict[str, str]) -> str:
    """As CSS declarations."""
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())


def by_variable(svg: str) -> str:
    """A plot whose colours are the page's."""
    for name, colour in LIGHT.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg
