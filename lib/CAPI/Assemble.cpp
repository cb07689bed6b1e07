//===- Assemble.cpp - objects from assembly text --------------------------===//
//
// Whoever has the assembly of a module need not generate its code once more.
//
//===----------------------------------------------------------------------===//

#include "CAPI/Headrace.h"
#include "CAPI/Machine.h"

#include "mlir/CAPI/Support.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/MC/MCAsmBackend.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCCodeEmitter.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCObjectFileInfo.h"
#include "llvm/MC/MCObjectWriter.h"
#include "llvm/MC/MCParser/MCAsmParser.h"
#include "llvm/MC/MCParser/MCTargetAsmParser.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCStreamer.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

bool headraceAssemble(MlirStringRef text, MlirStringRef triple,
                      MlirStringRef cpu, MlirStringRef features,
                      MlirStringCallback output, void *outputData,
                      MlirStringCallback error, void *errorData) {
  std::string why;
  auto machine = headrace::capi::createMachine(unwrap(triple), unwrap(cpu),
                                               unwrap(features), 0, why);
  auto fail = [&](llvm::StringRef message) {
    error(wrap(message), errorData);
    return false;
  };
  if (!machine)
    return fail(why);
  const llvm::Target &target = machine->getTarget();
  const llvm::MCTargetOptions &options = machine->Options.MCOptions;
  const llvm::MCSubtargetInfo &subtarget = *machine->getMCSubtargetInfo();
  const llvm::MCRegisterInfo &registers = *machine->getMCRegisterInfo();
  const llvm::MCInstrInfo &instructions = *machine->getMCInstrInfo();

  llvm::SourceMgr source;
  source.AddNewSourceBuffer(
      llvm::MemoryBuffer::getMemBufferCopy(unwrap(text), "kernels.s"),
      llvm::SMLoc());
  source.setDiagHandler(
      [](const llvm::SMDiagnostic &diagnostic, void *message) {
        llvm::raw_string_ostream stream(*static_cast<std::string *>(message));
        diagnostic.print(nullptr, stream, /*ShowColors=*/false);
      },
      &why);
  llvm::MCContext context(machine->getTargetTriple(), machine->getMCAsmInfo(),
                          &registers, &subtarget, &source, &options);
  std::unique_ptr<llvm::MCObjectFileInfo> sections(
      target.createMCObjectFileInfo(context, /*PIC=*/true));
  context.setObjectFileInfo(sections.get());

  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  std::unique_ptr<llvm::MCAsmBackend> backend(
      target.createMCAsmBackend(subtarget, registers, options));
  std::unique_ptr<llvm::MCObjectWriter> writer =
      backend->createObjectWriter(stream);
  std::unique_ptr<llvm::MCStreamer> streamer(target.createMCObjectStreamer(
      machine->getTargetTriple(), context, std::move(backend),
      std::move(writer),
      std::unique_ptr<llvm::MCCodeEmitter>(
          target.createMCCodeEmitter(instructions, context)),
      subtarget));
  std::unique_ptr<llvm::MCAsmParser> parser(llvm::createMCAsmParser(
      source, context, *streamer, *machine->getMCAsmInfo()));
  std::unique_ptr<llvm::MCTargetAsmParser> operands(
      target.createMCAsmParser(subtarget, *parser, instructions, options));
  if (!operands)
    return fail("no assembler for " + machine->getTargetTriple().str());
  parser->setTargetParser(*operands);
  if (parser->Run(/*NoInitialTextSection=*/false))
    return fail(why);
  output(wrap(buffer.str()), outputData);
  return true;
}
