"""What must hold for every text given to the parser, the verifiers and the common passes."""

import re
from collections.abc import Callable

from ir_mutate import PIPELINE
from ir_seeds import BORROWED

from headrace import ir, passmanager

_CASES_PER_CONTEXT = 500  # types and attributes live as long as their context


class Broken(Exception):
    """What must not happen, short of a crash."""


class Exerciser:
    """Runs texts through the parser, the verifiers, the printer and each of `pipelines` alone."""

    def __init__(self, pipelines: list[str]) -> None:
        self._pipelines = pipelines
        self._cases = 0
        self._context = self._managers = None

    def _start(self) -> None:
        if self._cases % _CASES_PER_CONTEXT == 0:
            self._context = ir.Context()
            self._context.enable_multithreading(False)
            self._context.allow_unregistered_dialects = True
            self._managers = [(text, self._manager(text)) for text in self._pipelines]
        self._cases += 1

    def _manager(self, pipeline: str) -> passmanager.PassManager:
        manager = passmanager.PassManager.parse(pipeline, self._context)
        manager.enable_verifier(False)
        return manager

    def __call__(self, text: bytes, note: Callable[[str], None]) -> bool:
        """Whether `text` is valid IR. `note` is told what is run; raises Broken."""
        self._start()
        note("parse")
        module = self._parsed(text)
        if module is None:
            return False
        note("print")
        self._check_round_trip(module)
        for pipeline, manager in (*self._managers, *self._asked_for(text, note)):
            note(pipeline)
            self._check_pass(module.operation.clone(), manager, pipeline in BORROWED)
        return True

    def _parsed(self, text: bytes) -> ir.Module | None:
        try:
            return ir.Module.parse(text, self._context)
        except ir.MLIRError as error:
            if not error.error_diagnostics:
                raise Broken("the parser fails without a message") from None
            return None

    def _asked_for(self, text: bytes, note) -> list[tuple[str, passmanager.PassManager]]:
        first = text.split(b"\n", 1)[0].decode(errors="replace")
        if not first.startswith(PIPELINE):
            return []
        pipeline = first.removeprefix(PIPELINE)
        note(pipeline)
        try:
            return [(pipeline, self._manager(pipeline))]
        except (ValueError, ir.MLIRError):
            return []

    def _check_round_trip(self, module: ir.Module) -> None:
        printed = str(module)
        try:
            again = str(ir.Module.parse(printed, self._context))
        except ir.MLIRError as error:
            raise Broken(f"what is printed cannot be parsed: {_first(error)}") from None
        if again != printed:
            raise Broken("what is printed is parsed as something else")

    def _check_pass(
        self, operation: ir.Operation, manager: passmanager.PassManager, borrowed: bool = False
    ) -> None:
        try:
            manager.run(operation)
        except ir.MLIRError as error:
            if not error.error_diagnostics:
                raise Broken("the pass fails without a message") from None
            return
        try:
            operation.verify()
        except ir.MLIRError as error:
            # MLIR's passes on MLIR's operations are not ours to judge.
            if borrowed and not re.match("'(qlinear|qattn)\\.", _first(error)):
                return
            raise Broken(f"the result of the pass is invalid: {_first(error)}") from None


def _first(error: ir.MLIRError) -> str:
    return error.error_diagnostics[0].message if error.error_diagnostics else str(error)
