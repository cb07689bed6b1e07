"""Whole small models through IREE with our kernels inside, against float64 on the same weights."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from torch import nn

import headrace
from headrace import formats, ops
from headrace.errors import ArtifactError, MachineError, UsageError
from headrace.interop import iree
from headrace.interop.iree import IreeProgram
from headrace.quantize import quantize_linears, quantized_layers
from headrace.targets.cpu.objects import compile_object
from headrace_runtime.errors import ArgumentError

TOKENS = 6
GGUF_TYPES = {
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
    "q5_0": gguf.GGMLQuantizationType.Q5_0,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_k": gguf.GGMLQuantizationType.Q4_K,
    "q6_k": gguf.GGMLQuantizationType.Q6_K,
}


class Encoder(nn.Module):
    """One transformer layer over embedded tokens: attention, feed-forward, norms, a mask."""

    def __init__(self, width: int = 256, inner: int = 512, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(40, width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width, bias=False)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        batch, length, width = x.shape
        split = (batch, length, self.heads, width // self.heads)
        q, k, v = (f(x).view(split).transpose(1, 2) for f in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) * (width // self.heads) ** -0.5
        scores = scores.masked_fill(~mask[:, None, None, :], -1e9)
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = self.norm1(x + self.out(y))
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


def example() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(7)
    mask = torch.ones(1, TOKENS, dtype=torch.bool)
    mask[:, -2:] = False
    return torch.randint(0, 40, (1, TOKENS)), mask


def dequantized(packed: torch.Tensor, fmt: str, rows: int, cols: int) -> np.ndarray:
    """The weight in float64; by the gguf package where it knows the format."""
    data = packed.numpy().view(np.uint8)
    if fmt in GGUF_TYPES:
        weight = gguf.quants.dequantize(data.reshape(rows, -1), GGUF_TYPES[fmt])
        return weight.reshape(rows, cols).astype(np.float64)
    return formats.get(fmt).decode(data, rows, cols).astype(np.float64)


def reference(model: nn.Module, weights: str | dict[str, str]) -> nn.Module:
    """`model` in float64 with plain linear layers that hold the dequantized weights."""
    quantized = quantize_linears(model, weights)
    exact = type(model)().double()
    exact.load_state_dict(model.double().state_dict())
    for name, layer in quantized_layers(quantized):
        weight = dequantized(layer.packed, layer.format, layer.out_features, layer.in_features)
        exact.get_submodule(name).weight.data = torch.from_numpy(weight)
    model.float()
    return exact.eval()


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got.double() - expected).norm() / expected.norm())


@pytest.fixture(scope="module")
def model() -> Encoder:
    torch.manual_seed(3)
    return Encoder()


@pytest.fixture(scope="module")
def program(model: Encoder, tmp_path_factory: pytest.TempPathFactory) -> IreeProgram:
    folder = tmp_path_factory.mktemp("program") / "encoder"
    return iree.compile(model, example(), weights="q4_0", activations="i8", output=folder)


class Mlp(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 48, bias=False))


@pytest.mark.parametrize("fmt", ["q4_0", "q5_0", "q8_0", "q4_k", "q6_k", "q4nx"])
def test_exact_activations_match_float64(fmt: str) -> None:
    torch.manual_seed(2)
    mlp, x = Mlp(), torch.randn(2, 3, 256)
    program = iree.compile(mlp, (x,), weights=fmt, activations="f32")
    with torch.no_grad():
        expected = reference(mlp, fmt)(x.double())
    assert relative(program(x), expected) < 1e-5


def test_an_encoder_of_several_formats_matches_float64(model: Encoder) -> None:
    weights = {"query": "q4_0", "key": "q4nx", "value": "q4_k", "*": "q8_0"}
    program = iree.compile(model, example(), weights=weights, activations="f32")
    with torch.no_grad():
        expected = reference(model, weights)(*example())
    assert relative(program(*example()), expected) < 2e-5


def test_rounded_activations_stay_close(model: Encoder, program: IreeProgram) -> None:
    with torch.no_grad():
        expected = reference(model, "q4_0")(*example())
    error = relative(program(*example()), expected)
    assert 1e-4 < error < 1.2e-2  # the layer norms at the end keep it at one layer's bound


def test_bf16_activations() -> None:
    torch.manual_seed(2)
    mlp, x = Mlp(), torch.randn(4, 256)
    program = iree.compile(mlp, (x,), weights="q4_0", activations="bf16")
    with torch.no_grad():
        expected = reference(mlp, "q4_0")(x.double())
    assert 1e-4 < relative(program(x), expected) < 5e-3


def test_one_token_and_a_layer_left_in_float() -> None:
    torch.manual_seed(5)
    mlp, x = Mlp(), torch.randn(1, 256)
    program = iree.compile(mlp, (x,), weights={"0": None, "2": "q4_k"}, activations="f32")
    assert [kernel.format for kernel in program.kernels] == ["q4_k"]
    with torch.no_grad():
        expected = reference(mlp, {"2": "q4_k"})(x.double())
    assert relative(program(x), expected) < 1e-5


def test_layers_that_read_the_same_values_share_a_quantization(program: IreeProgram) -> None:
    dispatches: dict[tuple[int, int], dict[str, int]] = {}
    for kernel in program.kernels:
        entry = dispatches.setdefault((kernel.rows, kernel.cols), {})
        entry[kernel.op] = kernel.dispatches
    # query, key and value read one tensor, out another.
    assert dispatches[256, 256] == {"qlinear.quantize": 2, "qlinear.matmul": 4}
    assert dispatches[512, 256] == {"qlinear.quantize": 1, "qlinear.matmul": 1}
    assert dispatches[256, 512] == {"qlinear.quantize": 1, "qlinear.matmul": 1}
    assert program.dispatches["headrace"] == 10


def test_weight_bytes_per_call(program: IreeProgram) -> None:
    packed = formats.get("q4_0")
    layers = 4 * packed.storage_bytes(256, 256) + 2 * packed.storage_bytes(512, 256)
    assert sum(kernel.weight_bytes for kernel in program.kernels) == layers


def test_weights_are_no_literals(program: IreeProgram) -> None:
    text = program.ir("program")
    assert "dense_resource" not in text
    assert max(len(t) for t in re.findall(r"dense<([^>]*)>", text)) < 512
    weights = sum(p.nbytes for p in Encoder().parameters())
    size = (program.folder / "program.vmfb").stat().st_size
    assert size < 200_000 < weights
    assert (
        f'#stream.parameter.named<"model"::"query.packed"> : tensor<{256 * 256 // 32 * 18}xi8>'
        in text
    )


def test_objects_are_ours_and_linked_by_path(program: IreeProgram) -> None:
    text = program.ir("program")
    assert text.count("#hal.executable.object<{path =") == 3
    assert text.count("hal.import.static") == 6
    assert len({kernel.name for kernel in program.kernels}) == 6


def test_numpy_in_numpy_out(program: IreeProgram) -> None:
    ids, mask = example()
    y = program(ids.numpy(), mask.numpy())
    assert isinstance(y, np.ndarray)
    assert np.array_equal(y, program(ids, mask).numpy())


def test_the_calling_thread_gives_the_same_result(program: IreeProgram) -> None:
    single = iree.load(program.folder, threads=1)
    assert torch.equal(single(*example()), program(*example()))


def test_save_and_load_without_compiler_or_torch(program: IreeProgram, tmp_path: Path) -> None:
    saved = program.save(tmp_path / "copy")
    ids, mask = (value.numpy() for value in example())
    np.savez(tmp_path / "in.npz", ids=ids, mask=mask, y=program(ids, mask))
    script = """if True:
        import sys, numpy as np
        from headrace.interop import iree
        data = np.load(sys.argv[2])
        y = iree.load(sys.argv[1])(data["ids"], data["mask"])
        assert np.array_equal(y, data["y"])
        loaded = [n for n in ("torch", "torch_mlir", "iree.compiler") if n in sys.modules]
        loaded += [n for n in sys.modules if n.startswith("headrace._mlir_libs")]
        assert not loaded, loaded
    """
    command = [sys.executable, "-c", script, str(saved), str(tmp_path / "in.npz")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_several_results_keep_their_structure() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(32, 16)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"y": self.layer(x), "twice": x * 2}

    x = torch.ones(2, 32)
    result = iree.compile(Two(), (x,))(x)
    assert list(result) == ["y", "twice"]
    assert torch.equal(result["twice"], x * 2)


def test_every_type_crosses() -> None:
    class Types(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(32, 32)
            self.register_buffer("u8", torch.arange(100, 200, dtype=torch.uint8))
            self.register_buffer("flags", torch.arange(128) % 3 == 0)
            self.register_buffer("short", torch.linspace(0, 1, 64).to(torch.bfloat16))

        def forward(self, x: torch.Tensor, half: torch.Tensor, keep: torch.Tensor) -> object:
            y = self.layer(x)
            numbers = (self.u8.to(torch.int32) + 1, self.short.float(), y.argmax(-1))
            return *numbers, y > 0, self.flags[:32] & keep, y.to(torch.float16) + half

    torch.manual_seed(11)
    inputs = (torch.randn(2, 32), torch.randn(2, 32).half(), torch.rand(32) > 0.3)
    model = Types()
    results = iree.compile(model, inputs, activations="f32")(*inputs)
    expected = quantize_linears(model, "q8_0", "f32")(*inputs)
    assert isinstance(results, tuple)
    for got, wanted in zip(results, expected, strict=True):
        assert got.dtype == wanted.dtype
        # Two roundings of half precision may differ in the last place, everything else not.
        tolerance = 2e-3 if got.dtype == torch.float16 else 0
        torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)


def test_symbols_of_objects_can_be_told_apart() -> None:
    # IREE links all objects into one library and would take the first of two equal names.
    data, manifest = compile_object(
        ops.matvec(32, 32, format="q8_0", activations="i8"), prefix="mine_"
    )
    symbols = [kernel["symbol"] for kernel in manifest["kernels"]]
    assert len(symbols) == 2
    for symbol in symbols:
        assert symbol.startswith("mine_")
        bare = symbol.removeprefix("mine_").encode()
        assert data.count(bare + b"\0") == data.count(symbol.encode() + b"\0") > 0


def test_temporary_programs_are_removed() -> None:
    program = iree.compile(nn.Linear(32, 8), (torch.ones(1, 32),))
    folder = program.folder
    assert (folder / "program.vmfb").is_file()
    del program
    gc.collect()
    assert not folder.exists()


def test_wrong_inputs(program: IreeProgram) -> None:
    ids, mask = example()
    with pytest.raises(ArgumentError, match=r"expected 2 inputs, but got 1.*int64\[1, 6\]"):
        program(ids)
    with pytest.raises(
        ArgumentError, match=r"input 1: expected bool\[1, 6\], but got int64\[1, 6\]"
    ):
        program(ids, mask.long())
    with pytest.raises(
        ArgumentError, match=r"input 0: expected int64\[1, 6\], but got int64\[2, 6\]"
    ):
        program(ids.repeat(2, 1), mask)


def test_other_targets(model: Encoder) -> None:
    with pytest.raises(UsageError, match="unknown cpu 'znver99'"):
        iree.compile(model, example(), target="cpu:znver99")


def test_options_as_one_object_through_the_main_entry(model: Encoder) -> None:
    quantize = headrace.Quantize(weights={"down": "q8_0"}, activations="i8")
    program = headrace.compile(model, example(), quantize=quantize)
    assert [k.format for k in program.kernels if k.weight_bytes] == ["q8_0"]
    again = headrace.load(program.folder)
    assert torch.equal(again(*example()), program(*example()))


def test_unknown_stage(program: IreeProgram) -> None:
    with pytest.raises(UsageError, match=r"'linalg'\. Allowed: imported, program"):
        program.ir("linalg")


def test_damaged_programs(program: IreeProgram, tmp_path: Path) -> None:
    saved = program.save(tmp_path / "p")
    weights = (saved / "weights.irpa").read_bytes()
    (saved / "weights.irpa").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ArtifactError, match=r"weights\.irpa.*damaged or truncated"):
        iree.load(saved)
    (saved / "weights.irpa").unlink()
    with pytest.raises(ArtifactError, match=r"weights\.irpa"):
        iree.load(saved)
    manifest = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps(manifest | {"schema": 99}))
    with pytest.raises(ArtifactError, match="schema 1, but got 'iree' and 99"):
        iree.load(saved)
    needy = manifest | {"requires": manifest["requires"] | {"features": ["avx9000"]}}
    (saved / "manifest.json").write_text(json.dumps(needy))
    with pytest.raises(MachineError, match="lacks: avx9000"):
        iree.load(saved)
    (saved / "manifest.json").write_text("[]")
    with pytest.raises(ArtifactError, match="expected a JSON object"):
        iree.load(saved)
    (saved / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="not valid JSON"):
        iree.load(saved)
    with pytest.raises(ArtifactError, match="not a saved program"):
        iree.load(tmp_path / "nothing")


def test_a_failed_compile_leaves_the_old_program(program: IreeProgram, tmp_path: Path) -> None:
    saved = program.save(tmp_path / "p")
    with pytest.raises(UsageError, match="has no layer to quantize"):
        iree.compile(nn.ReLU(), (torch.ones(1, 4),), output=saved)
    assert torch.equal(iree.load(saved)(*example()), program(*example()))
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_threads_are_fixed_once_per_process(program: IreeProgram) -> None:
    with pytest.raises(UsageError, match="workers exist already"):
        iree.load(program.folder, threads=3)
    with pytest.raises(UsageError, match="threads to be positive, but got -1"):
        iree.load(program.folder, threads=-1)
