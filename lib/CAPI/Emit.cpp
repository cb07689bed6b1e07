//===- Emit.cpp - objects from the llvm dialect, and linking --------------===//

#include "CAPI/Headrace.h"
#include "CAPI/Machine.h"

#include "lld/Common/Driver.h"
#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Support.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace mlir;

static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
  });
}

static void send(MlirStringCallback callback, void *data, StringRef text) {
  callback(wrap(text), data);
}

std::unique_ptr<llvm::TargetMachine>
headrace::capi::createMachine(StringRef triple, StringRef cpu,
                              StringRef features, int optLevel,
                              std::string &error) {
  initializeTargets();
  llvm::Triple parsed(triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(parsed, error);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  // Kernels say with fastmath flags where contraction is allowed.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  options.FunctionSections = true;
  // Assembly says which loop a block is in, and what is spilled.
  options.MCOptions.AsmVerbose = true;
  auto level = optLevel == 0 ? llvm::CodeGenOptLevel::None
                             : llvm::CodeGenOptLevel::Aggressive;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      parsed, cpu, features, options, llvm::Reloc::PIC_, std::nullopt, level));
  if (!machine)
    error = "no code generator for " + triple.str();
  return machine;
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine,
                     int optLevel) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PipelineTuningOptions tuning;
  // Kernels are vectorized and unrolled by our passes; a second opinion only
  // breaks the order of their loads.
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  auto level =
      optLevel == 0 ? llvm::OptimizationLevel::O0 : llvm::OptimizationLevel::O3;
  llvm::ModulePassManager passes =
      optLevel == 0 ? builder.buildO0DefaultPipeline(level)
                    : builder.buildPerModuleDefaultPipeline(level);
  passes.run(module, modules);
}

bool headraceEmit(MlirOperation module, MlirStringRef triple, MlirStringRef cpu,
                  MlirStringRef features, int optLevel, HeadraceEmit kind,
                  MlirStringCallback output, void *outputData,
                  MlirStringCallback error, void *errorData) {
  std::string why;
  auto machine = headrace::capi::createMachine(unwrap(triple), unwrap(cpu),
                                               unwrap(features), optLevel, why);
  if (!machine) {
    send(error, errorData, why);
    return false;
  }
  Operation *op = unwrap(module);
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  op->getContext()->appendDialectRegistry(registry);

  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated =
      translateModuleToLLVMIR(op, context, "headrace");
  if (!translated) {
    send(error, errorData, "the module is not in the llvm dialect");
    return false;
  }
  translated->setDataLayout(machine->createDataLayout());
  translated->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &function : *translated) {
    function.addFnAttr("target-cpu", machine->getTargetCPU());
    if (!machine->getTargetFeatureString().empty())
      function.addFnAttr("target-features", machine->getTargetFeatureString());
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // There is no library to call: loops that copy or clear stay loops.
    function.addFnAttr("no-builtins");
  }
  optimize(*translated, *machine, optLevel);

  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  if (kind == HeadraceEmitLLVMIR) {
    translated->print(stream, nullptr);
  } else {
    llvm::legacy::PassManager passes;
    auto type = kind == HeadraceEmitObject
                    ? llvm::CodeGenFileType::ObjectFile
                    : llvm::CodeGenFileType::AssemblyFile;
    if (machine->addPassesToEmitFile(passes, stream, nullptr, type)) {
      send(error, errorData,
           "the code generator cannot write this kind of file");
      return false;
    }
    passes.run(*translated);
  }
  send(output, outputData, buffer);
  return true;
}

bool headraceLinkShared(intptr_t count, const MlirStringRef *objects,
                        MlirStringRef output, MlirStringCallback error,
                        void *errorData) {
  // lld keeps its state in globals.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<std::string> arguments = {"ld.lld",
                                        "-shared",
                                        "--hash-style=gnu",
                                        "-z",
                                        "noexecstack",
                                        "-z",
                                        "relro",
                                        "-z",
                                        "now",
                                        "--build-id=none",
                                        "--threads=1",
                                        "-o",
                                        unwrap(output).str()};
  for (intptr_t i = 0; i < count; ++i)
    arguments.push_back(unwrap(objects[i]).str());
  std::vector<const char *> raw;
  for (const std::string &argument : arguments)
    raw.push_back(argument.c_str());
  std::string text;
  llvm::raw_string_ostream stream(text);
  lld::Result result =
      lld::lldMain(raw, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0)
    return true;
  send(error, errorData, text);
  return false;
}

//===----------------------------------------------------------------------===//
// Descriptions of CPUs
//===----------------------------------------------------------------------===//

void headraceHostTriple(MlirStringCallback callback, void *userData) {
  send(callback, userData, llvm::sys::getProcessTriple());
}

void headraceHostCpu(MlirStringCallback callback, void *userData) {
  send(callback, userData, llvm::sys::getHostCPUName());
}

void headraceHostFeatures(HeadraceFeatureCallback callback, void *userData) {
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    callback(wrap(StringRef(feature.first())), feature.second, userData);
}

static std::unique_ptr<llvm::MCSubtargetInfo> subtarget(StringRef triple,
                                                        StringRef cpu) {
  initializeTargets();
  std::string error;
  llvm::Triple parsed(triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(parsed, error);
  if (!target)
    return nullptr;
  return std::unique_ptr<llvm::MCSubtargetInfo>(
      target->createMCSubtargetInfo(parsed, cpu, ""));
}

bool headraceCpuFeatures(MlirStringRef triple, MlirStringRef cpu,
                         HeadraceFeatureCallback callback, void *userData) {
  auto known = subtarget(unwrap(triple), "");
  if (!known || !known->isCPUStringValid(unwrap(cpu)))
    return false;
  auto info = subtarget(unwrap(triple), unwrap(cpu));
  for (const llvm::SubtargetFeatureKV &feature :
       info->getAllProcessorFeatures())
    callback(wrap(StringRef(feature.Key)),
             info->getFeatureBits().test(feature.Value), userData);
  return true;
}

bool headraceCpuNames(MlirStringRef triple, MlirStringCallback callback,
                      void *userData) {
  auto info = subtarget(unwrap(triple), "");
  if (!info)
    return false;
  for (const llvm::SubtargetSubTypeKV &cpu :
       info->getAllProcessorDescriptions())
    send(callback, userData, cpu.Key);
  return true;
}
