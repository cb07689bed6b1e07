//===- LowerLookup.cpp - qlinear.lut_matvec to vector code ----------------===//

#include "passes/cpu/LookupKernel.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERLOOKUP
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

std::optional<Shuffle> shuffleOf(StringRef name) {
  if (name == "avx512")
    return Shuffle{"llvm.x86.avx512.pshuf.b.512", 64, 16};
  if (name == "avx2")
    return Shuffle{"llvm.x86.avx2.pshuf.b", 32, 8};
  if (name == "neon")
    return Shuffle{"llvm.aarch64.neon.tbl1.v16i8", 16, 16};
  if (name == "portable")
    return Shuffle{"", 16, 8};
  return std::nullopt;
}

struct CpuLowerLookup
    : headrace::cpu::impl::CpuLowerLookupBase<CpuLowerLookup> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<Shuffle> how = shuffleOf(lookup);
    if (!how) {
      getOperation()->emitError() << "cpu-lower-lookup: expected lookup of "
                                     "avx512, avx2, neon or portable, "
                                     "but got '"
                                  << lookup << "'";
      return signalPassFailure();
    }
    WalkResult result = getOperation()->walk([&](LutMatvecOp op) {
      return failed(lower(op, *how)) ? WalkResult::interrupt()
                                     : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  static LogicalResult lower(LutMatvecOp op, Shuffle how) {
    if (op->getNumResults() > 0)
      return success();
    auto view = op.getWeight().getDefiningOp<FromBytesOp>();
    if (!view || !isa<MemRefType>(view.getBytes().getType()))
      return op.emitOpError("expected a matrix from qlinear.from_bytes of a "
                            "memref; run cpu-form-kernels first");
    OpBuilder builder(op);
    VectorBuilder v{builder, op.getLoc()};
    FailureOr<RowRange> rows =
        workgroupRows(v, op, op.getWeight().getType().getRows());
    if (failed(rows))
      return failure();
    emitLookup(v, op, view.getBytes(), how, *rows);
    op.erase();
    return success();
  }
};

} // namespace
