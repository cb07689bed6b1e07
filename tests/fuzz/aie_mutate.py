"""Seeded mistakes in AIE designs: each changes one thing that a designer could get wrong.

`MISTAKES` has them by name: a function that takes the lines of a design and draws where it goes
wrong. It returns the wrong lines, or None where the design has no such place.
"""

import random
import re
from collections.abc import Callable

from aie_lines import Lines, drawn, near, places, rewritten, swapped, with_line

Mistake = Callable[[Lines, random.Random], Lines | None]
MISTAKES: dict[str, Mistake] = {}


def mistake(function: Mistake) -> Mistake:
    MISTAKES[function.__name__] = function
    return function


def _dropped(lines: Lines, draw: random.Random, kind: str) -> Lines | None:
    at = drawn(lines, draw, kind)
    return None if at is None else with_line(lines, at)


def _twice(lines: Lines, draw: random.Random, kind: str) -> Lines | None:
    at = drawn(lines, draw, kind)
    return None if at is None else with_line(lines, at, lines[at], lines[at])


for _kind in ("release", "start", "await", "free", "call", "fifo", "link", "constant"):
    MISTAKES[f"missing_{_kind}"] = lambda lines, draw, kind=_kind: _dropped(lines, draw, kind)
for _kind in ("release", "start", "await", "free", "call"):
    MISTAKES[f"second_{_kind}"] = lambda lines, draw, kind=_kind: _twice(lines, draw, kind)


@mistake
def second_acquire(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "acquire")
    if at is None:
        return None
    return with_line(lines, at, re.sub(r"%\w+ =", "%again =", lines[at], count=1), lines[at])


@mistake
def missing_element(lines: Lines, draw: random.Random) -> Lines | None:
    """An element neither acquired nor released: what it is for goes as well."""
    at = drawn(lines, draw, "acquire")
    if at is None:
        return None
    held = lines[at].split()[0]
    window = next(i for i in range(at, len(lines)) if f"access {held}[" in lines[i])
    value = lines[window].split()[0]
    port = lines[at][lines[at].index("@") : lines[at].index(",", lines[at].index("("))]
    gone = {at, window}
    for i in range(window + 1, len(lines)):
        if " aie.objectfifo.release " + port in lines[i]:
            gone.add(i)
            break
        if re.search(rf"{re.escape(value)}\b", lines[i]):
            gone.add(i)
    return [line for i, line in enumerate(lines) if i not in gone]


def _amount(lines: Lines, draw: random.Random, *kinds: str) -> Lines | None:
    at = drawn(lines, draw, *kinds)
    return rewritten(lines, at, r"(?<=, )\d+(?=\))", lambda m: str(near(int(m[0]), draw)), draw)


@mistake
def other_number_of_elements(lines: Lines, draw: random.Random) -> Lines | None:
    return _amount(lines, draw, "acquire", "release")


@mistake
def other_port(lines: Lines, draw: random.Random) -> Lines | None:
    other = {"Consume": "Produce", "Produce": "Consume"}
    at = drawn(lines, draw, "acquire", "release")
    return rewritten(lines, at, "Consume|Produce", lambda m: other[m[0]], draw)


@mistake
def early_release(lines: Lines, draw: random.Random) -> Lines | None:
    """Before the function that still uses the element."""
    at = drawn(lines, draw, "release")
    if at is None:
        return None
    first = at - draw.randrange(1, 4)
    return [*lines[:first], lines[at], *lines[first:at], *lines[at + 1 :]]


@mistake
def late_release(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "release")
    if at is None:
        return None
    last = at + draw.randrange(2, 5)
    return [*lines[:at], *lines[at + 1 : last], lines[at], *lines[last:]]


def _transfer(lines: Lines, draw: random.Random, place: int) -> Lines | None:
    """Another offset (0) or length (1) of a descriptor."""
    at = drawn(lines, draw, "transfer")
    if at is None:
        return None
    found = re.search(r", (\d+), (\d+)", lines[at])
    if not found:
        return None
    numbers = [int(found[1]), int(found[2])]
    numbers[place] = near(numbers[place], draw)
    text = lines[at][: found.start()] + f", {numbers[0]}, {numbers[1]}" + lines[at][found.end() :]
    return with_line(lines, at, text)


@mistake
def wrong_offset(lines: Lines, draw: random.Random) -> Lines | None:
    return _transfer(lines, draw, 0)


@mistake
def wrong_length(lines: Lines, draw: random.Random) -> Lines | None:
    return _transfer(lines, draw, 1)


