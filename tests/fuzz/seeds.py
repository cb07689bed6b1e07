"""Small files that the fuzzers start from: made here, of all that the readers have code for."""

import json
import struct
import tempfile
from pathlib import Path

import numpy as np

from headrace import files, formats
from headrace.files import Out, Typed

# One of each family, small, and all of the ways to be stored: headers, bands, rows' own scales.
_FORMATS = {
    "q4_k": (1, 256),
    "int4:g32:zp": (2, 64),
    "int4:g32:act_order": (2, 32),
    "int8:channel:f32": (2, 8),
    "nvfp4": (2, 32),
    "mxfp4": (1, 2, 32),
    "fp8_e4m3:per_block": (2, 130),
    "fp8_e5m2:per_token": (2, 8),
    "q4_0:rows4": (3, 32),
    "q4_0:zigzag": (2, 2),
    "codebook:d2:e16:g32:i8:a16": (2, 4),
}

ROOT = Path(__file__).resolve().parent
FINDINGS = ROOT / "findings"


def seeds(kind: str) -> dict[str, bytes]:
    """name -> content, of `kind` "gguf", "safetensors" or "index"; the same in every run."""
    return {"gguf": _gguf, "safetensors": _safetensors, "index": _index}[kind]()


def findings(kind: str) -> dict[str, bytes]:
    """What once broke a reader."""
    return {path.name: path.read_bytes() for path in sorted((FINDINGS / kind).glob("*.bin"))}


def _ramp(size: int) -> np.ndarray:
    return (np.arange(size) * 37 % 251).astype(np.uint8)


def _packed(name: str, shape: tuple[int, ...], form: str) -> Out:
    values = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(-1, shape[-1])
    return Out(name, shape, form, formats.get(form).encode(values))


def _written(write, *arguments) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "seed")
        write(path, *arguments)
        return path.read_bytes()


def _gguf() -> dict[str, bytes]:
    numbers = {
        "a.u8": Typed("u8", 255),
        "a.i8": Typed("i8", -128),
        "a.u16": Typed("u16", 65535),
        "a.i16": Typed("i16", -2),
        "a.u32": Typed("u32", 7),
        "a.i32": Typed("i32", -7),
        "a.f32": Typed("f32", 0.5),
        "a.bool": Typed("bool", True),
        "a.u64": Typed("u64", 1 << 63),
        "a.i64": Typed("i64", -1),
        "a.f64": Typed("f64", 1e300),
        "a.text": Typed("str", "Zürich"),
    }
    arrays = {
        "tokens": ["a", "", "é"],
        "scores": np.float32([0, 1, -1]),
        "bools": np.array([True, False]),
        "empty": Typed("i32[]", []),
        "longs": np.arange(5),
        "general.alignment": 64,
    }
    plain = [
        Out("f32", (2, 3), "f32", _ramp(24)),
        Out("f16", (2, 2, 2), "f16", _ramp(16)),
        Out("scalar", (), "f64", _ramp(8)),
        Out("i64", (1,), "i64", _ramp(8)),
        Out("iq", (1, 256), "gguf:iq2_xxs", _ramp(66)),
    ]
    blocks = [
        _packed("q8", (2, 32), "q8_0"),
        _packed("q4", (1, 2, 64), "q4_0"),
        _packed("k", (1, 256), "q4_k"),
        Out("bf16", (3, 1), "bf16", _ramp(6)),
    ]
    made = {
        "empty": _written(files.write_gguf, [], {}),
        "numbers": _written(files.write_gguf, plain[:1], numbers),
        "arrays": _written(files.write_gguf, plain[:2], arrays),
        "plain": _written(files.write_gguf, plain, {}),
        "blocks": _written(files.write_gguf, blocks, {"general.architecture": "llama"}),
    }
    made["version2"] = made["plain"][:4] + struct.pack("<I", 2) + made["plain"][8:]
    return made


def _safetensors() -> dict[str, bytes]:
    plain = [
        Out(form, (2, 3), form, _ramp(6 * files.PLAIN[form].itemsize))
        for form in files.PLAIN
        if form != "bool"
    ]
    plain += [Out("bool", (2,), "bool", np.uint8([0, 1])), Out("none", (0, 4), "f32", _ramp(0))]
    some = [_packed("a.weight", (3, 40), "q4nx"), _packed("b.weight", (2, 64), "q8_0")]
    some.append(Out("norm", (), "bf16", _ramp(2)))
    others = [_packed("w", shape, form) for form, shape in _FORMATS.items() if _known(form)]
    one = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
    sub_byte = {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}
    return {
        "empty": _written(files.write_safetensors, []),
        "plain": _written(files.write_safetensors, plain, {"format": "pt"}),
        "q4nx": _written(files.write_safetensors, some, {"ä": "日本"}),
        "escapes": json_file({"é\n\x7f": one}, b"x"),
        "sub_byte": json_file({"f4": sub_byte}, b"xy"),
        **{out.format: _written(files.write_safetensors, [out]) for out in others},
    }


def _index() -> dict[str, bytes]:
    parts = {"x": "a.safetensors", "z": "b.safetensors", "y.weight": "a.safetensors"}
    metadata = {"total_size": 24, "more": [1.5, None, {"a": "ü"}]}
    seeds = {
        "full": {"metadata": metadata, "weight_map": parts},
        "empty": {"weight_map": {}},
        "other": {"other": True, "weight_map": {"z": "b.safetensors"}, "metadata": {}},
    }
    return {name: json.dumps(seed, indent=1).encode() for name, seed in seeds.items()}


def _known(form: str) -> bool:
    try:
        formats.get(form)
    except files.FileError.__base__:
        return False
    return True


def json_file(header: object, data: bytes = b"") -> bytes:
    """A safetensors file with any header: text, or what becomes JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
