# For nanobind's stub generator: what MLIR's Python code adds to its native modules at import.

_mlir.ir.__suffix__:
    class MLIRError(Exception):
        message: str
        error_diagnostics: list[DiagnosticInfo]
        def __init__(self, message: str, error_diagnostics: list[DiagnosticInfo]) -> None: ...
