"""How MSL becomes C++, how it is found again, and that a clang is needed."""

from pathlib import Path

import numpy as np
import pytest

from headrace.errors import ToolMissingError, UsageError
from headrace.sim import clang, msl, msl_compiler
from headrace.sim.msl_source import rewrite
from headrace.sim.tokens import tokenize


def lines(text: str, **options: object) -> str:
    """What a source becomes, without the entries of kernels and needless space."""
    source = rewrite(text, {}, **options).source  # type: ignore[arg-type]
    return " ".join(source.partition('# 1 "entries"')[0].split())


def test_tokens_keep_all_of_the_text() -> None:
    text = '# 1 "a.metal"\n#pragma x\nint f(int a) { return a[b[0]] + "]]"[1] + \'[\'; } // x\n\n'
    assert tokenize(text).render() == text


def test_lines_stay_where_they_are() -> None:
    text = "kernel void k(device float* a\n  [[buffer(\n0)]],\n uint i "
    text += "[[thread_index_in_simdgroup]])\n{\n threadgroup float\n x[4],\n y;\n a[0] = x[0]; }\n"
    source = rewrite(text, {}).source.partition('\n# 1 "entries"')[0]
    assert source.count("\n") == text.count("\n")
    assert source.splitlines()[8].strip() == "a[0] = x[0]; }"


def test_vectors_are_made_and_cast() -> None:
    assert "metal_shim::make<float4>(a, b)" in lines("auto f = float4(a, b);")
    assert "::metal_shim::make<metal::float4>(a)" in lines("auto f = metal::float4(a);")
    assert "make<vec<half, 4>>" in lines("auto f = vec<half, 4>(a);").replace(" >", ">")
    assert "cast<int2>()->*x" in lines("auto f = (int2)x;")
    # Neither constructors nor casts:
    for same in ("void f(float4 (&a)[4]);", "int f = sizeof(float4);", "float4 a = g(float4, x);"):
        assert lines(same) == same


def test_threadgroup_arrays_and_pointers() -> None:
    arrays = lines("void f() { threadgroup vec<float, 2> a[4][2], b; }")
    assert "static char a_key; MSL_THREADGROUP vec < float , 2 > (&a)[ 4 ][ 2 ]" in arrays
    assert '"b")' in arrays
    pointer = lines("void f() { threadgroup float* a = b; threadgroup float& c = d; }")
    assert pointer == "void f() { MSL_THREADGROUP float* a = b; MSL_THREADGROUP float& c = d; }"


def test_functions_of_classes_for_other_memory_are_dropped() -> None:
    text = "struct s { s() thread : x(0) {} s() device : x(0) {} int f() const constant { g(); } };"
    assert lines(text) == "struct s { s() MSL_THREAD : x(0) {} };"


def test_function_constants() -> None:
    text = "constant short n [[function_constant(4)]]; bool b = is_function_constant_defined(n);"
    given, declared = (rewrite(text, values).source for values in ({4: 3}, {}))
    assert "constexpr MSL_CONSTANT short n = short(3)" in given
    assert "bool b = true;" in given
    assert "extern MSL_CONSTANT const short n" in declared
    assert "bool b = false;" in declared


def test_arguments_are_bound_in_order() -> None:
    text = (
        '[[host_name("h")]] [[max_total_threads_per_threadgroup(64)]] kernel void k('
        "constant S& s, device char* a, device char* b [[buffer(7)]], device char* c, "
        "threadgroup char* d [[threadgroup(1)]], ushort3 i [[thread_position_in_grid]]) {}"
    )
    (kernel,) = rewrite(text, {}).kernels
    assert (kernel.name, kernel.function, kernel.max_threads) == ("h", "k", 64)
    assert [(part.kind, part.index, part.name) for part in kernel.parameters] == [
        *(("buffer", 0, "s"), ("buffer", 1, "a"), ("buffer", 7, "b"), ("buffer", 8, "c")),
        *(("threadgroup", 1, "d"), ("id", 0, "thread_position_in_grid")),
    ]


def test_wanted_kernels() -> None:
    text = "kernel void a() {} kernel void b() {} template<class T> [[kernel]] void c() {}"
    assert [kernel.name for kernel in rewrite(text, {}).kernels] == ["a", "b"]
    assert [kernel.name for kernel in rewrite(text, {}, ["b"]).kernels] == ["b"]
    with pytest.raises(UsageError, match="unknown kernel 'c'"):
        rewrite(text, {}, ["c"])


SOURCE = "#include <metal_stdlib>\nkernel void k(device int* a [[buffer(0)]]) { a[0] = 5; }\n"


def test_libraries_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_CACHE", str(tmp_path))
    monkeypatch.setattr(msl_compiler, "_memo", {})
    msl.build(SOURCE)
    (entry,) = (tmp_path / "msl").glob("*.so")
    monkeypatch.setattr(msl_compiler, "_memo", {})
    monkeypatch.setattr(msl_compiler, "_compile", None)  # is not called again
    a = np.zeros(1, np.int32)
    library = msl.build(SOURCE)
    library.launch("k", buffers=[a], grid=(1, 1, 1), threads=(1, 1, 1))
    assert a[0] == 5
    with pytest.raises(TypeError):
        msl.build(SOURCE.replace("5", "6"))
    assert list((tmp_path / "msl").glob("*.so")) == [entry]


def test_without_clang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "clang++"
    old.write_text("#!/bin/sh\necho 'clang version 14.0.6'\n")
    old.chmod(0o755)
    monkeypatch.setattr(clang, "_NAMES", ["clang++", "clang++-21"])
    monkeypatch.setattr(clang, "_INSTALLED", [])
    monkeypatch.setenv("PATH", str(tmp_path))
    clang.find_clang.cache_clear()
    try:
        with pytest.raises(ToolMissingError, match=r"clang 18 or newer.*clang version 14\.0\.6"):
            msl.build(SOURCE + "// another")
    finally:
        clang.find_clang.cache_clear()
