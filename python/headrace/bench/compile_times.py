"""How long it takes to compile one kernel, and those of a model of 26 layers."""

from __future__ import annotations

import time

from headrace.ops_text import packed

LAYERS = 26
# Gemma 2 2B
HIDDEN, INNER, HEADS, GROUPS, DIM, TOKENS = 2304, 9216, 8, 4, 256, 4096
SHAPES = ((4096, 14336), (4096, 4096), (2048, 8192))


def measure(target: str) -> dict[str, float]:
    """Seconds: `kernel`, `again` (one that was compiled before), best of several each; `model`."""
    import headrace

    def seconds(source: str | bytes, cache: bool = False) -> float:
        begin = time.perf_counter()
        headrace.compile(source, target=target, cache=cache)
        return time.perf_counter() - begin

    specs = [f"matvec:m={m},k={k},format=q4_k,activations=i8" for m, k in SHAPES]
    for spec in specs:
        seconds(spec, cache=True)  # loads the compiler, and keeps what it makes
    return {
        "kernel": min(seconds(spec) for spec in specs),
        "again": min(seconds(spec, cache=True) for spec in specs),
        "model": seconds(model_text().encode()),
    }


def model_text() -> str:
    """One step of decoding of each layer; what joins the operations is no kernel and left out."""
    hidden, inner = f"tensor<{HIDDEN}xf32>", f"tensor<{INNER}xf32>"
    q, kv = f"tensor<1x{HEADS}x{DIM}xf32>", f"tensor<1x{GROUPS}x{DIM}xf32>"
    heads, sums = f"tensor<{HEADS}x{DIM}xf32>", f"tensor<{HEADS}xf32>"
    cache, one = f"!qattn.kv_cache<{TOKENS}x{GROUPS}x{DIM}, f16>", "tensor<1xi32>"
    vectors = {
        "x": hidden,
        "norm": hidden,
        "inner": inner,
        "q": q,
        "k": kv,
        "query": heads,
        "at": one,
        "freq": f"tensor<{DIM // 2}xf32>",
    }
    arguments = [f"%{name}: {kind}" for name, kind in vectors.items()]
    matrices = {
        "wqkv": (DIM * (HEADS + 2 * GROUPS), HIDDEN, "q4_k", "x"),
        "down": (HIDDEN, INNER, "q6_k", "inner"),
    }
    lines, values, types = [], [], []

    def emit(layer: int, name: str, op: str, operands: str, kinds: str, result: str) -> None:
        lines.append(f"%{name}e{layer} = tensor.empty() : {result}")
        lines.append(
            f"%{name}{layer} = {op} ins({operands} : {kinds}) "
            f"outs(%{name}e{layer} : {result}) -> {result}"
        )
        values.append(f"%{name}{layer}")
        types.append(result)

    for name, size in (("x", HIDDEN), ("inner", INNER)):
        lines.append(
            f"%{name}q = qlinear.quantize %{name} : {vectors[name]} to {packed(1, size, 'act_i8')}"
        )
    for i in range(LAYERS):
        emit(i, "n", "qlinear.rms_norm eps = 1.0e-6", "%x, %norm", f"{hidden}, {hidden}", hidden)
        for name, (rows, cols, form, x) in matrices.items():
            weight = packed(rows, cols, form)
            arguments.append(f"%{name}w{i}: {weight}")
            kinds = f"{weight}, {packed(1, cols, 'act_i8')}"
            emit(i, name, "qlinear.matvec", f"%{name}w{i}, %{x}q", kinds, f"tensor<{rows}xf32>")
        gate = packed(INNER, HIDDEN, "q4_k")
        arguments += [f"%gate{i}: {gate}", f"%up{i}: {gate}", f"%c{i}: {cache}"]
        kinds = f"{gate}, {gate}, {packed(1, HIDDEN, 'act_i8')}"
        emit(i, "g", "qlinear.gated_matvec gelu_tanh", f"%gate{i}, %up{i}, %xq", kinds, inner)
        rope = f"{q}, {one}, {vectors['freq']}"
        emit(i, "r", "qattn.rope", "%q, %at, %freq", rope, q)
        lines += [
            f"%new{i} = qattn.append_kv %k, %k into %c{i} at %at : {kv}, {kv}, {cache}, {one} -> "
            f"{cache}",
            f"%oe{i} = tensor.empty() : {heads}",
            f"%le{i} = tensor.empty() : {sums}",
            f"%o{i}:2 = qattn.decode ins(%query, %new{i}, %at : {heads}, {cache}, {one}) "
            f"outs(%oe{i}, %le{i} : {heads}, {sums}) {{scale = 0.0625 : f32}} -> {heads}, {sums}",
        ]
        values += [f"%new{i}", f"%o{i}#0"]
        types += [cache, heads]
    lines.append(f"return {', '.join(values)} : {', '.join(types)}")
    body = "\n  ".join(lines)
    return f"func.func @main({', '.join(arguments)}) -> ({', '.join(types)}) {{\n  {body}\n}}\n"
