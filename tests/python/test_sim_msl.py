"""Metal Shading Language in the simulator: types, functions, arguments."""

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from headrace.errors import CompileError, UsageError
from headrace.sim import msl
from headrace.sim.msl import Library, Schedule, SimulationError

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
ONE = {"grid": (1, 1, 1), "threads": (1, 1, 1)}
SIMDGROUP: dict[str, Any] = {"grid": (1, 1, 1), "threads": (32, 1, 1)}

KERNELS = """
kernel void vectors(device float* out [[buffer(0)]], device const half4* in [[buffer(1)]]) {
  const float4 a = float4(in[0]);
  const float4 b = float4(a.xy, 7.0f, 8);
  out[0] = dot(a, b);
  out[1] = ((float4)b).w + a.wzyx[0];
  const int4 whole = int4(float4(1.9f, -1.9f, 2.5f, 1e3f));  // converts, keeps no bits
  out[2] = float(whole.x * 1000 + whole.y * 100 + whole.z);
  out[3] = as_type<float>(as_type<uint>(1.5f) + (1u << 23));
  const uchar4 bytes = as_type<uchar4>(0x04030201u);
  out[4] = float(bytes[0] + 10 * bytes[3]);
  out[5] = select(float2(1, 2), float2(3, 4), float2(1, 2) < float2(2, 2)).x;
  out[6] = any(a > 3.5f) && !all(a > 3.5f) ? 1 : 0;
  out[7] = float3(2).y + vec<float, 2>(5, 6).y + metal::float2(9).x;
  out[8] = 0.1;                       // f32: the language has no f64
  out[9] = float(half(2048) + 1.0h + 1.0h);  // each sum is rounded to half
  out[10] = float(bfloat(1.00390625f));
  out[11] = length(float2(3, 4)) + float4x4(2.0f)[1][1];
  out[12] = -(float4(1, 2, 3, 4) * 2.0f).z;
}
kernel void functions(device float* out [[buffer(0)]], device const float* in [[buffer(1)]]) {
  const float x = in[0];
  out[0] = exp(x);
  out[1] = fast::exp(x) + precise::exp(x);
  out[2] = precise::tanh(x);
  out[3] = rsqrt(x);
  out[4] = max(x, 1.0f) + min(3, 4) + clamp(x, -1.0f, 0.5f);
  out[5] = fma(x, x, 1.0f);
  out[6] = rint(2.5f) + round(2.5f) + floor(-0.5f);
  out[7] = float(popcount(0xf0u) + clz(1u) + ctz(8u) + clz(ushort(1)));
  out[8] = float(extract_bits(0xabcdu, 4, 8)) + float(extract_bits(int(0xf0), 4, 4));
  out[9] = float(mulhi(0x80000000u, 6u) + rotate(0x80000001u, 1u) + insert_bits(0u, 3u, 2, 2));
  out[10] = mix(1.0f, 3.0f, 0.25f) + step(1.0f, x) + sign(-x) + saturate(9.0f);
  out[11] = float(isnan(NAN)) + float(isinf(INFINITY)) + fract(1.25f);
  out[12] = float(abs(-3)) + abs(-0.5f) + float(absdiff(3u, 5u));
  out[13] = pow(2.0f, x) + exp2(x) + log2(8.0f) + ldexp(1.0f, 4);
}
kernel void lanes(device uint* out [[buffer(0)]], uint lane [[thread_index_in_simdgroup]]) {
  const uint v = lane * lane;
  uint at = lane;
  out[at] = simd_sum(v);
  out[at += 32] = simd_max(v) + simd_min(v + 1);
  out[at += 32] = simd_shuffle(v, ushort(31 - lane));
  out[at += 32] = simd_shuffle_xor(v, 5);
  out[at += 32] = simd_shuffle_down(v, 3);
  out[at += 32] = simd_shuffle_up(v, 3);
  out[at += 32] = simd_shuffle_rotate_down(v, 3);
  out[at += 32] = simd_prefix_inclusive_sum(v);
  out[at += 32] = simd_prefix_exclusive_sum(v);
  out[at += 32] = uint(ulong(simd_ballot(lane % 3 == 0)));
  out[at += 32] = simd_broadcast(v, 7) + simd_broadcast_first(v + 1);
  out[at += 32] = uint(simd_any(lane == 9)) * 2 + uint(simd_all(lane < 31));
  out[at += 32] = simd_or(1u << lane) ^ simd_xor(v) ^ simd_and(~v);
  out[at += 32] = quad_sum(v) + quad_broadcast(v, 1);
}
kernel void float_lanes(device float* out [[buffer(0)]], device const float* in [[buffer(1)]],
                        uint lane [[thread_index_in_simdgroup]]) {
  out[lane] = simd_sum(in[lane]);
  out[32 + lane] = simd_max(in[lane]);
  out[64 + lane] = simd_sum(float2(in[lane], 1.0f)).y;
  out[96 + lane] = float(simd_max(half(in[lane])));
}
kernel void counts(device atomic_uint* out [[buffer(0)]], uint2 at [[thread_position_in_grid]],
                   ushort2 in_group [[thread_position_in_threadgroup]],
                   uint2 groups [[threadgroups_per_grid]], uint3 size [[threads_per_threadgroup]]) {
  threadgroup atomic_int local;
  if (in_group.x == 0 && in_group.y == 0)
    atomic_store_explicit(&local, 0, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(&local, 2, memory_order_relaxed);
  atomic_fetch_max_explicit(&out[1], at.x + 100 * at.y, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (in_group.x == 0 && in_group.y == 0)
    atomic_fetch_add_explicit(
        &out[0], uint(atomic_load_explicit(&local, memory_order_relaxed)) * groups.x * size.y,
        memory_order_relaxed);
}
kernel void memory(device float* out [[buffer(0)]], threadgroup float* first [[threadgroup(0)]],
                   threadgroup half* second [[threadgroup(1)]], constant int2& sizes [[buffer(2)]],
                   constant int* more [[buffer(1)]], uint i [[thread_index_in_threadgroup]]) {
  first[i] = float(i);
  second[i] = half(more[1]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = first[(i + 1) % 40] + float(second[39 - i]) + float(sizes.y);
}
template <typename T, int n> [[kernel]] void scaled(device T* out [[buffer(0)]]) {
  for (int i = 0; i < n; ++i) out[i] = T(n);
}
template [[host_name("scaled_half")]] [[kernel]] void scaled<half, 3>(device half* out);
template [[host_name("scaled_int")]] [[kernel]] decltype(scaled<int, 2>) scaled<int, 2>;
"""


