// RUN: %headrace_opt %s --aie-expand-products --split-input-file --verify-diagnostics | FileCheck %s

#left = affine_map<(m, n, k) -> (m, k)>
#right = affine_map<(m, n, k) -> (k, n)>
#sum = affine_map<(m, n, k) -> (m, n)>
// doc: product
// CHECK: func.func @product(%[[A:.*]]: vector<4x8xbf16>, %[[B:.*]]: vector<8x4xbf16>, %[[C:.*]]: vector<4x4xf32>)
func.func @product(%a: vector<4x8xbf16>, %b: vector<8x4xbf16>, %c: vector<4x4xf32>) -> vector<4x4xf32> {
  // CHECK: %[[ROW:.*]] = vector.shape_cast %[[A]] : vector<4x8xbf16> to vector<32xbf16>
  // CHECK: %[[LEFT:.*]] = arith.extf %[[ROW]] : vector<32xbf16> to vector<32xf32>
  // CHECK: %[[RIGHT:.*]] = arith.extf
  // CHECK: %[[SUM:.*]] = vector.extract_strided_slice
  // The first column of a, and the first row of b, for sixteen sums.
  // CHECK: %[[X:.*]] = vector.shuffle %[[LEFT]], %[[LEFT]] [0, 0, 0, 0, 8, 8, 8, 8, 16, 16, 16, 16, 24, 24, 24, 24]
  // CHECK: %[[Y:.*]] = vector.shuffle %[[RIGHT]], %[[RIGHT]] [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]
  // CHECK: %[[NEXT:.*]] = vector.fma %[[X]], %[[Y]], %[[SUM]] : vector<16xf32>
  // CHECK: vector.shuffle %[[LEFT]], %[[LEFT]] [1, 1, 1, 1, 9, 9, 9, 9,
  // CHECK: vector.fma %{{.*}}, %{{.*}}, %[[NEXT]]
  // CHECK-COUNT-6: vector.fma
  // CHECK-NOT: vector.fma
  %r = vector.contract {indexing_maps = [#left, #right, #sum],
    iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>}
    %a, %b, %c : vector<4x8xbf16>, vector<8x4xbf16> into vector<4x4xf32>
  return %r : vector<4x4xf32>
}
// doc: end

// -----

#left = affine_map<(m, n, k) -> (m, k)>
#turned = affine_map<(m, n, k) -> (n, k)>
#sum = affine_map<(m, n, k) -> (m, n)>
// The second matrix is stored by its columns.
// CHECK: func.func @turned(
// CHECK: vector.shuffle {{.*}} [0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8]
// CHECK: vector.shuffle {{.*}} [0, 8, 16, 24, 32, 40, 48, 56, 0, 8, 16, 24, 32, 40, 48, 56]
// CHECK-COUNT-32: vector.fma
// CHECK-NOT: vector.fma
func.func @turned(%a: vector<8x8xbf16>, %b: vector<8x8xbf16>, %c: vector<8x8xf32>) -> vector<8x8xf32> {
  %r = vector.contract {indexing_maps = [#left, #turned, #sum],
    iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>}
    %a, %b, %c : vector<8x8xbf16>, vector<8x8xbf16> into vector<8x8xf32>
  return %r : vector<8x8xf32>
}

// -----

#left = affine_map<(m, n, k) -> (k, m)>
#right = affine_map<(m, n, k) -> (k, n)>
#sum = affine_map<(m, n, k) -> (m, n)>
func.func @other(%a: vector<8x8xf32>, %b: vector<8x8xf32>, %c: vector<8x8xf32>) -> vector<8x8xf32> {
  // expected-error@+1 {{expected a product of two matrices with a multiple of 16 sums in f32}}
  %r = vector.contract {indexing_maps = [#left, #right, #sum],
    iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>}
    %a, %b, %c : vector<8x8xf32>, vector<8x8xf32> into vector<8x8xf32>
  return %r : vector<8x8xf32>
}
