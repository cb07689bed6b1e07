// RUN: %headrace_opt %s --cpu-form-kernels --split-input-file --verify-diagnostics

// expected-error@+1 {{cpu-form-kernels: expected one block, but got control flow}}
func.func @blocks(%c: i1) {
  cf.cond_br %c, ^a, ^b
^a:
  return
^b:
  return
}

// -----

// expected-error@+1 {{cpu-form-kernels: expected arguments of static tensors or packed types, but got 'tensor<?xf32>'}}
func.func @dynamic_argument(%x: tensor<?xf32>) {
  return
}

// -----

// expected-error@+1 {{cpu-form-kernels: expected arguments of static tensors or packed types, but got 'f32'}}
func.func @scalar_argument(%x: f32) {
  return
}

// -----

func.func @scalar_result(%x: tensor<4xf32>) -> index {
  %c = arith.constant 0 : index
  // expected-error@+1 {{cpu-form-kernels: expected results of static tensors or packed types, but got 'index'}}
  return %c : index
}

// -----

func.func @argument_returned(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{cpu-form-kernels: expected each result to be computed by an operation of its own, but result #0 is not computed here}}
  return %x : tensor<4xf32>
}

// -----

func.func @returned_twice(%x: tensor<32xf32>) -> (!qlinear.packed<1x32, #qlinear.act_i8>, !qlinear.packed<1x32, #qlinear.act_i8>) {
  %q = qlinear.quantize %x : tensor<32xf32> to !qlinear.packed<1x32, #qlinear.act_i8>
  // expected-error@+1 {{but result #1 is returned twice}}
  return %q, %q : !qlinear.packed<1x32, #qlinear.act_i8>, !qlinear.packed<1x32, #qlinear.act_i8>
}

// -----

func.func @other_operation(%x: tensor<32xf32>) -> !qlinear.packed<1x32, #qlinear.act_i8> {
  // expected-error@+1 {{'math.absf' op cannot be part of a CPU plan; allowed: qlinear and qattn operations with kernels, tensor.empty; whole programs go through headrace.interop.iree}}
  %a = math.absf %x : tensor<32xf32>
  %q = qlinear.quantize %a : tensor<32xf32> to !qlinear.packed<1x32, #qlinear.act_i8>
  return %q : !qlinear.packed<1x32, #qlinear.act_i8>
}

// -----

// Nothing has written what is read.
func.func @uninitialized() -> !qlinear.packed<1x32, #qlinear.act_i8> {
  %x = tensor.empty() : tensor<32xf32>
  // expected-error@+1 {{'qlinear.quantize' op cpu-form-kernels: expected operands that are arguments or results of qlinear operations}}
  %q = qlinear.quantize %x : tensor<32xf32> to !qlinear.packed<1x32, #qlinear.act_i8>
  return %q : !qlinear.packed<1x32, #qlinear.act_i8>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.nvfp4>
!s = !qlinear.packed<2x32, #qlinear.nvfp4>

// The header is not next to the rows.
func.func @slice_with_header(%w: !w, %x: tensor<32xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{'qlinear.slice' op expected a range of the bytes that is known, but got a format with a header}}
  %s = qlinear.slice %w rows [2, 2] : !w to !s
  %o = tensor.empty() : tensor<2xf32>
  %y = qlinear.matvec ins(%s, %x : !s, tensor<32xf32>) outs(%o : tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
