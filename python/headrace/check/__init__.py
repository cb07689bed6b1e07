"""The numeric check behind `headrace check`: every claimed cell, on fresh and on hard data.

report = headrace.check.run("cpu", seed=1)
report.ok, report.rows

report = headrace.check.run_formats(seed=1)     # every storage format, without a target
report = headrace.check.run_ops(seed=1)         # every operation's decomposition
report = headrace.check.run_passes(seed=1)      # every common pass
"""

from __future__ import annotations

from headrace.check.codecs import run as run_formats
from headrace.check.operations.running import run as run_ops
from headrace.check.rewrites.running import run as run_passes
from headrace.check.rows import Report, Row
from headrace.check.runner import run, select

__all__ = ["Report", "Row", "run", "run_formats", "run_ops", "run_passes", "select"]
