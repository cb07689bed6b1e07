"""What the suite `model` of every target reports: limits, each with its goal and how its figure was
got. Nothing of it is a time that somebody measured here, except where `how` says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

__all__ = ["SHARES", "limits_table", "number", "record", "table"]

# Units of figures that are shares.
SHARES = ("of dense", "of stored bytes", "of the ceiling", "of the cap", "mean")


def record(
    limit: str,
    case: str,
    goal: float | None,
    unit: str,
    *,
    at_most: bool,
    how: str,
    figures: Mapping[str, float | None],
    of: str = "",
    why: str = "",
) -> dict[str, Any]:
    """A line of the table of limits. figures: `ours`, and the same figure of others. of: what the
    goal is taken from. why: there is no figure, or no goal."""
    figure = figures.get("ours")
    found: dict[str, Any] = {
        "limit": limit,
        "case": case,
        "goal": None if goal is None else round(goal, 4),
        "goal_of": of,
        "unit": unit,
        "at_most": at_most,
        "how": how,
        "figure": None if figure is None else round(figure, 4),
        "others": {who: round(v, 4) for who, v in figures.items() if who != "ours" and v},
        "reached": None,
    }
    if figure is None or goal is None:
        return found | {"why": why or "there is nothing to compare with"}
    return found | {"reached": figure <= goal if at_most else figure >= goal}


def limits_table(
    target: str, records: Sequence[dict[str, Any]], others: Mapping[str, str], note: str
) -> Table:
    """Limits in a terminal. others: headings of columns by the name of who has the figure. note:
    behind the counts in the title."""
    reached = sum(item["reached"] is True for item in records)
    missed = sum(item["reached"] is False for item in records)
    left = len(records) - reached - missed
    made = table(
        f"limits of {target}: {reached} reached, {missed} not, {left} without a goal; {note}"
    )
    for name in ("limit", "case"):
        made.add_column(name)
    for name in ("goal", "figure"):
        made.add_column(name, justify="right", no_wrap=True)
    for name in ("how", "reached", *others.values()):
        made.add_column(name)
    last = ""
    for item in records:
        name = item["limit"] if item["limit"] != last else ""
        last = item["limit"]
        theirs = [number(item["others"].get(who), item["unit"]) for who in others]
        made.add_row(
            *(name, item["case"], _goal(item)),
            *(number(item["figure"], item["unit"]), item["how"]),
            *({True: "yes", False: "no", None: "-"}[item["reached"]], *theirs),
            style="yellow" if item["reached"] is False else None,
        )
    return made


def table(title: str) -> Table:
    """An empty one."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def number(value: float | None, unit: str) -> str:
    """A figure as text; `-` for none."""
    if value is None:
        return "-"
    return f"{value:.1%}" if unit in SHARES else f"{value:.2f}"


def _goal(item: dict[str, Any]) -> str:
    if item["goal"] is None:
        return "-"
    what = item["goal_of"] or item["unit"]
    return f"{'<=' if item['at_most'] else '>='} {number(item['goal'], item['unit'])} {what}"
