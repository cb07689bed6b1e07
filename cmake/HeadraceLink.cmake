# How Headrace's libraries, tools and registration are put together.

# Everything that touches MLIR's C++ is compiled as Debian built MLIR: no
# exceptions, RTTI as LLVM_ENABLE_RTTI says.
function(headrace_compile_flags target)
  target_compile_options(${target} PRIVATE
    -fno-exceptions -fvisibility-inlines-hidden -ffunction-sections -fdata-sections
    -Wall -Wextra -Wno-unused-parameter
    $<$<CXX_COMPILER_ID:Clang>:-fno-semantic-interposition>
    # Without the time in it, a precompiled header is the same file each time,
    # and ccache can serve what was compiled with it.
    $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
  if(NOT LLVM_ENABLE_RTTI)
    target_compile_options(${target} PRIVATE -fno-rtti)
  endif()
endfunction()

if(HEADRACE_LINK STREQUAL "static")
  include(HeadraceStatic)
endif()

# Links MLIR in the chosen mode. In dylib mode the component names in ARGN are
# left out on purpose: naming them would pull the static archives beside
# libMLIR.so, two copies of MLIR in one process.
function(headrace_link_mlir target scope)
  if(HEADRACE_LINK STREQUAL "dylib")
    target_link_libraries(${target} ${scope} MLIR LLVM)
  else()
    target_link_libraries(${target} ${scope} ${ARGN} headrace_llvm_static)
  endif()
endfunction()

# One precompiled header for all of our libraries: MLIR's own headers, which take
# most of the time that a source file takes.
option(HEADRACE_PCH "Use a precompiled header" ON)
if(HEADRACE_PCH)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch.cpp CONTENT "// For HeadracePCH.\n")
  add_library(HeadracePCH OBJECT ${CMAKE_BINARY_DIR}/pch.cpp)
  headrace_compile_flags(HeadracePCH)
  target_include_directories(HeadracePCH SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  separate_arguments(definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
  target_compile_options(HeadracePCH PRIVATE ${definitions})
  target_precompile_headers(HeadracePCH PRIVATE
    <mlir/Dialect/Arith/IR/Arith.h> <mlir/Dialect/Func/IR/FuncOps.h>
    <mlir/Dialect/LLVMIR/LLVMDialect.h> <mlir/Dialect/Linalg/IR/Linalg.h>
    <mlir/Dialect/Math/IR/Math.h> <mlir/Dialect/MemRef/IR/MemRef.h>
    <mlir/Dialect/SCF/IR/SCF.h> <mlir/Dialect/Tensor/IR/Tensor.h>
    <mlir/Dialect/Vector/IR/VectorOps.h> <mlir/IR/BuiltinOps.h> <mlir/Pass/Pass.h>
    <mlir/Pass/PassManager.h> <mlir/Transforms/DialectConversion.h>
    <mlir/Transforms/GreedyPatternRewriteDriver.h>)
endif()

# headrace_add_library(NAME sources... [DEPENDS ...] [LINK ...] [MLIR_LIBS ...])
function(headrace_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK;MLIR_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  headrace_compile_flags(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  headrace_link_mlir(${name} PUBLIC ${ARG_MLIR_LIBS})
  if(HEADRACE_PCH)
    target_precompile_headers(${name} REUSE_FROM HeadracePCH)
  endif()
endfunction()

# headrace_add_dialect(QLinear NAME qlinear CLASS ::headrace::qlinear::QLinearDialect ...)
# declares the library Headrace<Folder> and registers the dialect everywhere, with
# its external models where the folder has an InterfaceModels.h, which declares
# <dialect namespace>::registerInterfaceModels(DialectRegistry &).
function(headrace_add_dialect folder)
  cmake_parse_arguments(ARG "" "CLASS" "SOURCES;DEPENDS;LINK;MLIR_LIBS" ${ARGN})
  headrace_add_library(Headrace${folder} ${ARG_SOURCES}
    DEPENDS ${ARG_DEPENDS} LINK ${ARG_LINK} MLIR_LIBS ${ARG_MLIR_LIBS})
  set_property(GLOBAL APPEND PROPERTY HEADRACE_LIBRARIES Headrace${folder})
  set_property(GLOBAL APPEND PROPERTY HEADRACE_DIALECTS "${folder}:${ARG_CLASS}")
endfunction()

# headrace_add_passes(cpu SOURCES ... ): the passes of passes/<group>, whose
# Passes.td generates register<Group>Passes(); with PIPELINES it also has
# register<Group>Pipelines(). A group without Passes.td has pipelines only.
function(headrace_add_passes group)
  cmake_parse_arguments(ARG "PIPELINES" "NAMESPACE" "SOURCES;LINK;MLIR_LIBS" ${ARGN})
  string(SUBSTRING ${group} 0 1 first)
  string(TOUPPER ${first} first)
  string(SUBSTRING ${group} 1 -1 rest)
  set(Group "${first}${rest}")
  set(passes "")
  set(generated "")
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/Passes.td)
    set(passes PASSES)
    set(generated Headrace${Group}PassesIncGen)
    set(LLVM_TARGET_DEFINITIONS Passes.td)
    mlir_tablegen(Passes.h.inc -gen-pass-decls -name ${Group})
    add_public_tablegen_target(${generated})
  endif()
  get_property(dialects GLOBAL PROPERTY HEADRACE_DIALECTS)
  get_property(libraries GLOBAL PROPERTY HEADRACE_LIBRARIES)
  headrace_add_library(Headrace${Group}Passes ${ARG_SOURCES}
    DEPENDS ${generated} LINK HeadraceQLinear ${ARG_LINK} MLIR_LIBS ${ARG_MLIR_LIBS})
  set_property(GLOBAL APPEND PROPERTY HEADRACE_LIBRARIES Headrace${Group}Passes)
  set_property(GLOBAL APPEND PROPERTY HEADRACE_PASS_GROUPS "${group}:${Group}:${passes}:${ARG_PIPELINES}")
endfunction()

# Writes headrace/Registration.h: every dialect and pass folder, so that tools,
# the plugin and the C API register the same things and no list is kept by hand.
function(headrace_generate_registration)
  get_property(dialects GLOBAL PROPERTY HEADRACE_DIALECTS)
  get_property(groups GLOBAL PROPERTY HEADRACE_PASS_GROUPS)
  set(includes "")
  set(dialect_body "")
  set(pass_body "")
  foreach(entry ${dialects})
    string(REGEX MATCH "^([^:]+):((.*)::[^:]+)$" _ ${entry})
    set(folder ${CMAKE_MATCH_1})
    set(namespace ${CMAKE_MATCH_3})
    string(APPEND includes "#include \"dialects/${folder}/${folder}.h\"\n")
    string(APPEND dialect_body "  registry.insert<${CMAKE_MATCH_2}>();\n")
    if(EXISTS ${PROJECT_SOURCE_DIR}/dialects/${folder}/InterfaceModels.h)
      string(APPEND includes "#include \"dialects/${folder}/InterfaceModels.h\"\n")
      string(APPEND dialect_body "  ${namespace}::registerInterfaceModels(registry);\n")
    endif()
  endforeach()
  foreach(entry ${groups})
    string(REGEX MATCH "^([^:]+):([^:]+):([^:]*):(.*)$" _ ${entry})
    string(APPEND includes "#include \"passes/${CMAKE_MATCH_1}/Passes.h\"\n")
    if(CMAKE_MATCH_3)
      string(APPEND pass_body "  ::headrace::${CMAKE_MATCH_1}::register${CMAKE_MATCH_2}Passes();\n")
    endif()
    if(CMAKE_MATCH_4)
      string(APPEND pass_body "  ::headrace::${CMAKE_MATCH_1}::register${CMAKE_MATCH_2}Pipelines();\n")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/headrace/Registration.h @ONLY CONTENT
"// Generated by cmake/HeadraceLink.cmake from the folders of dialects/ and passes/.
#pragma once
${includes}
namespace headrace {
inline void registerDialects(::mlir::DialectRegistry &registry) {
${dialect_body}}
inline void registerPasses() {
${pass_body}}
} // namespace headrace
")
endfunction()

function(headrace_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK;MLIR_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  headrace_compile_flags(${name})
  get_property(libraries GLOBAL PROPERTY HEADRACE_LIBRARIES)
  target_link_libraries(${name} PRIVATE ${libraries} ${ARG_LINK})
  headrace_link_mlir(${name} PRIVATE ${ARG_MLIR_LIBS})
  target_link_options(${name} PRIVATE LINKER:--gc-sections)
endfunction()
