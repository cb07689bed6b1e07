"""The numeric check behind `headrace check`: every claimed cell, on fresh and on hard data.

report = headrace.check.run("cpu", seed=1)
report.ok, report.rows
"""

from __future__ import annotations

from headrace.check.rows import Report, Row
from headrace.check.runner import run, select

__all__ = ["Report", "Row", "run", "select"]