@cache
def library() -> Library:
    return msl.build(HEAD + KERNELS)


def test_all_kernels_are_found() -> None:
    assert sorted(library().kernels) == [
        *("counts", "float_lanes", "functions", "lanes", "memory"),
        *("scaled_half", "scaled_int", "vectors"),
    ]


def test_vectors() -> None:
    out = np.zeros(13, np.float32)
    a = np.array([1, 2, 3, 4], np.float16)
    library().launch("vectors", buffers=[out, a], **ONE)
    expected = [
        *(1 + 4 + 21 + 32, 8 + 4, 1000 - 100 + 2, 3.0, 41, 3, 1, 2 + 6 + 9, np.float32(0.1)),
        *(2048, float(np.float32(1.00390625).astype(ml_dtypes.bfloat16)), 7, -6),
    ]
    np.testing.assert_array_equal(out, np.array(expected, np.float32))


def test_functions() -> None:
    x = 0.75
    out = np.zeros(14, np.float32)
    library().launch("functions", buffers=[out, np.array([x], np.float32)], **ONE)
    expected = [
        *(np.exp(x), 2 * np.exp(x), np.tanh(x), x**-0.5, 1 + 3 + 0.5, x * x + 1, 2 + 3 - 1),
        *(4 + 31 + 3 + 15, 0xBC - 1, 3 + 3 + 12, 1.5 + 0 - 1 + 1, 2.25, 3 + 0.5 + 2),
        2 * 2**x + 3 + 16,
    ]
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_simdgroup_functions() -> None:
    out = np.zeros((14, 32), np.uint32)
    library().launch("lanes", buffers=[out], **SIMDGROUP)
    lane = np.arange(32)
    v = lane * lane
    sums = np.cumsum(v)
    assert (out[0] == v.sum()).all()
    assert (out[1] == 31 * 31 + 1).all()
    np.testing.assert_array_equal(out[2], v[::-1])
    np.testing.assert_array_equal(out[3], v[lane ^ 5])
    np.testing.assert_array_equal(out[4], np.where(lane + 3 < 32, v[(lane + 3) % 32], v))
    np.testing.assert_array_equal(out[5], np.where(lane >= 3, v[lane - 3], v))
    np.testing.assert_array_equal(out[6], np.roll(v, -3))
    np.testing.assert_array_equal(out[7], sums)
    np.testing.assert_array_equal(out[8], sums - v)
    assert (out[9] == sum(1 << i for i in range(0, 32, 3))).all()
    assert (out[10] == 49 + 1).all()
    assert (out[11] == 2).all()
    reduced = 0xFFFFFFFF ^ np.bitwise_xor.reduce(v) ^ np.bitwise_and.reduce(~v & 0xFFFFFFFF)
    assert (out[12] == reduced).all()
    quads = v.reshape(8, 4)
    np.testing.assert_array_equal(out[13], np.repeat(quads.sum(1) + quads[:, 1], 4))


