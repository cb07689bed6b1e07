"""The numbers of GGUF: value types of metadata, and tensor types with their block sizes.

Facts: the GGUF specification, and ggml's table of types.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

__all__ = [
    "ALIGNMENT_KEY",
    "ARRAY",
    "BOOL",
    "DEFAULT_ALIGNMENT",
    "MAGIC",
    "MAX_DIMS",
    "SCALARS",
    "STRING",
    "TENSOR_TYPES",
    "TYPE_CODES",
    "VALUE_CODES",
    "TensorType",
]

MAGIC = b"GGUF"
ALIGNMENT_KEY = "general.alignment"
DEFAULT_ALIGNMENT = 32
MAX_DIMS = 4

# Value types of metadata: code -> name, how a scalar is packed, the type of an array's elements.
BOOL, STRING, ARRAY = 7, 8, 9
SCALARS: dict[int, tuple[str, struct.Struct, np.dtype[np.generic]]] = {
    0: ("u8", struct.Struct("<B"), np.dtype("u1")),
    1: ("i8", struct.Struct("<b"), np.dtype("i1")),
    2: ("u16", struct.Struct("<H"), np.dtype("<u2")),
    3: ("i16", struct.Struct("<h"), np.dtype("<i2")),
    4: ("u32", struct.Struct("<I"), np.dtype("<u4")),
    5: ("i32", struct.Struct("<i"), np.dtype("<i4")),
    6: ("f32", struct.Struct("<f"), np.dtype("<f4")),
    BOOL: ("bool", struct.Struct("<B"), np.dtype(np.bool_)),
    10: ("u64", struct.Struct("<Q"), np.dtype("<u8")),
    11: ("i64", struct.Struct("<q"), np.dtype("<i8")),
    12: ("f64", struct.Struct("<d"), np.dtype("<f8")),
}
VALUE_CODES: dict[str, int] = {name: code for code, (name, _, _) in SCALARS.items()}
VALUE_CODES["str"] = STRING


class TensorType(NamedTuple):
    """A tensor type: the name of its format here, values in a block, and the block's bytes."""

    format: str
    block: int
    nbytes: int


# Types whose name starts with "gguf:" have no codec here; they are listed, and copied as bytes.
TENSOR_TYPES: dict[int, TensorType] = {
    0: TensorType("f32", 1, 4),
    1: TensorType("f16", 1, 2),
    2: TensorType("q4_0", 32, 18),
    3: TensorType("q4_1", 32, 20),
    6: TensorType("q5_0", 32, 22),
    7: TensorType("q5_1", 32, 24),
    8: TensorType("q8_0", 32, 34),
    9: TensorType("gguf:q8_1", 32, 40),
    10: TensorType("q2_k", 256, 84),
    11: TensorType("q3_k", 256, 110),
    12: TensorType("q4_k", 256, 144),
    13: TensorType("q5_k", 256, 176),
    14: TensorType("q6_k", 256, 210),
    15: TensorType("gguf:q8_k", 256, 292),
    16: TensorType("gguf:iq2_xxs", 256, 66),
    17: TensorType("gguf:iq2_xs", 256, 74),
    18: TensorType("gguf:iq3_xxs", 256, 98),
    19: TensorType("gguf:iq1_s", 256, 50),
    20: TensorType("iq4_nl", 32, 18),
    21: TensorType("gguf:iq3_s", 256, 110),
    22: TensorType("gguf:iq2_s", 256, 82),
    23: TensorType("gguf:iq4_xs", 256, 136),
    24: TensorType("i8", 1, 1),
    25: TensorType("i16", 1, 2),
    26: TensorType("i32", 1, 4),
    27: TensorType("i64", 1, 8),
    28: TensorType("f64", 1, 8),
    29: TensorType("gguf:iq1_m", 256, 56),
    30: TensorType("bf16", 1, 2),
    34: TensorType("gguf:tq1_0", 256, 54),
    35: TensorType("gguf:tq2_0", 256, 66),
    39: TensorType("mxfp4", 32, 17),
    40: TensorType("gguf:nvfp4", 64, 36),  # other blocks than nvfp4 of headrace.formats
    41: TensorType("gguf:q1_0", 128, 18),
}
TYPE_CODES = {kind.format: code for code, kind in TENSOR_TYPES.items()}
