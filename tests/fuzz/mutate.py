"""Seeded mutations that know the two file formats: lengths, counts, offsets, JSON."""

import random
import re
import struct

# Where sizes go wrong.
_NUMBERS = (0, 1, 2, 3, 7, 8, 31, 32, 64, 255, 256, 1 << 16, (1 << 20) + 1, 1 << 30)
_EDGES = tuple((1 << bits) + step for bits in (31, 32, 59, 62, 63, 64) for step in (-1, 0, 1))
_DTYPES = (b"F32", b"BF16", b"U8", b"F4", b"F6_E2M3", b"C64", b"BOOL", b"F8_E4M3", b"X", b"")
_FORMATS = (
    b"b.safetensors",
    b"../a.safetensors",
    b"2x64 q8_0",
    b"1x256 q4_k",
    b"3x40 q4nx",
    b"1x1 int4:g8",
    b"2x128 int4:g128:zp",
    b"1x64 codebook:d2:e16:g512:i8:a64",
    b"1x256 fp8_e4m3:per_block",
    b"2x32 mxfp8_e4m3",
    b"4x32 q4_0:rows4",
    b"256x256 q4_k:zigzag",
    b"9999999x9999999 q4nx",
    b"1x1 gguf:q8_1",
    b"0x1 q8_0",
    b"1x2",
)
_JSON = (
    b"{}",
    b"[]",
    b"null",
    b"-1",
    b"1.5",
    b"1e9",
    b"NaN",
    b"true",
    b'""',
    b'"\\ud800"',
    b"[" * 99,
)


def mutated(kind: str, data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A damaged variant of `data`; `others` are spliced in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        steps = [_truncate, _flip, _number, _number, _copy, _delete, _splice]
        if kind == "safetensors":
            steps += [_json] * 8
        if kind == "index":
            steps = [_truncate, _flip, _copy, _delete, _splice] + [_text] * 8
        rng.choice(steps)(out, rng, others)
    if kind == "gguf" and len(out) > 24 and rng.random() < 0.2:
        small = struct.pack("<QQ", rng.randrange(9), rng.randrange(20))
        out[8:24] = small  # other counts: a header that ends too early or too late
    return bytes(out)


def _at(out: bytearray, rng: random.Random) -> int:
    """A place, more often near the start, where headers are."""
    size = len(out) if rng.random() < 0.5 else min(len(out), 512)
    return rng.randrange(size) if size else 0


def _truncate(out: bytearray, rng: random.Random, _others: list[bytes]) -> None:
    del out[_at(out, rng) :]


def _flip(out: bytearray, rng: random.Random, _others: list[bytes]) -> None:
    if out:
        out[_at(out, rng)] ^= 1 << rng.randrange(8)


def _interesting(rng: random.Random, size: int) -> int:
    return rng.choice((rng.choice(_NUMBERS), rng.choice(_EDGES), size + rng.randrange(-9, 9)))


def _number(out: bytearray, rng: random.Random, _others: list[bytes]) -> None:
    """A u32 or u64 becomes another; where there is one, it is one: high bytes are 0."""
    at = _at(out, rng)
    for _ in range(20):
        if out[at + 3 : at + 4] == b"\0" and out[at : at + 1] != b"\0":
            break
        at = _at(out, rng)
    width = rng.choice((4, 8))
    old = int.from_bytes(out[at : at + width], "little")
    new = rng.choice((old + 1, old - 1, old * 2, _interesting(rng, len(out))))
    out[at : at + width] = (new % (1 << 8 * width)).to_bytes(width, "little")


def _copy(out: bytearray, rng: random.Random, _others: list[bytes]) -> None:
    start = _at(out, rng)
    piece = out[start : start + rng.choice((1, 4, 8, 40, 200))]
    at = _at(out, rng)
    out[at:at] = piece


def _delete(out: bytearray, rng: random.Random, _others: list[bytes]) -> None:
    at = _at(out, rng)
    del out[at : at + rng.choice((1, 4, 8, 40))]


def _splice(out: bytearray, rng: random.Random, others: list[bytes]) -> None:
    other = rng.choice(others)
    out[_at(out, rng) :] = other[rng.randrange(len(other) + 1) :]


def _json(out: bytearray, rng: random.Random, _others: list[bytes]) -> None:
    """Changes a part of the header, and mostly keeps its length right."""
    length = int.from_bytes(out[:8], "little")
    if len(out) < 10 or length > len(out) - 8:
        return
    text = _changed(bytes(out[8 : 8 + length]), len(out) - 8 - length, rng)
    if rng.random() < 0.9:
        out[:8] = struct.pack("<Q", len(text))
    out[8 : 8 + length] = text


def _text(out: bytearray, rng: random.Random, _others: list[bytes]) -> None:
    """Changes a part of a file that is all JSON."""
    out[:] = _changed(bytes(out), len(out), rng)


def _changed(text: bytes, size: int, rng: random.Random) -> bytes:
    """JSON with another number, string, value, or without a member; `size`: of what it is of."""
    pattern, choices = rng.choice(
        (
            (rb"\d+", None),
            (rb'(?<="dtype":")[^"]*', _DTYPES),
            (rb'(?<=:")[^"]*(?=")', _FORMATS),
            (rb'"[^"]*"', _JSON),
            (rb"\[[^\[\]]*\]|\{[^{}]*\}", _JSON),
            (rb'"[^"]*":\s*(\{[^{}]*\}|"[^"]*"),?', (b"",)),
        )
    )
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    match = rng.choice(found)
    if choices is None:
        new = b"%d" % _interesting(rng, size)
    elif rng.random() < 0.2:
        new = rng.choice(found)[0]  # a value of another place
    else:
        new = rng.choice(choices)
    return text[: match.start()] + new + text[match.end() :]