def test_simdgroup_functions_of_floats() -> None:
    values = np.random.default_rng(0).standard_normal(32).astype(np.float32)
    out = np.zeros((4, 32), np.float32)
    library().launch("float_lanes", buffers=[out, values], **SIMDGROUP)
    tree = values
    while len(tree) > 1:
        tree = tree[0::2] + tree[1::2]
    assert (out[0] == tree[0]).all()
    assert (out[1] == values.max()).all()
    assert (out[2] == 32).all()
    assert (out[3] == values.astype(np.float16).max()).all()


def test_a_part_of_a_simdgroup() -> None:
    source = HEAD + (
        "kernel void k(device float* out [[buffer(0)]], uint i [[thread_index_in_threadgroup]]) {"
        "out[i] = simd_sum(1.0f) + simd_prefix_exclusive_sum(1.0f); }"
    )
    out = np.zeros(40, np.float32)
    msl.build(source).launch("k", buffers=[out], grid=(1, 1, 1), threads=(40, 1, 1))
    np.testing.assert_array_equal(out, [*(32 + np.arange(32)), *(8 + np.arange(8))])


def test_atomics_and_ids() -> None:
    for seed in range(3):
        out = np.zeros(2, np.uint32)
        library().launch(
            "counts", buffers=[out], grid=(3, 2, 1), threads=(4, 5, 1), schedule=Schedule(seed=seed)
        )
        np.testing.assert_array_equal(out, [3 * 2 * 4 * 5 * 2 * 3 * 5, 11 + 900])


def test_memory_of_arguments() -> None:
    out = np.zeros(40, np.float32)
    sizes = np.array([1, 1000], np.int32)
    run = library().launch(
        "memory",
        buffers=[out, np.array([5, 6, 7], np.int32), sizes],
        threadgroup=[160, 80],
        grid=(1, 1, 1),
        threads=(40, 1, 1),
    )
    np.testing.assert_array_equal(out, (np.arange(40) + 1) % 40 + 6 + 1000)
    assert run.threadgroup_bytes == 240
    with pytest.raises(SimulationError, match="threadgroup array 'an argument': out of bounds"):
        library().launch(
            "memory",
            buffers=[out, sizes, sizes],
            threadgroup=[160, 60],
            grid=(1, 1, 1),
            threads=(40, 1, 1),
        )


def test_instances_of_templates() -> None:
    halves, whole = np.zeros(3, np.float16), np.zeros(2, np.int32)
    library().launch("scaled_half", buffers=[halves], **ONE)
    library().launch("scaled_int", buffers=[whole], **ONE)
    assert (halves == 3).all()
    assert (whole == 2).all()


def test_constants_are_one_buffer_behind_the_others() -> None:
    source = HEAD + (
        "constant int scale [[function_constant(3)]];\n"
        "kernel void k(device int* out [[buffer(0)]], constant int* constants [[buffer(1)]]) {"
        "out[0] = constants[0] + scale * constants[1]; }"
    )
    out = np.zeros(1, np.int32)
    built = msl.build(source, function_constants={3: 10})
    built.launch("k", buffers=[out], constants=[5, 7], **ONE)
    assert out[0] == 75
    with pytest.raises(UsageError, match=r"'scale' has no value; .*function_constants"):
        msl.build(source)


def test_bfloat() -> None:
    """Rounded as elsewhere; functions of it give float."""
    source = HEAD + (
        "kernel void k(device const float* x [[buffer(0)]], device bfloat* y [[buffer(1)]],"
        "uint i [[thread_position_in_grid]]) {"
        "y[i] = bfloat(x[i]); y[i + 64] = y[i] * bfloat(x[63 - i]) + bfloat(exp2(y[i])); }"
    )
    rng = np.random.default_rng(9)
    x = rng.standard_normal(64).astype(np.float32)
    x[:4] = np.nan, 3.5, -0.0, 1.00390625
    y = np.zeros((2, 64), ml_dtypes.bfloat16)
    msl.build(source).launch("k", buffers=[x, y], grid=(2, 1, 1), threads=(32, 1, 1))
    rounded = x.astype(ml_dtypes.bfloat16)
    powers = np.exp2(rounded.astype(np.float32)).astype(ml_dtypes.bfloat16)
    for result, expected in zip(y, (rounded, rounded * rounded[::-1] + powers), strict=True):
        np.testing.assert_array_equal(result.astype(np.float32), expected.astype(np.float32))


