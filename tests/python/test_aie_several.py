"""Several products in one design of an array: compiled, simulated with real data, and as a folder
for a machine with the device."""

import functools

import ml_dtypes
import numpy as np
import pytest
import xrt_fake

import headrace
from headrace import formats, reference, targets
from headrace.errors import CompileError
from headrace.ops import OpSpec
from headrace.targets.aie.simulate import run_timed
from headrace_runtime import Artifact, aie_packing, aie_verify


class Products:
    """A module of products: of each its written form and which x it takes."""

    def __init__(self, *products, shared=()):
        self.specs = [OpSpec.parse(text, activations="bf16") for text in products]
        self.xs = list(shared) or list(range(len(products)))

    def text(self):
        inputs, body, results = [], [], []
        widths = {x: spec.k for x, spec in zip(self.xs, self.specs, strict=True)}
        for x, width in sorted(widths.items()):
            inputs.append(f'%x{x}: tensor<{width}xbf16> {{headrace.name = "x{x}"}}')
        for index, (x, spec) in enumerate(zip(self.xs, self.specs, strict=True)):
            form = formats.get(spec.format)
            padded = form.padded_shape(spec.m, spec.k)
            pad = f", padded = {padded[0]}x{padded[1]}" if padded != (spec.m, spec.k) else ""
            kind = f"!qlinear.packed<{spec.m}x{spec.k}, {form.attribute}{pad}>"
            names = [f"%{name}{index}" for name in spec.weights]
            inputs += [f'{name}: {kind} {{headrace.name = "{name[1:]}"}}' for name in names]
            gate = f" {spec.act}" if spec.op == "gated_matvec" else ""
            y = f"tensor<{spec.m}xf32>"
            body.append(f"%e{index} = tensor.empty() : {y}")
            body.append(
                f"%y{index} = qlinear.{spec.op}{gate} ins({', '.join([*names, f'%x{x}'])} : "
                f"{', '.join([kind] * len(names))}, tensor<{spec.k}xbf16>) outs(%e{index} : {y}) "
                f"-> {y}"
            )
            results.append((f"%y{index}", y))
        values, kinds = (", ".join(part) for part in zip(*results, strict=True))
        lines = [
            f"func.func @main({', '.join(inputs)}) -> ({kinds}) {{",
            *body,
            f"return {values} : {kinds}",
            "}",
        ]
        return "\n".join(lines)

    def data(self, seed=0):
        """Inputs, and what results should be."""
        draw = np.random.default_rng(seed)
        widths = {x: spec.k for x, spec in zip(self.xs, self.specs, strict=True)}
        xs = {
            x: (draw.standard_normal(width) / 4).astype(ml_dtypes.bfloat16)
            for x, width in sorted(widths.items())
        }
        weights, wants = [], []
        for x, spec in zip(self.xs, self.specs, strict=True):
            form = formats.get(spec.format)
            own = [
                form.encode(draw.standard_normal((spec.m, spec.k), dtype=np.float32))
                for _ in spec.weights
            ]
            weights += own
            wants.append(reference.evaluate(spec, xs[x], own))
        return [*xs.values(), *weights], wants


def compiled(products, target="aie", **options):
    return _compiled(products.text(), target, **options)


@functools.cache
def _compiled(text, target, **options):
    return headrace.compile(text.encode(), target=target, cache=False, **options)


TWO = Products("matvec:m=67,k=512,format=q4_k", "matvec:m=200,k=256,format=q4_k")
# As of a layer: three take one x, gate and up another, down a third.
LAYER = Products(
    "matvec:m=256,k=288,format=q4nx",
    "matvec:m=64,k=288,format=q4nx",
    "matvec:m=64,k=288,format=q4nx",
    "matvec:m=288,k=256,format=q4nx",
    "gated_matvec:m=704,k=288,format=q4nx,act=gelu_tanh",
    "matvec:m=288,k=704,format=q4nx",
    shared=(0, 0, 0, 1, 2, 3),
)


@pytest.mark.parametrize(
    ("products", "target"),
    [
        (TWO, "aie"),
        (TWO, "aie:npu1"),
        (LAYER, "aie"),
        (LAYER, "aie:npu1"),
        (Products("matvec:m=1,k=32,format=q4_0", "matvec:m=1,k=64,format=q4_0"), "aie"),
    ],
)
def test_the_array_computes_all_however_fast_its_cores_are(products, target):
    program = compiled(products, target)
    inputs, wants = products.data()
    count = len(wants)
    runs = [
        targets.find("aie").simulate(program, inputs, order).arguments[-count:]
        for order in range(3)
    ]
    for got, want in zip(runs[0], wants, strict=True):
        assert got.shape == want.shape and reference.relative_l2(got, want) < 1e-4
    for run in runs[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(runs[0], run, strict=True))


