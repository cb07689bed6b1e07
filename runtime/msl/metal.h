//===- metal.h - All of the Metal Shading Language that there is here -----===//
//
// Written from the language's specification. Not here: textures and samplers,
// packed vectors of three, ray tracing, functions of
// classes in the address space of another thread.
//
//===----------------------------------------------------------------------===//

#include "host.h"
#include "matrix.h"
#include "simdgroup_matrix.h"
