//===- simt.h - What compiled kernels and the simulator say to each other
//--===//
//
// A kernel is compiled for the CPU and runs once for each thread, on a fiber of
// its own. Where its threads meet (barriers, operations of a subgroup) it calls
// the functions below; loads and stores are reported by the calls that
// -fsanitize-coverage=trace-loads,trace-stores inserts. This header includes
// nothing: kernels are compiled without any system header.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_SIMT_SIMT_H
#define HEADRACE_SIMT_SIMT_H

namespace simt {

constexpr unsigned subgroupSize = 32;

/// Where in the source of a kernel something is called.
struct Site {
  const char *file;
  unsigned line;
  unsigned column;
};

/// What a barrier orders beside the execution of threads.
enum Fence : unsigned { fenceNone = 0, fenceDevice = 1, fenceWorkgroup = 2 };

/// Does the work of one operation of a subgroup, for all of its lanes at once.
/// lanes: the operand of each lane, which it replaces by its result; null for
/// lanes that the workgroup does not have.
using Combine = void (*)(void *const *lanes);

struct Coordinates {
  unsigned x, y, z;
};

/// What a kernel can ask about the thread that it is.
struct Ids {
  Coordinates workgroup;  // in the grid
  Coordinates workgroups; // of the grid
  Coordinates thread;     // in the workgroup
  Coordinates threads;    // of a workgroup
  unsigned threadIndex;   // in the workgroup
  unsigned lane;          // in the subgroup
  unsigned subgroup;      // in the workgroup
  unsigned subgroups;     // of a workgroup
};

/// One thread of a kernel. buffers: by binding; workgroupMemory: of arguments.
using Entry = void (*)(void *const *buffers, void *const *workgroupMemory,
                       const Ids *ids);

} // namespace simt

extern "C" {
/// Waits for all threads of the workgroup.
void headrace_simt_barrier(unsigned fences, simt::Site site);
/// Waits for the lanes of the subgroup.
void headrace_simt_subgroup_barrier(unsigned fences, simt::Site site);
/// Waits for the lanes of the subgroup, and combines their operands.
void headrace_simt_subgroup(simt::Combine combine, void *operand,
                            simt::Site site);
/// An array that the threads of a workgroup share. key: which array it is.
void *headrace_simt_workgroup_array(const void *key, unsigned long size,
                                    const char *name);
/// Atomic accesses.
void headrace_simt_atomic_load(const volatile void *from, unsigned long size,
                               void *to);
void headrace_simt_atomic_store(volatile void *to, unsigned long size,
                                const void *from);
/// What a checked kernel calls in front of an access whose type wants an
/// address that is a multiple of `alignment`.
void headrace_simt_aligned(const void *address, unsigned long alignment);
/// And where another copies or fills memory at once.
void headrace_simt_copy(void *to, const void *from, unsigned long size, bool);
void headrace_simt_fill(void *to, char byte, unsigned long size, bool);
/// For Combine: a lane asks for the operand of one that is not there.
[[noreturn]] void headrace_simt_no_such_lane(unsigned lane, unsigned source);
/// The lane that asks.
unsigned headrace_simt_lane();
}

#endif // HEADRACE_SIMT_SIMT_H
