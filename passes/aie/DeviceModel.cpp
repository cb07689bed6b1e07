//===- DeviceModel.cpp - reads the description of devices -----------------===//

#include "passes/aie/DeviceModel.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace headrace::aie;

const TileModel &DeviceModel::of(TileOp tile) const {
  return tile.isShim() ? shim : tile.isMemory() ? memory : core;
}

namespace {

using Field = std::pair<StringRef, int64_t *>;

/// Reads the numbers `fields` of an object; the first one that is not there.
std::optional<StringRef> readNumbers(const llvm::json::Object *from,
                                     ArrayRef<Field> fields) {
  for (auto [name, to] : fields) {
    std::optional<int64_t> value = from ? from->getInteger(name) : std::nullopt;
    if (!value || *value < 0)
      return name;
    *to = *value;
  }
  return std::nullopt;
}

std::optional<StringRef> readTile(const llvm::json::Object &from,
                                  StringRef kind, TileModel &tile) {
  const llvm::json::Object *rows = from.getObject("rows");
  const llvm::json::Object *object = from.getObject(kind);
  if (std::optional<StringRef> missing =
          readNumbers(rows, {{kind, &tile.rows}}))
    return missing;
  if (std::optional<StringRef> missing =
          readNumbers(object, {{"locks", &tile.locks},
                               {"descriptors", &tile.descriptors},
                               {"channels_in", &tile.channelsIn},
                               {"channels_out", &tile.channelsOut},
                               {"dimensions", &tile.dimensions},
                               {"wrap_bits", &tile.wrapBits},
                               {"step_bits", &tile.stepBits}}))
    return missing;
  tile.descriptorsByParity =
      object->getBoolean("descriptors_by_channel_parity").value_or(false);
  if (kind == "shim")
    return readNumbers(
        object, {{"iterations", &tile.iterations}, {"queue", &tile.queue}});
  if (kind == "core")
    if (std::optional<StringRef> missing =
            readNumbers(object, {{"program_bytes", &tile.programBytes},
                                 {"banks", &tile.banks}});
        missing || tile.banks == 0)
      return missing.value_or("banks");
  return readNumbers(object, {{"memory_bytes", &tile.memoryBytes}});
}

std::optional<StringRef> readDevice(const llvm::json::Object &from,
                                    const llvm::json::Object *program,
                                    DeviceModel &model) {
  if (std::optional<StringRef> missing =
          readNumbers(&from, {{"columns", &model.columns},
                              {"repeat", &model.repeat},
                              {"granule_bytes", &model.granule},
                              {"lock_value", &model.lockValue}}))
    return missing;
  if (model.granule == 0)
    return "granule_bytes";
  if (const llvm::json::Array *loads = from.getArray("load_bits"))
    for (const llvm::json::Value &bits : *loads)
      model.loadBytes =
          std::max(model.loadBytes, bits.getAsInteger().value_or(0) / 8);
  if (model.loadBytes == 0)
    return "load_bits";
  if (std::optional<StringRef> missing = readNumbers(
          program, {{"bytes_per_operation", &model.program.operation},
                    {"bytes_per_call", &model.program.call},
                    {"bytes_per_lock", &model.program.lock},
                    {"bytes_of_start", &model.program.start},
                    {"bytes_of_function", &model.program.function}}))
    return missing;
  for (auto [kind, tile] :
       {std::pair("shim", &model.shim), std::pair("memory", &model.memory),
        std::pair("core", &model.core)})
    if (std::optional<StringRef> missing = readTile(from, kind, *tile))
      return missing;
  return std::nullopt;
}

} // namespace

FailureOr<DeviceModel> headrace::aie::readDeviceModel(StringRef path,
                                                      DeviceOp device) {
  StringRef name = stringifyDevice(device.getDevice());
  auto fail = [&](const Twine &what) -> FailureOr<DeviceModel> {
    device.emitOpError("expected a description of ")
        << name << " in '" << path << "', but " << what;
    return failure();
  };
  if (path.empty()) {
    device.emitOpError("expected option devices=PATH of the pass, the file "
                       "that describes devices, but got none");
    return failure();
  }
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return fail(Twine("it cannot be read: ") + file.getError().message());
  auto json = llvm::json::parse((*file)->getBuffer());
  if (!json)
    return fail(Twine("it is no JSON: ") + llvm::toString(json.takeError()));
  const llvm::json::Object *root = json->getAsObject();
  const llvm::json::Object *devices =
      root ? root->getObject("devices") : nullptr;
  const llvm::json::Object *entry =
      devices ? devices->getObject(name) : nullptr;
  if (!entry)
    return fail("it has no such entry of \"devices\"");
  DeviceModel model;
  model.name = name.str();
  if (std::optional<StringRef> missing =
          readDevice(*entry, root->getObject("program"), model))
    return fail(Twine("a number is missing or negative: ") + *missing);
  return model;
}

bool headrace::aie::forEachDevice(
    ModuleOp module, StringRef path,
    llvm::function_ref<bool(DeviceOp, const DeviceModel &)> check) {
  bool fits = true;
  for (auto device : module.getOps<DeviceOp>()) {
    FailureOr<DeviceModel> model = readDeviceModel(path, device);
    if (failed(model))
      return false;
    fits &= check(device, *model);
  }
  return fits;
}
