//===- HeadraceModule.cpp - Python view of the C API ----------------------===//

#include "CAPI/Headrace.h"

#include "mlir/Bindings/Python/IRCore.h"
#include "mlir/Bindings/Python/IRTypes.h"
#include "mlir/Bindings/Python/Nanobind.h"
#include "mlir/Bindings/Python/NanobindAdaptors.h"
#include "llvm/Config/llvm-config.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace nb = nanobind;
namespace mp = mlir::python::MLIR_BINDINGS_PYTHON_DOMAIN;

static MlirStringRef ref(const std::string &text) {
  return mlirStringRefCreate(text.data(), text.size());
}

static void append(MlirStringRef text, void *data) {
  static_cast<std::string *>(data)->append(text.data, text.length);
}

static void insertFeature(MlirStringRef name, bool enabled, void *data) {
  auto &features = *static_cast<std::map<std::string, bool> *>(data);
  features[std::string(name.data, name.length)] = enabled;
}

static std::string emit(MlirOperation op, const std::string &triple,
                        const std::string &cpu, const std::string &features,
                        int optLevel, HeadraceEmit kind) {
  std::string output, error;
  if (!headraceEmit(op, ref(triple), ref(cpu), ref(features), optLevel, kind,
                    append, &output, append, &error))
    throw std::runtime_error("cannot emit code for " + triple + " (" + cpu +
                             "): " + error);
  return output;
}

/// `!qlinear.packed`.
struct PyPackedType : mp::PyConcreteType<PyPackedType> {
  static constexpr IsAFunctionTy isaFunction = headraceTypeIsAPacked;
  static constexpr GetTypeIDFunctionTy getTypeIdFunction =
      headracePackedTypeGetTypeID;
  static constexpr const char *pyClassName = "PackedType";
  using PyConcreteType::PyConcreteType;

  static void bindDerived(ClassTy &c) {
    c.def_static(
        "get",
        [](int64_t rows, int64_t cols, mp::PyAttribute &format,
           mp::DefaultingPyLocation loc) {
          mp::PyMlirContext::ErrorCapture errors(loc->getContext());
          MlirType type =
              headracePackedTypeGetChecked(loc, rows, cols, format.get());
          if (mlirTypeIsNull(type))
            throw mp::MLIRError("invalid packed type", errors.take());
          return PyPackedType(loc->getContext(), type);
        },
        nb::arg("rows"), nb::arg("cols"), nb::arg("format"),
        nb::arg("loc").none() = nb::none(),
        "The packed type of a matrix; the format's rule pads it.");
    c.def_prop_ro("rows", [](PyPackedType &self) {
      return headracePackedTypeGetRows(self);
    });
    c.def_prop_ro("cols", [](PyPackedType &self) {
      return headracePackedTypeGetCols(self);
    });
    c.def_prop_ro("padded_rows", [](PyPackedType &self) {
      return headracePackedTypeGetPaddedRows(self);
    });
    c.def_prop_ro("padded_cols", [](PyPackedType &self) {
      return headracePackedTypeGetPaddedCols(self);
    });
    c.def_prop_ro("storage_bytes", [](PyPackedType &self) {
      return headracePackedTypeGetStorageBytes(self);
    });
    c.def_prop_ro("format", [](PyPackedType &self) {
      return headracePackedTypeGetFormat(self);
    });
    c.def_prop_ro("format_name", [](PyPackedType &self) {
      MlirStringRef name =
          headraceFormatGetName(headracePackedTypeGetFormat(self));
      return std::string(name.data, name.length);
    });
  }
};

