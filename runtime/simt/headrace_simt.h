//===- headrace_simt.h - Launching kernels in the simulator ---------------===//
//
// The interface of libheadrace_simt.so for ctypes (python/headrace/sim/simt.py
// mirrors it). One launch at a time for each process.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_SIMT_HEADRACE_SIMT_H
#define HEADRACE_SIMT_HEADRACE_SIMT_H

#include <stdint.h>

enum { HEADRACE_MAX_BUFFERS = 32, HEADRACE_MAX_ARRAYS = 16 };

enum HeadraceOrder { orderForward, orderReverse, orderRandom };

enum HeadraceFailureKind {
  failureNone,
  failureResources,       // text says what the machine refused
  failureOutOfBounds,     // buffer, offset, size, writes
  failureReadOnly,        // the same
  failureAddress,         // an address of nothing; offset is the address
  failureStack,           // too much on the stack of a thread
  failureInstruction,     // a trap, or an integer divided by 0
  failureUninitialized,   // an array of the workgroup was read before written
  failureRace,            // between two threads of a workgroup
  failureWorkgroupRace,   // between two workgroups
  failureBarrier,         // not all threads wait at the same barrier
  failureSubgroup,        // not all lanes are at the same operation
  failureLane,            // offset: the lane that is not there
  failureWorkgroupMemory, // offset: the bytes that all arrays take
  failureAlignment        // buffer, offset; size is what its type wants
};

struct HeadraceBuffer {
  void *data; // null: this binding has no buffer, unless there are members
  uint64_t size;
  int32_t writable;
  // A buffer of pointers to so many others, which are at bindings of their own.
  int32_t members, firstMember;
};

struct HeadraceLaunch {
  void *entry; // simt::Entry
  struct HeadraceBuffer buffers[HEADRACE_MAX_BUFFERS];
  uint64_t arrays[HEADRACE_MAX_ARRAYS]; // bytes of workgroup memory arguments
  uint32_t grid[3];
  uint32_t threads[3];
  int32_t order;
  uint64_t seed;
  uint64_t workgroupLimit; // bytes of workgroup memory; more is a failure
  int32_t checked;         // accesses are reported: look for races
  int32_t traced;          // and count them
};

struct HeadraceFailure {
  int32_t kind;
  int32_t hasThread;
  uint32_t workgroup[3], thread; // thread: in the workgroup
  int32_t isBuffer;              // else an array of the workgroup
  int32_t index;                 // binding, or number of the array
  char name[64];                 // of an array
  int64_t offset;
  uint32_t size;
  int32_t writes;
  int32_t hasOther;
  uint32_t otherWorkgroup[3], otherThread;
  int32_t otherWrites;
  int32_t otherEnded; // the other thread has left the kernel
  char file[256], otherFile[256];
  uint32_t line, column, otherLine, otherColumn;
  uint64_t pc; // where the access is, in the library of the kernel
  char text[128];
};

/// Of one buffer.
struct HeadraceTraffic {
  uint64_t loads, stores;  // accesses of one thread
  uint64_t loaded, stored; // bytes of these
  // Sectors that a subgroup touches by one access of all its lanes, summed.
  uint64_t loaded64, loaded128, stored64, stored128;
  // Sectors that the launch touches at all.
  uint64_t distinctLoaded64, distinctLoaded128;
  uint64_t distinctStored64, distinctStored128;
};

#ifdef __cplusplus
extern "C" {
#endif
/// Runs a launch. Copies buffers in, and writable ones out again where nothing
/// failed. Returns the kind of failure; `traffic` has HEADRACE_MAX_BUFFERS
/// entries, `workgroupBytes` gets what the arrays of a workgroup take.
int headrace_simt_launch(const struct HeadraceLaunch *launch,
                         struct HeadraceFailure *failure,
                         struct HeadraceTraffic *traffic,
                         uint64_t *workgroupBytes);
#ifdef __cplusplus
}
#endif

#endif // HEADRACE_SIMT_HEADRACE_SIMT_H
