"""Seeded mutations that know the text of MLIR: shapes, types, formats, attributes, operands."""

import random
import re
from collections.abc import Callable

# A first line that names a pipeline, to be run besides the usual ones.
PIPELINE = "// pipeline: "

_NUMBERS = (0, 1, 2, 3, 7, 8, 31, 32, 33, 64, 128, 255, 256, 512, 1 << 16, 1 << 20)
_HUGE = tuple(
    sign * ((1 << bits) + step) for bits in (28, 31, 32, 62, 63) for step in (-1, 0, 1)
    for sign in (1, -1)
)  # fmt: skip
_FLOATS = ("0.0", "-0.0", "-1.0", "1.0e-45", "1.0e38", "1.0e+999", "0x7FC00000", "0xFF800000")
_ELEMENTS = ("f32", "bf16", "f16", "f64", "i8", "i32", "i64", "i1", "index", "f8E4M3FN", "i4")
_SPANS = (
    r"\{[^{}]*\}",
    r"<[^<>]*>",
    r"\([^()]*\)",
    r"\[[^\[\]]*\]",
    r"-> [^{]*",
    r", [^,]*",
)
_NUMBER = r"(?<![\w%@.#])\d+(?![\w.])|(?<![\w%@.#])\d+(?=x)|(?<=[\d?]x)\d+"
_TOKEN = r"[%@!#]?[\w.$-]+|\S"
_POOLED = (
    r"#qlinear\.\w+(?:<[^<>]*>)?",
    r"![\w.]+<(?:[^<>]|<(?:[^<>]|<[^<>]*>)*>)*>",
    r"(?:tensor|memref)<[^<>]*>",
    r"\bqlinear\.\w+",
    r"\bqattn\.\w+",
    r"\b(?:linalg|arith|tensor|scf|func)\.\w+",
    r"\w+ = [^,{}<>()]+",
    r"<\{[^{}]*\}>",
    r"(?<= )[a-z_]+(?= )",
)

Step = Callable[[str], str]