@mistake
def moved_transfer(lines: Lines, draw: random.Random) -> Lines | None:
    """By whole elements of its fifo: aligned, and often within its argument."""
    at = drawn(lines, draw, "transfer")
    if at is None:
        return None
    found = re.search(r", (\d+), (\d+)", lines[at])
    if not found:
        return None
    step = draw.choice((1, -1)) * int(found[2]) // draw.choice((1, 2, 4))
    text = f"{lines[at][: found.start()]}, {int(found[1]) + step}, {found[2]}"
    return with_line(lines, at, text + lines[at][found.end() :])


@mistake
def other_argument(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "transfer")
    return rewritten(lines, at, r"%\w+ :", lambda m: f"%arg{draw.randrange(3)} :", draw)


@mistake
def dimensions(lines: Lines, draw: random.Random) -> Lines | None:
    """A pattern of dimensions, which may move as much or not."""
    at = drawn(lines, draw, "transfer")
    if at is None or "<size" in lines[at]:
        return None
    length = int(re.search(r", (\d+)\)", lines[at])[1])  # type: ignore[index]
    inner = draw.choice([n for n in (4, 16, 64, 1024, length // 2) if n and length % n == 0] or [1])
    stride = draw.choice((inner, inner + 4, 2 * inner, 1))
    dims = f"[<size = {length // inner}, stride = {stride}>, <size = {inner}, stride = 1>]"
    return with_line(lines, at, re.sub(r"\)$", f", {dims})", lines[at]))


@mistake
def repetitions(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "configure")
    if at is None:
        return None
    end = next(i for i in range(at, len(lines)) if lines[i].strip().startswith("}"))
    count = draw.choice((1, 2, 3, 255, 256))
    text = lines[end].strip()
    more = f"repeat_count = {count} : i32"
    if "repeat_count" in text:
        return with_line(lines, end, re.sub(r"repeat_count = \d+ : i32", more, text))
    return with_line(lines, end, f"{text[:-1]}, {more}}}" if "{" in text else f"}} {{{more}}}")


@mistake
def token(lines: Lines, draw: random.Random) -> Lines | None:
    found = [i for i, line in enumerate(lines) if "issue_token = true" in line]
    if not found:
        return None
    at = draw.choice(found)
    return with_line(lines, at, lines[at].replace("issue_token = true", "issue_token = false"))


@mistake
def other_task(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "start", "await", "free")
    tasks = [lines[i].split()[0] for i in places(lines, "configure")]
    return rewritten(lines, at, r"%\w+", lambda m: draw.choice(tasks), draw)


@mistake
def other_fifo(lines: Lines, draw: random.Random) -> Lines | None:
    """Of a task, a core or a link."""
    names = [re.search(r"@\w+", lines[i])[0] for i in places(lines, "fifo")]  # type: ignore[index]
    at = drawn(lines, draw, "configure", "acquire", "release", "link")
    return rewritten(lines, at, r"@\w+", lambda m: draw.choice(names), draw)


@mistake
def swapped_fifos(lines: Lines, draw: random.Random) -> Lines | None:
    """Two names for each other, wherever something uses them but where they are declared."""
    names = [re.search(r"@\w+", lines[i])[0] for i in places(lines, "fifo")]  # type: ignore[index]
    kind = draw.choice(("configure", "acquire", "link"))
    users = places(lines, kind, *(["release"] if kind == "acquire" else []))
    one, other = draw.sample(names, 2)
    other_name = {one: other, other: one}
    changed = list(lines)
    for at in users:
        changed[at] = re.sub(r"@\w+", lambda m: other_name.get(m[0], m[0]), lines[at])
    return changed


@mistake
def swapped_lines(lines: Lines, draw: random.Random) -> Lines | None:
    """Two neighbours of a core or of the sequence."""
    at = drawn(lines, draw, "release", "call", "start", "await", "free", "acquire")
    return None if at is None else swapped(lines, at, at + draw.choice((-1, 1)))


@mistake
def swapped_transfers(lines: Lines, draw: random.Random) -> Lines | None:
    found = places(lines, "transfer")
    return swapped(lines, *draw.sample(found, 2)) if len(found) > 1 else None


@mistake
def swapped_order(lines: Lines, draw: random.Random) -> Lines | None:
    found = places(lines, "start", "await", "free")
    return swapped(lines, *draw.sample(found, 2)) if len(found) > 1 else None


@mistake
def depth(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "fifo")
    new = draw.choice((0, 1, 2, 3, 4, 7, 64, 1000, 65536, 65537))
    return rewritten(lines, at, r"\d+ : i32\)", lambda m: f"{new} : i32)", draw)


@mistake
def element(lines: Lines, draw: random.Random) -> Lines | None:
    """Another size or type of a fifo's elements, there or wherever a core takes them."""
    at = drawn(lines, draw, "fifo")
    if at is None:
        return None
    found = re.search(r"memref<(\d+)x(\w+)>", lines[at])
    if not found:
        return None
    size, kind = int(found[1]), found[2]
    new = draw.choice([f"{near(size, draw)}x{kind}", f"{size // 2}x{kind}", f"{size}xi32",
                       f"{size}xf16", f"{size * 2}x{kind}"])  # fmt: skip
    new = f"memref<{new}>"
    if draw.random() < 0.5:
        return with_line(lines, at, lines[at].replace(found[0], new))
    return [line.replace(found[0], new) for line in lines]


@mistake
def tile(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "tile")
    return rewritten(lines, at, r"\d+(?=[,)])", lambda m: str(draw.randrange(10)), draw)


@mistake
def other_tile(lines: Lines, draw: random.Random) -> Lines | None:
    """Of a fifo, a buffer or a core."""
    tiles = [lines[i].split()[0] for i in places(lines, "tile")]
    at = drawn(lines, draw, "fifo", "buffer")
    return rewritten(lines, at, r"%(?:shim|memory|core)\w+", lambda m: draw.choice(tiles), draw)


@mistake
def consumers(lines: Lines, draw: random.Random) -> Lines | None:
    """One consumer of a broadcast more or less."""
    found = [i for i in places(lines, "fifo") if re.search(r"\{[^}]*,", lines[i])]
    if not found:
        return None
    at = draw.choice(found)
    names = re.search(r"\{([^}]*)\}", lines[at])[1].split(", ")  # type: ignore[index]
    names.pop(draw.randrange(len(names)))
    return with_line(lines, at, re.sub(r"\{[^}]*\}", f"{{{', '.join(names)}}}", lines[at]))


@mistake
def more_fifos(lines: Lines, draw: random.Random) -> Lines | None:
    """More channels than a tile has, or some that nothing uses."""
    at = drawn(lines, draw, "fifo")
    if at is None:
        return None
    more = [lines[at].replace("@", f"@more{i}_", 1) for i in range(draw.randrange(1, 7))]
    return with_line(lines, at, lines[at], *more)


@mistake
def attribute_of_fifo(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "fifo")
    more = draw.choice(("repeat_count = 2 : i32", "via_DMA = true", "repeat_count = 64 : i32"))
    return rewritten(lines, at, r"i32\) :", lambda m: f"i32) {{{more}}} :", draw)


@mistake
def offsets_of_link(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "link")
    return rewritten(lines, at, r"(?<=[\[ ])\d+", lambda m: str(near(int(m[0]), draw)), draw)


@mistake
def order_of_link(lines: Lines, draw: random.Random) -> Lines | None:
    """The parts of an element in another order."""
    at = drawn(lines, draw, "link")
    return rewritten(lines, at, r"(@\w+), (@\w+)", lambda m: f"{m[2]}, {m[1]}", draw)


@mistake
def constant(lines: Lines, draw: random.Random) -> Lines | None:
    """Bounds and steps of loops: of one core, which has constants of its own."""
    at = drawn(lines, draw, "constant")
    return rewritten(lines, at, r"(?<=constant )-?\d+", lambda m: str(near(int(m[0]), draw)), draw)


@mistake
def bounds_of_loop(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "loop")
    return rewritten(lines, at, r"%c\d+", lambda m: draw.choice(("%c0", "%c1", "%c2")), draw)


@mistake
def stack(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "stack")
    new = draw.choice((0, 64, 1024, 16384, 65536, 1 << 30))
    return rewritten(lines, at, r"(?<=stack_size = )\d+", lambda m: str(new), draw)


@mistake
def buffer(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "buffer")
    return rewritten(lines, at, r"(?<=memref<)\d+", lambda m: str(near(int(m[0]), draw)), draw)


@mistake
def arguments_of_call(lines: Lines, draw: random.Random) -> Lines | None:
    at = drawn(lines, draw, "call")
    return rewritten(lines, at, r"(%\w+), (%\w+)", lambda m: f"{m[2]}, {m[1]}", draw)


@mistake
def other_device(lines: Lines, draw: random.Random) -> Lines | None:
    other = {"npu1": "npu2", "npu2": "npu1"}
    return rewritten(lines, drawn(lines, draw, "device"), "npu[12]", lambda m: other[m[0]], draw)


@mistake
def argument_of_sequence(lines: Lines, draw: random.Random) -> Lines | None:
    """Its type, everywhere in the sequence: of another size."""
    (at,) = (i for i, line in enumerate(lines) if " aie.runtime_sequence @" in line)
    old = draw.choice(re.findall(r"memref<\d+x\w+>", lines[at]))
    size, kind = re.match(r"memref<(\d+)x(\w+)>", old).groups()  # type: ignore[union-attr]
    new = f"memref<{near(int(size), draw)}x{kind}>"
    return [*lines[:at], *(line.replace(old, new) for line in lines[at:])]
