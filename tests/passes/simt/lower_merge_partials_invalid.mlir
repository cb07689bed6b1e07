// RUN: %headrace_opt %s --simt-lower-merge-partials --split-input-file --verify-diagnostics

func.func private @no_kernel(%p: memref<2x1x4xf32>, %l: memref<2x1xf32>, %o: memref<1x4xf32>, %lse: memref<1xf32>) {
  // expected-error@+1 {{expected to be in a kernel (a function with headrace.kernel and its workgroup); run simt-form-kernels first}}
  qattn.merge_partials ins(%p, %l : memref<2x1x4xf32>, memref<2x1xf32>) outs(%o, %lse : memref<1x4xf32>, memref<1xf32>)
  return
}

// -----

// On tensors there is nothing to store to yet.
func.func private @tensors(%p: tensor<2x1x4xf32>, %l: tensor<2x1xf32>, %oi: tensor<1x4xf32>, %li: tensor<1xf32>) -> tensor<1x4xf32> {
  %o, %lse = qattn.merge_partials ins(%p, %l : tensor<2x1x4xf32>, tensor<2x1xf32>) outs(%oi, %li : tensor<1x4xf32>, tensor<1xf32>) -> tensor<1x4xf32>, tensor<1xf32>
  return %o : tensor<1x4xf32>
}