class Mutator:
    """Damages texts, with parts of `seeds`; the same for the same seed of `rng`."""

    def __init__(self, seeds: list[str], options: list[str], rng: random.Random) -> None:
        self._seeds, self._options, self._rng = seeds, options, rng
        joined = "\n".join(seeds)
        self._pools = {pattern: sorted(set(re.findall(pattern, joined))) for pattern in _POOLED}
        steps: list[tuple[int, Step]] = [
            (6, self._number),
            (2, self._dynamic),
            (1, self._float),
            (2, self._element),
            (2, self._tensor_or_memref),
            (6, self._pooled),
            (2, self._drop),
            (3, self._operand),
            (3, self._attribute),
            (2, self._line),
            (1, self._foreign_line),
            (2, self._token),
            (1, self._truncate),
            (1, self._characters),
            (1, self._pipeline),
        ]
        self._steps = [step for weight, step in steps for _ in range(weight)]

    def __call__(self, text: str) -> str:
        for _ in range(self._rng.choice((1, 1, 1, 2, 2, 3, 5))):
            text = self._rng.choice(self._steps)(text)
        return text

    def _replaced(self, text: str, pattern: str, new: Callable[[str], str]) -> str:
        """One match of `pattern` becomes `new` of it; sometimes all that are equal to it do."""
        found = list(re.finditer(pattern, text))
        if not found:
            return text
        match = self._rng.choice(found)
        value = new(match[0])
        if self._rng.random() < 0.5:
            return re.sub(pattern, lambda m: value if m[0] == match[0] else m[0], text)
        return text[: match.start()] + value + text[match.end() :]

    def _number(self, text: str) -> str:
        rng = self._rng
        others = re.findall(_NUMBER, text)

        def new(old: str) -> str:
            value = int(old) if len(old) < 30 else 0
            near = (value + 1, value - 1, value * 2, value // 2, -value)
            kind = rng.random()
            if kind < 0.3:
                return str(rng.choice(near))
            if kind < 0.6:
                return rng.choice(others)
            return str(rng.choice(_NUMBERS if kind < 0.8 else _HUGE))

        return self._replaced(text, _NUMBER, new)

    def _dynamic(self, text: str) -> str:
        return self._replaced(text, r"\d+(?=x)", lambda _: "?")

    def _float(self, text: str) -> str:
        return self._replaced(
            text, r"\d+\.\d+(?:[eE][-+]?\d+)?", lambda _: self._rng.choice(_FLOATS)
        )

    def _element(self, text: str) -> str:
        pattern = r"\b(?:" + "|".join(_ELEMENTS) + r")\b|(?<=x)(?:" + "|".join(_ELEMENTS) + r")\b"
        return self._replaced(text, pattern, lambda _: self._rng.choice(_ELEMENTS))

    def _tensor_or_memref(self, text: str) -> str:
        kinds = ("tensor", "memref", "vector")
        return self._replaced(text, r"\b(?:tensor|memref)(?=<)", lambda _: self._rng.choice(kinds))

    def _pooled(self, text: str) -> str:
        """A format, type, operation, attribute or keyword becomes another of its kind."""
        pattern = self._rng.choice([p for p in _POOLED if self._pools[p]])
        return self._replaced(text, pattern, lambda _: self._rng.choice(self._pools[pattern]))

    def _drop(self, text: str) -> str:
        return self._replaced(text, self._rng.choice(_SPANS), lambda _: "")

    def _operand(self, text: str) -> str:
        names = re.findall(r"%[\w#]+", text)
        return self._replaced(text, r"%[\w#]+", lambda _: self._rng.choice(names))

    def _attribute(self, text: str) -> str:
        """Drops, repeats or adds an entry of an attribute dictionary."""
        entry = self._rng.choice(self._pools[r"\w+ = [^,{}<>()]+"])
        way = self._rng.randrange(4)
        if way == 0:
            return self._replaced(text, r"\w+ = [^,{}]+,? ?", lambda _: "")
        if way == 1:
            return self._replaced(text, r"\w+ = [^,{}]+", lambda old: f"{old}, {old}")
        if way == 2:
            return self._replaced(text, r"\{(?=\w+ = )", lambda _: "{" + entry + ", ")
        return self._replaced(text, r" (?=-> |: |loc)", lambda _: " {" + entry + "} ")

    def _line(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        if not lines:
            return text
        rng = self._rng
        line = lines[rng.randrange(len(lines))]
        if rng.random() < 0.7:
            lines.remove(line)
        if rng.random() < 0.7:
            lines.insert(rng.randrange(len(lines) + 1), line)
        return "".join(lines)

    def _foreign_line(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        others = self._rng.choice(self._seeds).splitlines(keepends=True)
        lines.insert(self._rng.randrange(len(lines) + 1), self._rng.choice(others))
        return "".join(lines)

    def _token(self, text: str) -> str:
        tokens = re.findall(
            _TOKEN, self._rng.choice(self._seeds if self._rng.random() < 0.5 else [text])
        )
        return self._replaced(text, _TOKEN, lambda _: self._rng.choice(tokens)) if tokens else text

    def _truncate(self, text: str) -> str:
        return text[: self._rng.randrange(len(text) + 1)]

    def _characters(self, text: str) -> str:
        rng = self._rng
        at = rng.randrange(len(text) + 1)
        new = "".join(
            chr(rng.choice((0, 10, 34, 127, 255, 0x1F600, *range(32, 127))))
            for _ in range(rng.randrange(4))
        )
        return text[:at] + new + text[at + rng.randrange(4) :]

    def _pipeline(self, text: str) -> str:
        if text.startswith(PIPELINE) or not self._options:
            return text
        return f"{PIPELINE}{self._rng.choice(self._options)}\n{text}"
