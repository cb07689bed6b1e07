"""Artifacts for NPUs, built by stand-ins for the tools, and data for them."""

import shutil

import aie_tools_fake
import ml_dtypes
import numpy as np

import headrace
from headrace import formats
from headrace.ops import OpSpec

MATVEC = "matvec:m=67,k=512,format=q4_k"


def builder(tmp_path_factory):
    """Artifacts by operation, built; each test gets a copy that it may damage."""
    made = {}
    tools = aie_tools_fake.Tools(tmp_path_factory.mktemp("tools"))

    def compiled(folder, text=MATVEC, target="aie"):
        if (text, target) not in made:
            path = tmp_path_factory.mktemp("aie") / "op.hr"
            headrace.compile(text, target=target, verification=True, cache=False).save(path)
            done = tools.build(path)
            assert done.returncode == 0, done.stderr
            made[text, target] = path
        return shutil.copytree(made[text, target], folder / "op.hr")

    return compiled


def own_data(text, seed=3):
    spec = OpSpec.parse(text, activations="bf16")
    draw = np.random.default_rng(seed)
    form = formats.get(spec.format)
    weights = [
        form.encode(draw.standard_normal((spec.m, spec.k), dtype=np.float32)) for _ in spec.weights
    ]
    x = draw.standard_normal(spec.x_shape).astype(ml_dtypes.bfloat16)
    return spec, [x, *weights]
