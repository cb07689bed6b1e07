"""Lines of AIE designs as the target prints them: where what is, and with one of them changed."""

import random
import re
from collections.abc import Callable

Lines = list[str]

_FORM = {
    "acquire": r"= aie\.objectfifo\.acquire @",
    "release": r" aie\.objectfifo\.release @",
    "fifo": r" aie\.objectfifo @",
    "link": r" aie\.objectfifo\.link \[",
    "transfer": r" aie\.dma_bd\(",
    "configure": r"= aiex\.dma_configure_task_for @",
    "start": r" aiex\.dma_start_task\(",
    "await": r" aiex\.dma_await_task\(",
    "free": r" aiex\.dma_free_task\(",
    "call": r" func\.call @",
    "buffer": r"= aie\.buffer\(",
    "tile": r"= aie\.tile\(",
    "constant": r" = arith\.constant -?\d+ : ",
    "stack": r"stack_size = ",
    "loop": r" scf\.for ",
    "device": r"^aie\.device\(",
}


def places(lines: Lines, *kinds: str) -> list[int]:
    pattern = re.compile("|".join(_FORM[kind] for kind in kinds))
    return [at for at, line in enumerate(lines) if pattern.search(line)]


def drawn(lines: Lines, draw: random.Random, *kinds: str) -> int | None:
    found = places(lines, *kinds)
    return draw.choice(found) if found else None


def with_line(lines: Lines, at: int, *instead: str) -> Lines:
    return [*lines[:at], *instead, *lines[at + 1 :]]


def rewritten(lines: Lines, at: int | None, pattern: str, new: Callable[[re.Match[str]], str],
              draw: random.Random) -> Lines | None:  # fmt: skip
    """One of the matches in a line replaced; None if it has none."""
    if at is None:
        return None
    found = list(re.finditer(pattern, lines[at]))
    if not found:
        return None
    one = draw.choice(found)
    line = lines[at]
    return with_line(lines, at, line[: one.start()] + new(one) + line[one.end() :])


def near(number: int, draw: random.Random) -> int:
    """Another number: a little or a lot more or less."""
    steps = (1, -1, 2, -2, 3, 4, -4, 8, 32, -32, 64, number, -number, 1 << 20, -number // 2)
    return number + draw.choice([step for step in steps if step])


def swapped(lines: Lines, one: int, other: int) -> Lines:
    changed = list(lines)
    changed[one], changed[other] = lines[other], lines[one]
    return changed
