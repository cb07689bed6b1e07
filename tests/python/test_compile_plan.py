"""The plan as it is read from IR: offsets, constants, what it cannot hold."""

import pytest

from headrace import ir
from headrace.errors import CompileError
from headrace.targets.plan import argument_infos, read_plan

KERNEL = """
func.func private @k(memref<64xi8>, memref<?xf32, strided<[1], offset: ?>>)
  attributes {headrace.kernel = {op = "qlinear.matvec", format = "q4_k",
                                 bytes = 10 : i64, operations = 20 : i64, list = array<i64: 1, 2>}}
"""


def read(body, kernels=KERNEL):
    """The plan of an entry with that body, over (%w: bytes, %y: floats)."""
    text = f"""
    {kernels}
    func.func @main(%w: memref<256xi8>, %y: memref<8x8xf32>) {{
      {body}
      return
    }}
    """
    module = ir.Module.parse(text, ir.Context())
    *others, entry = module.body.operations
    return read_plan(entry, others)


CALL = (
    "func.call @k({}) {{headrace.grid = array<i64: 2, 1, 1>}} : "
    "(memref<64xi8>, memref<?xf32, strided<[1], offset: ?>>) -> ()"
)
ROW = """
      %r = memref.subview %y[2, 4] [1, 4] [1, 1]
        : memref<8x8xf32> to memref<4xf32, strided<[1], offset: 20>>
      %c = memref.cast %r
        : memref<4xf32, strided<[1], offset: 20>> to memref<?xf32, strided<[1], offset: ?>>
"""


def test_views_and_subviews_are_byte_offsets():
    plan = read(
        """
      %o = arith.constant 128 : index
      %t = memref.alloc() : memref<32xf32>
      %v = memref.view %w[%o][] : memref<256xi8> to memref<64xi8>
        """
        + ROW
        + CALL.format("%v, %c")
    )
    assert plan.transients == [{"bytes": 128}]
    (step,) = plan.steps
    assert step["bindings"] == [{"argument": 0, "offset": 128}, {"argument": 1, "offset": 80}]
    assert (step["kernel"], step["grid"], step["constants"]) == ("k", [2, 1, 1], [])
    assert plan.kernels == [
        {
            "name": "k",
            "op": "qlinear.matvec",
            "format": "q4_k",
            "bytes": 10,
            "operations": 20,
            "list": [1, 2],
        }
    ]


def test_views_of_views_add_up():
    plan = read(
        """
      %a = arith.constant 64 : index
      %b = arith.constant 32 : index
      %v = memref.view %w[%a][] : memref<256xi8> to memref<128xi8>
      %u = memref.view %v[%b][] : memref<128xi8> to memref<64xi8>
        """
        + ROW
        + CALL.format("%u, %c")
    )
    assert plan.steps[0]["bindings"][0] == {"argument": 0, "offset": 96}


def test_integer_operands_are_constants():
    kernel = """
    func.func private @k(memref<256xi8>, i32, i32)
      attributes {headrace.kernel = {op = "x", bytes = 1 : i64, operations = 1 : i64}}
    """
    plan = read(
        """
      %a = arith.constant 7 : i32
      %b = arith.constant -9 : i32
      func.call @k(%w, %a, %b) {headrace.grid = array<i64: 1, 1, 1>}
        : (memref<256xi8>, i32, i32) -> ()
        """,
        kernel,
    )
    assert plan.steps[0]["constants"] == [7, -9]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("%0 = arith.constant 1.0 : f32\n%1 = arith.addf %0, %0 : f32", "cannot hold 'arith.addf'"),
        ("%n = memref.dim %w, %c0 : memref<256xi8>", "cannot hold 'memref.dim'"),
    ],
)
def test_what_a_plan_cannot_hold(body, message):
    with pytest.raises(CompileError, match=message):
        read("%c0 = arith.constant 0 : index\n" + body)


def test_kernel_without_facts():
    with pytest.raises(CompileError, match=r"'k': expected the attribute headrace\.kernel"):
        read(
            "%o = arith.constant 0 : index\n"
            "%v = memref.view %w[%o][] : memref<256xi8> to memref<64xi8>\n"
            + ROW
            + CALL.format("%v, %c"),
            KERNEL[: KERNEL.index("attributes")],
        )


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("%a: tensor<?xf32>", "argument 'arg0': cannot pass tensor<"),
        ("%a: i32", "argument 'arg0': cannot pass i32; allowed: tensors and memrefs"),
        (
            '%a: tensor<1xf32> {headrace.name = "x"}, %b: tensor<1xf32> {headrace.name = "x"}',
            "two arguments are called 'x'",
        ),
    ],
)
def test_bad_arguments(signature, message):
    plan = "attributes {headrace.outputs = array<i64>}"
    module = ir.Module.parse(f"func.func @main({signature}) {plan} {{ return }}", ir.Context())
    function = module.body.operations[0]
    with pytest.raises(CompileError, match=message):
        argument_infos(function, function)
