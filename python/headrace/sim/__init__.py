"""Simulators: they run what the compiler emits for machines that are not here.

`headrace.sim.msl` runs Metal Shading Language, `headrace.sim.aie` designs for AI Engine arrays.
"""
