"""Settings of all tests.

Property tests draw the same examples in every run, so that a failure is of the change that shows
it. HEADRACE_EXPLORE=1 draws others each time, to look for what nobody thought of.
"""

import os

from hypothesis import settings

# What is tested is compiled, not what was compiled before; in child processes too.
os.environ["HEADRACE_CACHE"] = "off"

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("HEADRACE_EXPLORE") else "same")