def test_layers_and_a_head_are_what_each_product_is_alone():
    """Of a short token: to the last bit, and what they should be."""
    layers = [str(spec) for spec in LAYER.specs] * 2
    xs = [x + 4 * layer for layer in range(2) for x in LAYER.xs]
    token = Products(*layers, "matvec:m=1100,k=288,format=q4nx", shared=(*xs, 8))
    inputs, wants = token.data(seed=3)
    results = run_timed(compiled(token), inputs)[0][-len(wants) :]
    first = max(token.xs) + 1
    for spec, x, want, result in zip(token.specs, token.xs, wants, results, strict=True):
        weights = inputs[first : first + len(spec.weights)]
        first += len(spec.weights)
        alone = run_timed(compiled(Products(str(spec))), [inputs[x], *weights])[0][-1]
        assert alone.tobytes() == result.tobytes()
        assert reference.relative_l2(result, want) < 1e-4


def test_the_manifest_says_where_each_lies():
    array = compiled(LAYER).manifest["array"]
    sizes = list(aie_packing.sizes(array).values())
    assert [product["operation"] for product in array["products"]] == list(map(str, LAYER.specs))
    arguments = [product["activations"]["argument"] for product in array["products"]]
    assert arguments == LAYER.xs
    assert [product["results"]["argument"] for product in array["products"]] == list(range(11, 17))
    taken = {index: [] for index in range(len(sizes))}
    for product in array["products"]:
        for kind in ("weights", "activations", "results"):
            part = product[kind]
            taken[part["memory"]].append((part["offset"], part["offset"] + part["bytes"]))
    for index, spans in taken.items():
        # All of it, and nothing twice.
        ends = [0, *(end for _, end in sorted(spans))]
        assert [start for start, _ in sorted(spans)] == ends[:-1] and ends[-1] == sizes[index]


def test_one_run_takes_less_time_than_many():
    whole = run_timed(compiled(LAYER), LAYER.data()[0])[1]
    alone = 0.0
    for spec, x in zip(LAYER.specs, LAYER.xs, strict=True):
        one = Products(str(spec), shared=(x,))
        alone += run_timed(compiled(one), one.data()[0])[1].total_us
    assert whole.us > 0 and whole.total_us < alone / 3


def test_a_folder_of_several_products(tmp_path, monkeypatch):
    import aie_tools_fake

    path = compiled(LAYER, verification=True).save(tmp_path / "layer.hr")
    array = Artifact.load(path).manifest["array"]
    assert [item["output"] for item in array["simulated"]] == [f"y{i}" for i in range(6)]
    assert all(item["error"] < 1e-4 for item in array["simulated"])
    readme = (path / "README.md").read_text()
    assert "# 6 products in one design for the NPU" in readme
    assert "- 2 of `matvec:m=64,k=288,format=q4nx,activations=bf16`\n" in readme
    assert "the largest of 6 results" in readme and "--input x2=FILE ... --output" in readme
    assert aie_tools_fake.Tools(tmp_path).build(path).returncode == 0
    machine = xrt_fake.install(monkeypatch)
    monkeypatch.setattr(aie_verify, "ROTATION_BYTES", 1 << 10)
    found = aie_verify.report(path, 1, 1000)
    assert found["ok"] and len(found["outputs"]) == 6
    assert found["operation"] == "6 products" and len(found["products"]) == 6
    inputs, wants = LAYER.data(1)
    results = Artifact.load(path)(*inputs)
    for got, want in zip(results, wants, strict=True):
        assert reference.relative_l2(got, want) < 1e-4
    machine.damage = lambda run, y: y.__setitem__(slice(0, 4), 0xFF)
    assert not aie_verify.report(path, 1, 1000)["ok"]


def test_what_is_drawn_again_is_not_stored(tmp_path, monkeypatch):
    from headrace.targets.aie import hardware

    monkeypatch.setattr(hardware, "MOST_PACKED_BYTES", 1000)
    array = compiled(TWO, keep_ir=False, verification=True).manifest["array"]
    assert "packed" not in array and len(array["simulated"]) == 2


def test_formats_do_not_mix():
    mixed = Products("matvec:m=64,k=256,format=q4_k", "matvec:m=64,k=256,format=q4nx")
    with pytest.raises(CompileError, match="format"):
        compiled(mixed)
