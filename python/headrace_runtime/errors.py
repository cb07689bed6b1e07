"""The errors a user of Headrace may want to catch.

Messages are lower case, name the artifact, argument or operation, say what was
expected and what was found, and end with what is allowed where that helps.
"""


class HeadraceError(ValueError):
    """Base of every error that Headrace raises on purpose."""


class ArtifactError(HeadraceError):
    """An artifact folder is missing, damaged, of another version, or cannot be written."""


class ArgumentError(HeadraceError):
    """A call passes the wrong number, shape, dtype or layout of arguments."""


class MachineError(HeadraceError):
    """This machine cannot run the artifact (architecture, system, CPU features, threads)."""
