# What `make` and `pip install` build with, unless told otherwise: clang and lld
# of the LLVM that is used, and ccache. Included by the first project() call
# through CMAKE_PROJECT_TOP_LEVEL_INCLUDES; a plain `cmake` run does not use it.

# Another LLVM 22: MLIR_DIR is the folder of its MLIRConfig.cmake.
if(NOT "$ENV{MLIR_DIR}" STREQUAL "")
  set(MLIR_DIR "$ENV{MLIR_DIR}" CACHE PATH "Folder of MLIRConfig.cmake" FORCE)
endif()
set(tool_hints /usr/lib/llvm-22/bin)
if(MLIR_DIR)
  list(PREPEND tool_hints ${MLIR_DIR}/../../../bin)
endif()

# CC, CXX and -DCMAKE_<LANG>_COMPILER win. scikit-build-core always sets CC and
# CXX, to Python's own compiler, and hands on what the user set as HEADRACE_CC.
foreach(entry "C:CC:clang" "CXX:CXX:clang++")
  string(REGEX MATCH "([^:]+):([^:]+):(.+)" _ ${entry})
  set(language ${CMAKE_MATCH_1})
  set(variable ${CMAKE_MATCH_2})
  set(name ${CMAKE_MATCH_3})
  set(wanted "$ENV{${variable}}")
  if(SKBUILD)
    set(wanted "${HEADRACE_${variable}}")
  endif()
  if(CMAKE_${language}_COMPILER)
    continue()
  elseif(wanted)
    set(CMAKE_${language}_COMPILER ${wanted})
  else()
    find_program(HEADRACE_${language}_COMPILER NAMES ${name} ${name}-22 HINTS ${tool_hints})
    if(HEADRACE_${language}_COMPILER)
      set(CMAKE_${language}_COMPILER ${HEADRACE_${language}_COMPILER})
    endif()
  endif()
endforeach()

find_program(HEADRACE_LLD NAMES ld.lld ld.lld-22 HINTS ${tool_hints})
if(HEADRACE_LLD AND CMAKE_CXX_COMPILER MATCHES "clang")
  foreach(kind EXE SHARED MODULE)
    set(CMAKE_${kind}_LINKER_FLAGS_INIT "--ld-path=${HEADRACE_LLD}")
  endforeach()
endif()

find_program(HEADRACE_CCACHE ccache)
if(HEADRACE_CCACHE)
  # Relative paths let another clone share the cache; the sloppiness is what
  # ccache's manual asks for with precompiled headers.
  set(launcher ${CMAKE_COMMAND} -E env
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${HEADRACE_CCACHE})
  foreach(language C CXX)
    if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${launcher})
    endif()
  endforeach()
endif()