def test_simdgroup_matrices() -> None:
    source = (
        HEAD
        + """
#include <metal_simdgroup_matrix>
kernel void k(device const half* a [[buffer(0)]], device const float* b [[buffer(1)]],
              device float* out [[buffer(2)]]) {
  simdgroup_half8x8 ma;
  simdgroup_float8x8 mb, sum = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
  simdgroup_load(ma, a, 16, ulong2(8, 0));
  simdgroup_load(mb, b, 8, ulong2(0, 0), true);
  simdgroup_multiply_accumulate(sum, ma, mb, sum);
  simdgroup_store(sum, out, 8);
}"""
    )
    rng = np.random.default_rng(2)
    a, b = rng.integers(-4, 4, (8, 16)), rng.integers(-4, 4, (8, 8))
    out = np.zeros((8, 8), np.float32)
    msl.build(source).launch(
        "k", buffers=[a.astype(np.float16), b.astype(np.float32), out], **SIMDGROUP
    )
    np.testing.assert_array_equal(out, a[:, 8:] @ b.T + 1)


def test_errors_of_the_source() -> None:
    with pytest.raises(UsageError, match="MSL has no type 'double'; allowed: float"):
        msl.build(HEAD + "kernel void k(device float* y [[buffer(0)]]) { double x = 1; }")
    with pytest.raises(UsageError, match=r"parameter 'v' of kernel 'k', but got \[\[stage_in\]\]"):
        msl.build(HEAD + "kernel void k(float v [[stage_in]]) {}")
    with pytest.raises(CompileError, match=r"kernel\.metal:3:\d+: error: use of undeclared"):
        msl.build(HEAD + "kernel void k(device float* y [[buffer(0)]]) { y[0] = z; }")
    with pytest.raises(CompileError, match="ambiguous"):  # as in MSL: one type for both
        msl.build(HEAD + "kernel void k(device int* y [[buffer(0)]]) { y[0] = max(y[1], 2u); }")
    with pytest.raises(CompileError, match="kernel.metal:1:10: fatal error: 'missing.h'"):
        msl.build('#include "missing.h"\n')


def test_errors_of_a_launch() -> None:
    out = np.zeros(14 * 32, np.uint32)
    launch = library().launch
    with pytest.raises(UsageError, match="unknown kernel 'lane', did you mean 'lanes'"):
        launch("lane", buffers=[out], **SIMDGROUP)
    with pytest.raises(UsageError, match="expected a buffer at 0 for 'out', but got none"):
        launch("lanes", buffers=[], **SIMDGROUP)
    with pytest.raises(UsageError, match=r"buffer 1: there is none; allowed: \[0\]"):
        launch("lanes", buffers=[out, out.copy()], **SIMDGROUP)
    with pytest.raises(UsageError, match="buffer 0: expected a contiguous array"):
        launch("lanes", buffers=[out[::2]], **SIMDGROUP)
    with pytest.raises(UsageError, match="buffer 0: it is written, but its array is read-only"):
        launch("lanes", buffers=[np.frombuffer(bytes(8))], **SIMDGROUP)
    with pytest.raises(UsageError, match="buffer 1: overlaps with buffer 0, and one is written"):
        floats = np.zeros(200, np.float32)
        launch("float_lanes", buffers=[floats, floats[5:]], **SIMDGROUP)
    with pytest.raises(UsageError, match="expected at most 1024 threads in a workgroup"):
        launch("lanes", buffers=[out], grid=(1, 1, 1), threads=(32, 33, 1))
    with pytest.raises(UsageError, match="expected three positive sizes as grid"):
        launch("lanes", buffers=[out], grid=(0, 1, 1), threads=(32, 1, 1))
    with pytest.raises(UsageError, match="expected 8 bytes or more for 'sizes'"):
        few = np.zeros(1, np.int32)
        launch("memory", buffers=[np.zeros(40, np.float32), out, few], threadgroup=[9, 9], **ONE)
    with pytest.raises(UsageError, match="unknown order 'sideways'; allowed: forward"):
        Schedule("sideways")
