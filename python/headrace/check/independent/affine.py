"""Affine integers: torchao dequantizes the codes, cut out of the bytes bit by bit.

torchao's `dequantize_affine` is the meaning of integer zero points and of none, its tinygemm
variant that of float ones; both in float32. Columns in another order are picked by torch. Written
from the drawing of the layout alone.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.formats import Format

__all__ = ["WHO", "decode"]

WHO = "torchao"

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def decode(form: Format, data: U8, rows: int, cols: int) -> F32 | None:
    """The values, float32 [rows, cols]; None if the format is of another family."""
    fields = re.match(r"int([248]):(?:g(\d+)|channel)((?::\w+)*)$", form.name)
    if fields is None:
        return None
    import torch

    # It would say that kernels for other machines do not load, and how it declares its classes.
    for logger in ("torchao", "torch.utils._pytree"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    from torchao.quantization import quant_primitives as primitives

    bits, options = int(fields[1]), fields[3].split(":")
    group = int(fields[2]) if fields[2] else cols
    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}
    scale_type = next((dtype[name] for name in options if name in dtype), torch.float16)
    scale_bytes = 4 if scale_type == torch.float32 else 2

    order = None
    if "act_order" in options:
        order = torch.from_numpy(data[: 4 * cols].copy()).view(torch.int32).long()
        data = data[4 * cols :]
    lines = np.stack(np.split(data, rows))
    ends = np.cumsum([cols * bits // 8, cols // group * scale_bytes])
    code_bytes, scale_raw, zero_raw = np.split(lines, ends, axis=1)

    single_bits = np.unpackbits(code_bytes, axis=1, bitorder="little").reshape(rows, cols, bits)
    codes = torch.from_numpy(single_bits @ (1 << np.arange(bits)).astype(np.int32)).int()
    scales = _typed(scale_raw, scale_type)
    block = (1, group)
    limits: dict[str, Any] = {"quant_min": 0, "quant_max": 2**bits - 1}
    if "fz" in options:
        zeros = _typed(zero_raw, scale_type)
        values = primitives._dequantize_affine_tinygemm(
            codes, block, scales, zeros, torch.int32, **limits, output_dtype=torch.float32
        )
    else:
        middle = torch.full(scales.shape, 2 ** (bits - 1), dtype=torch.int32)
        points = torch.from_numpy(zero_raw.astype(np.int32)) if "zp" in options else middle
        values = primitives.dequantize_affine(
            codes, block, scales, points, torch.int32, **limits, output_dtype=torch.float32
        )
    if order is not None:
        values = torch.index_select(values, 1, order)
    return np.asarray(values.numpy())


def _typed(raw: U8, dtype: Any) -> Any:
    """Stored floats as float32."""
    import torch

    return torch.frombuffer(bytearray(raw.tobytes()), dtype=dtype).reshape(len(raw), -1).float()
