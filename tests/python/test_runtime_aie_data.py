"""Data of one's own for NPUs: several products in one memory, and what `aie_run` takes."""

import json

import numpy as np
import pytest
import xrt_fake
from aie_built import MATVEC, builder, own_data

from headrace import reference
from headrace_runtime import aie_packing, aie_run
from headrace_runtime.manifest import read_manifest


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return builder(tmp_path_factory)


# --- several products ----------------------------------------------------------------------------


def joined(first, second):
    """The array of a design that has the products of two, in their memories one behind the other;
    arguments are x, weights of the first, weights of the second, then results, second first."""
    memory, products = [], []
    starts = list(aie_packing.sizes(first).values())
    for name, size in aie_packing.sizes(second).items():
        start = aie_packing.sizes(first)[name]
        memory.append({"name": name, "bytes": start + size})
    for number, array in enumerate((first, second)):
        (product,) = json.loads(json.dumps(array["products"]))
        for index, kind in enumerate(("weights", "activations", "results")):
            product[kind]["offset"] = number * starts[index]
        product["weights"]["arguments"] = [1 + number]
        product["results"]["argument"] = 4 - number
        products.append(product)
    return {**first, "memory": memory, "products": products}


def test_several_products_in_the_memories_of_one_design(built, tmp_path):
    texts = (MATVEC, "matvec:m=40,k=512,format=q4_k")
    arrays = [
        read_manifest(built(tmp_path / str(i), text)).data["array"] for i, text in enumerate(texts)
    ]
    (_, (x, one)), (_, (_, other)) = (own_data(text, seed) for seed, text in enumerate(texts))
    array = joined(*arrays)
    memory = aie_packing.pack(array, [x, one, other])
    alone = [aie_packing.pack(a, [x, w]) for a, w in zip(arrays, (one, other), strict=True)]
    for whole, *parts in zip(memory, *alone, strict=True):
        assert whole.tobytes() == b"".join(part.tobytes() for part in parts)
    values = memory[2].view(np.float32)
    values[:] = np.arange(values.size)
    second, first = aie_packing.results(array, memory)
    assert np.array_equal(first, np.arange(67))
    assert np.array_equal(second, alone[0][2].size // 4 + np.arange(40))
    x[:] = 0
    aie_packing.put_activations(array, [x, one, other], memory)
    assert not memory[1].any() and memory[0].any()


# --- aie_run -------------------------------------------------------------------------------------


def test_data_of_ones_own(built, tmp_path, monkeypatch, capsys):
    xrt_fake.install(monkeypatch)
    path = built(tmp_path)
    spec, (x, weight) = own_data(MATVEC)
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    weight.tofile(tmp_path / "w.bin")
    output = tmp_path / "y.npz"
    given = [f"--input=x={tmp_path / 'x.npy'}", f"--input=w={tmp_path / 'w.bin'}"]
    assert aie_run.main([str(path), *given, "--output", str(output), "--repeat", "2"]) == 0
    want = reference.evaluate(spec, x, [weight])
    assert reference.relative_l2(np.load(output)["y"], want) < 1e-4
    assert "best of 2 on NPU Strix" in capsys.readouterr().out


def test_packed_data_needs_no_device(built, tmp_path, capsys):
    path, folder = built(tmp_path), tmp_path / "mine"
    assert aie_run.main([str(path), "--packed", str(folder)]) == 0
    for name in ("weights.bin", "activations.bin"):
        assert (folder / name).read_bytes() == (path / "packed" / name).read_bytes()
    assert aie_run.main([str(path)]) == 2
    assert "no pyxrt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--input", "z=a.npy"], "--input: expected NAME=FILE, but got 'z=a.npy'; names: x, w"),
        (["--input", "x=none.npy"], "argument 'x': cannot read none.npy"),
        (
            ["--input", "w=SHORT"],
            "'w': expected 19296 bytes (int8 or uint8) of q4_k weights",
        ),
        (["--input", "x=SHORT"], "argument 'x': expected 1024 bytes of bf16, but got 4 bytes"),
        (["--repeat", "0"], "--repeat: expected a number from 1, but got 0"),
    ],
)
def test_wrong_data_of_ones_own(built, tmp_path, capsys, given, message):
    short = tmp_path / "short.bin"
    short.write_bytes(b"1234")
    path = built(tmp_path)
    arguments = [text.replace("SHORT", str(short)) for text in given]
    assert aie_run.main([str(path), *arguments, "--packed", str(tmp_path / "p")]) == 2
    assert message in capsys.readouterr().err