NB_MODULE(_headrace, m) {
  m.doc() = "Headrace's native functions: code emission, linking, CPU "
            "descriptions and the types of the qlinear dialect.";
  auto qlinear = m.def_submodule("qlinear", "types of the qlinear dialect");
  PyPackedType::bind(qlinear);

  m.def(
      "emit_object",
      [](MlirOperation op, const std::string &triple, const std::string &cpu,
         const std::string &features, int optLevel) {
        std::string object =
            emit(op, triple, cpu, features, optLevel, HeadraceEmitObject);
        return nb::bytes(object.data(), object.size());
      },
      nb::arg("operation"), nb::arg("triple"), nb::arg("cpu"),
      nb::arg("features") = "", nb::arg("opt_level") = 3,
      "Compile a module in the llvm dialect to a position independent object.");
  m.def(
      "emit_assembly",
      [](MlirOperation op, const std::string &triple, const std::string &cpu,
         const std::string &features, int optLevel) {
        return emit(op, triple, cpu, features, optLevel, HeadraceEmitAssembly);
      },
      nb::arg("operation"), nb::arg("triple"), nb::arg("cpu"),
      nb::arg("features") = "", nb::arg("opt_level") = 3,
      "Compile a module in the llvm dialect to assembly text.");
  m.def(
      "assemble",
      [](const std::string &text, const std::string &triple,
         const std::string &cpu, const std::string &features) {
        std::string output, error;
        if (!headraceAssemble(ref(text), ref(triple), ref(cpu), ref(features),
                              append, &output, append, &error))
          throw std::runtime_error("cannot assemble for " + triple + " (" +
                                   cpu + "): " + error);
        return nb::bytes(output.data(), output.size());
      },
      nb::arg("text"), nb::arg("triple"), nb::arg("cpu"),
      nb::arg("features") = "",
      "Assemble what emit_assembly gave to a position independent object.");
  m.def(
      "emit_llvm_ir",
      [](MlirOperation op, const std::string &triple, const std::string &cpu,
         const std::string &features, int optLevel) {
        return emit(op, triple, cpu, features, optLevel, HeadraceEmitLLVMIR);
      },
      nb::arg("operation"), nb::arg("triple"), nb::arg("cpu"),
      nb::arg("features") = "", nb::arg("opt_level") = 3,
      "Translate a module in the llvm dialect to optimized LLVM IR text.");
  m.def(
      "link_shared",
      [](const std::vector<std::string> &objects, const std::string &output) {
        std::vector<MlirStringRef> refs;
        for (const std::string &object : objects)
          refs.push_back(ref(object));
        std::string error;
        if (!headraceLinkShared(refs.size(), refs.data(), ref(output), append,
                                &error))
          throw std::runtime_error("cannot link " + output + ": " + error);
      },
      nb::arg("objects"), nb::arg("output"),
      "Link object files to a shared library, in this process.");

  m.def(
      "print_operation",
      [](MlirOperation op) {
        std::string text;
        mlirOperationPrint(op, append, &text);
        return text;
      },
      nb::arg("operation"),
      "What str() gives, without a call of Python for each token.");
  m.def(
      "fingerprint",
      [](MlirOperation op) {
        std::string bytes;
        headraceOperationFingerprint(op, append, &bytes);
        return nb::bytes(bytes.data(), bytes.size());
      },
      nb::arg("operation"),
      "Bytes that differ where an operation, or one in it, was changed since.");
  m.def("llvm_version", [] { return std::string(LLVM_VERSION_STRING); });
  m.def(
      "host_cpu",
      [] {
        std::string name, triple;
        std::map<std::string, bool> features;
        headraceHostCpu(append, &name);
        headraceHostTriple(append, &triple);
        headraceHostFeatures(insertFeature, &features);
        return nb::make_tuple(name, features, triple);
      },
      "Name, features and triple of this machine's CPU, as LLVM calls them.");
  m.def(
      "cpu_features",
      [](const std::string &triple, const std::string &cpu) {
        std::map<std::string, bool> features;
        if (!headraceCpuFeatures(ref(triple), ref(cpu), insertFeature,
                                 &features))
          throw nb::value_error(
              ("unknown cpu '" + cpu + "' for " + triple).c_str());
        return features;
      },
      nb::arg("triple"), nb::arg("cpu"),
      "Features of a CPU that LLVM knows by name; ValueError if it does not.");
  m.def(
      "cpu_names",
      [](const std::string &triple) {
        std::vector<std::string> names;
        auto add = [](MlirStringRef text, void *data) {
          static_cast<std::vector<std::string> *>(data)->emplace_back(
              text.data, text.length);
        };
        if (!headraceCpuNames(ref(triple), add, &names))
          throw nb::value_error(("unknown triple '" + triple + "'").c_str());
        return names;
      },
      nb::arg("triple"), "Names of the CPUs that LLVM knows for a triple.");
}
