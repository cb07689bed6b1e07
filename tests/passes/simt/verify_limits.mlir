// RUN: %headrace_opt %s --simt-verify-limits="max-threads=64 shared-memory=1024 max-buffers=2 max-buffer-bytes=4096" --split-input-file --verify-diagnostics

// doc: threads
// expected-error@+1 {{'func.func' op needs 128 threads in a workgroup, but the device has a limit of 64}}
func.func private @threads(%y: memref<4xf32>) attributes {headrace.kernel = {workgroup = array<i32: 128, 1, 1>}} {
  return
}
// doc: end

// -----

// What just fits is fine.
func.func private @fits(%w: memref<4096xi8>, %y: memref<1024xf32>) attributes {headrace.kernel = {workgroup = array<i32: 32, 2, 1>}} {
  %m = memref.alloca() : memref<256xf32, #gpu.address_space<workgroup>>
  %own = memref.alloca() : memref<512xf32>
  return
}

// -----

// expected-error@+1 {{needs 1028 bytes of shared memory in a workgroup, but the device has a limit of 1024}}
func.func private @memory(%y: memref<4xf32>) attributes {headrace.kernel = {workgroup = array<i32: 32, 1, 1>}} {
  %a = memref.alloca() : memref<256xf32, #gpu.address_space<workgroup>>
  %b = memref.alloca() : memref<2xf16, #gpu.address_space<workgroup>>
  return
}

// -----

// expected-error@+1 {{needs 3 buffers, but the device has a limit of 2}}
func.func private @buffers(%a: memref<4xf32>, %b: memref<4xf32>, %c: memref<4xf32>) attributes {headrace.kernel = {workgroup = array<i32: 32, 1, 1>}} {
  return
}

// -----

// expected-error@+1 {{needs 4100 bytes in one buffer, but the device has a limit of 4096}}
func.func private @bytes(%a: memref<1025xf32>) attributes {headrace.kernel = {workgroup = array<i32: 32, 1, 1>}} {
  return
}

// -----

func.func @plan(%a: memref<4xf32>) attributes {headrace.plan} {
  // expected-error@+1 {{'func.call' op needs 2147483648 workgroups in a grid, but the device has a limit of 2147483647}}
  call @k(%a) {headrace.grid = array<i64: 1, 2147483648, 1>} : (memref<4xf32>) -> ()
  return
}
func.func private @k(%a: memref<4xf32>) attributes {headrace.kernel = {workgroup = array<i32: 32, 1, 1>}} {
  return
}

// -----

// expected-error@+1 {{expected workgroup of three sizes in headrace.kernel; run simt-form-kernels first}}
func.func private @unknown(%a: memref<4xf32>) attributes {headrace.kernel = {}} {
  return
}
