"""The numeric check behind `headrace check`: every claimed cell, on fresh and on hard data.

report = headrace.check.run("cpu", seed=1)
report.ok, report.rows

report = headrace.check.run_formats(seed=1)     # every storage format, without a target
"""

from __future__ import annotations

from headrace.check.codecs import run as run_formats
from headrace.check.rows import Report, Row
from headrace.check.runner import run, select

__all__ = ["Report", "Row", "run", "run_formats", "select"]
