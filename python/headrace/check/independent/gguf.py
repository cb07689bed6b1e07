"""GGUF's own block types, and bf16 and f16, by the `gguf` package."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace.formats import Format

__all__ = ["WHO", "decode"]

WHO = "gguf"

_PLAIN = {"bf16", "f16"}


def decode(
    form: Format, data: npt.NDArray[np.uint8], rows: int, cols: int
) -> npt.NDArray[np.float32] | None:
    """The values, float32 [rows, cols]; None if the format is no type of GGUF."""
    if form.attribute != f"#qlinear.gguf<{form.name}>" and form.name not in _PLAIN:
        return None
    import gguf

    kind = gguf.GGMLQuantizationType[form.name.upper()]
    values = gguf.quants.dequantize(data.reshape(rows, -1), kind)
    return np.asarray(values, dtype=np.float32).reshape(rows, cols)
