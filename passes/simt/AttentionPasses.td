//===- AttentionPasses.td - passes on qattn that GPU targets share ---------===//

#ifndef HEADRACE_PASSES_SIMT_ATTENTION_PASSES
#define HEADRACE_PASSES_SIMT_ATTENTION_PASSES

include "mlir/Pass/PassBase.td"

def SimtChooseSplits : Pass<"simt-choose-splits", "::mlir::ModuleOp"> {
  let summary = "Choose in how many parts the tokens of a cache are read";
  let description = [{
    Sets `headrace.splits` for `split-kv`: so many parts that there are two
    workgroups for each core, but no more than leave 128 KiB of the cache for each;
    less would take no longer than the launch of the kernel that merges parts. What
    has `headrace.splits` or `splits` already keeps it.

    Before:
    ```mlir
    %o, %lse = qattn.decode ins(%q, %cache, %length : tensor<32x128xf32>, !qattn.kv_cache<4096x8x128, f16>, tensor<1xi32>)
        outs(%oi, %li : tensor<32x128xf32>, tensor<32xf32>) {scale = 8.838835e-02 : f32}
    ```
    After, with `cores=38`:
    ```mlir
    %o, %lse = qattn.decode ins(%q, %cache, %length : tensor<32x128xf32>, !qattn.kv_cache<4096x8x128, f16>, tensor<1xi32>)
        outs(%oi, %li : tensor<32x128xf32>, tensor<32xf32>) {headrace.splits = 10 : i64, scale = 8.838835e-02 : f32}
    ```

    <!-- lit: tests/passes/simt/choose_splits.mlir#cores -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">,
    Option<"cores", "cores", "int64_t", /*default=*/"8", "Cores of the device">];
}

def SimtLowerDecode : Pass<"simt-lower-decode", "::mlir::ModuleOp"> {
  let summary = "Attention of one query for the lanes of subgroups";
  let description = [{
    A workgroup has the queries that share a head of keys and values, and a part of
    the tokens where there are `splits`. The lanes of a subgroup are tokens times
    queries times columns: lanes next to each other have the columns of one token,
    16 bytes each, so that whole sectors of memory are loaded, and as few lanes as
    their registers allow, as products are summed over them. A lane has two queries,
    which share what it decodes; lanes with other queries of the same token load the
    same bytes by the same instruction. So each key and value is read once.

    Each lane has a softmax of its own, in powers of two, which runs along its
    tokens four at a time: the base is raised to the largest score, and what was
    summed before is rescaled. Lanes with other tokens are merged behind the loop,
    then subgroups in shared memory. Tokens that fill no step of a subgroup are
    shared out among subgroups; what is not seen is read as zeros and has no weight.

    Before:
    ```mlir
    qattn.decode ins(%q, %cache, %length : memref<4x128xf32>, !qattn.kv_cache<64x2x128, f16>, memref<1xi32>)
        outs(%o, %lse : memref<4x128xf32>, memref<4xf32>) {scale = 8.838835e-02 : f32}
    ```
    After (shortened):
    ```mlir
    %state:10 = scf.for %token = %first to %whole step %c128 iter_args(...) -> (f32, f32, vector<4xf32>, ...) {
      %words = vector.load %cache_numbers[%at] {alignment = 16 : i64} : memref<16384xi32>, vector<4xi32>
      ...
      %product = vector.reduction <add>, %products : vector<4xf32> into f32
      ...
      %other, %_ = gpu.shuffle xor %scores, %c1_i32, %c32_i32 : vector<4xf32>
      ...
      %keep = math.exp2 %less : f32
      %weights = math.exp2 %relative : vector<4xf32>
      ...
      %sum = math.fma %weight, %value, %kept : vector<4xf32>
    }
    memref.store %base, %bases[%subgroup, %head] : memref<8x2xf32, #gpu.address_space<workgroup>>
    gpu.barrier
    ```

    <!-- lit: tests/passes/simt/lower_decode.mlir#f16 -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def SimtLowerMergePartials : Pass<"simt-lower-merge-partials", "::mlir::ModuleOp"> {
  let summary = "One attention from parts of the tokens by threads";
  let description = [{
    A workgroup has a head of a query, and each thread columns of it. What a part
    holds that saw nothing is not looked at.

    Before:
    ```mlir
    qattn.merge_partials ins(%parts, %lses : memref<4x8x64xf32>, memref<4x8xf32>)
        outs(%o, %lse : memref<8x64xf32>, memref<8xf32>)
    ```
    After (shortened):
    ```mlir
    %most = scf.for %part = %c0 to %c4 step %c1 iter_args(%old = %none) -> (f32) {
    ...
    %sums:2 = scf.for %part = %c0 to %c4 step %c1 iter_args(...) -> (f32, f32) {
      %weight = math.exp %less : f32
      %sum = math.fma %weight, %value, %old : f32
      ...
    }
    memref.store %result, %o[%row, %column] : memref<8x64xf32>
    ```

    <!-- lit: tests/passes/simt/lower_merge_partials.mlir#merge -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def SimtLowerAppend : Pass<"simt-lower-append", "::mlir::ModuleOp"> {
  let summary = "Keys and values of new tokens into a cache by the lanes of subgroups";
  let description = [{
    A subgroup has a head of a token, and its lanes the columns. The scale of 8 bits
    comes from the largest magnitude, compared as bits, which a NaN is the largest
    of. Tokens without a slot are dropped; of those that a ring keeps in one slot, the
    last one is stored. In pages a subgroup stores all tokens of a head, one after
    the other, as a table may name a page twice.

    Before:
    ```mlir
    qattn.append_kv %k, %v into %cache at %position : memref<2x4x64xf32>, memref<2x4x64xf32>, !qattn.kv_cache<48x4x64, i8, scale = per_token>, memref<1xi32>
    ```
    After (shortened):
    ```mlir
    scf.if %hasSlot {
      %most = gpu.subgroup_reduce maxui %own uniform : (i32) -> i32
      %scale = arith.divf %magnitude, %c127 : f32
      ...
      scf.for %column = %lane to %c64 step %c32 {
        ...
        memref.store %code, %bytes[%place] : memref<26112xi8>
      }
    }
    ```

    <!-- lit: tests/passes/simt/lower_append.mlir#i8 -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def SimtLowerFetch : Pass<"simt-lower-fetch", "::mlir::ModuleOp"> {
  let summary = "Keys and values of some tokens as f32 by threads";
  let description = [{
    A workgroup has a token, and each thread some numbers of it. Nothing is read of a
    token without a slot.

    Before:
    ```mlir
    qattn.fetch_kv ins(%cache, %start : !qattn.kv_cache<48x4x64, f16>, memref<1xi32>) outs(%k, %v : memref<7x4x64xf32>, memref<7x4x64xf32>)
    ```
    After (shortened):
    ```mlir
    %key = scf.if %hasSlot -> (f32) {
      %half = memref.load %cache_numbers[%place] : memref<24576xf16>
      ...
    } else {
      scf.yield %zero : f32
    }
    memref.store %key, %k[%token, %head, %column] : memref<7x4x64xf32>
    ```

    <!-- lit: tests/passes/simt/lower_fetch.mlir#f16 -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def SimtLowerRope : Pass<"simt-lower-rope", "::mlir::ModuleOp"> {
  let summary = "Rotary position embedding by threads";
  let description = [{
    A workgroup has a head of a token, and each thread pairs of its numbers. Angles
    lose their whole turns before cosine and sine, as `decompose-qattn` has it.

    Before:
    ```mlir
    qattn.rope ins(%x, %positions, %frequencies : memref<1x8x64xf32>, memref<1xi32>, memref<32xf32>)
        outs(%y : memref<1x8x64xf32>)
    ```
    After (shortened):
    ```mlir
    scf.for %pair = %thread to %c32 step %c32 {
      %turns = math.floor %count : f32
      ...
      %cosine = math.cos %angle : f32
      %sine = math.sin %angle : f32
      ...
      memref.store %first, %y[%token, %head, %pair] : memref<1x8x64xf32>
    }
    ```

    <!-- lit: tests/passes/simt/lower_rope.mlir#halves -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

#endif // HEADRACE_PASSES_SIMT_ATTENTION_PASSES
