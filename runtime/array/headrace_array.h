//===- headrace_array.h - Running a design in the array simulator ---------===//
//
// The interface of libheadrace_array.so for ctypes
// (python/headrace/sim/aie_engine.py mirrors it). A design is what is left of
// AIE text when object FIFOs are buffers, locks, descriptors and streams.
// Indices count from 0; -1 is none. Times are cycles of the array's clock.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_ARRAY_HEADRACE_ARRAY_H
#define HEADRACE_ARRAY_HEADRACE_ARRAY_H

#include <stdint.h>

enum { HEADRACE_DIMENSIONS = 4, HEADRACE_CHUNK_WORDS = 16 };

enum HeadraceDirection { directionOut /* MM2S */, directionIn /* S2MM */ };

enum HeadraceFailureKind {
  failureNone,
  failureDeadlock,
  failureBounds,        // descriptor, offset: a transfer leaves its memory
  failureUninitialized, // descriptor, offset: words that nobody wrote leave
  failureRace,          // agent, other, buffer: both use it at a time
  failureOverwrite,     // agent, function, buffer: written outside of it
  failureLock,          // agent, lock: its value is above what it can hold
  failureQueue,         // task: the queue of its channel is full
  failureSurplus,       // agent, or lock: data is left that nobody takes
  failureLimit,         // the design does not come to an end
  failureIndex,         // agent, buffer, offset: a core's load or store
  failureDivision,      // agent: a core divides by zero
  failureFault, // agent, function, other: the signal; buffer, offset: near
                // which
  failureHost   // this machine has no memory for the buffers
};

/// What an agent waits for.
enum HeadraceWait { waitNone, waitLock, waitRoom, waitData, waitTask };

/// Memory of a tile. `bank` is -1 where no conflict is modelled.
struct HeadraceBuffer {
  int64_t bytes;
  const void *initial; // null: what is in it is found when it is read
  int32_t tile;
  int32_t bank; // of its first byte
  int64_t bankOffset;
};

struct HeadraceArgument {
  void *data;
  int64_t bytes;
};

struct HeadraceLock {
  int32_t value, limit;
  int32_t counts; // elements that wait for a reader: 0 in the end
};

/// Sizes count elements, outermost first; strides are bytes.
struct HeadraceDescriptor {
  int32_t buffer, argument; // one of them
  int64_t offset, bytes;    // of one execution
  int64_t element;
  int32_t dimensions;
  int64_t sizes[HEADRACE_DIMENSIONS], strides[HEADRACE_DIMENSIONS];
  int64_t iterations, iterationStride; // the n-th execution in a task
  int32_t acquire, acquireValue, release, releaseValue;
};

/// Of a tile: runs its descriptors in turn, forever. Of a shim: runs tasks.
struct HeadraceChannel {
  int32_t direction, shim;
  int32_t firstDescriptor, descriptors;
  int32_t firstStream, streams; // where it sends to
};

/// From a channel to one other. A channel with several broadcasts.
struct HeadraceStream {
  int32_t to;
  int32_t latency, words; // cycles; what fits in between
};

struct HeadraceTask {
  int32_t channel, firstDescriptor, descriptors, repeats;
};

enum HeadraceStepKind { stepConfigure, stepStart, stepAwait };
struct HeadraceStep {
  int32_t kind, task;
};

/// Registers hold integers and addresses.
enum HeadraceOpcode {
  opConstant, // a = immediate
  opMove,     // a = b
  opAdd,
  opSub,
  opMul,
  opDiv,
  opRem,
  opAnd,
  opOr,
  opXor,
  opShl,
  opShr,
  opMin,
  opMax,
  opEqual, // a = b == c, and so on
  opLess,  // signed
  opDivUnsigned,
  opRemUnsigned,
  opShrUnsigned,
  opLessUnsigned,
  opSelect,   // a = b ? c : immediate (a register)
  opJump,     // to immediate
  opBranch,   // if not a: to immediate
  opBuffer,   // a = buffer immediate
  opElement,  // a = buffer table[b + (register c) % immediate]
  opLoad,     // a = buffer b [register c], immediate: bytes, negative if signed
  opStore,    // buffer b [register c] = a, immediate: bytes
  opAcquire,  // lock a, register b
  opRelease,  // lock a, register b
  opPoison,   // buffer of register a
  opArgument, // a is the next integer or address for a call
  opFloat,    // a holds the bits of the next float for a call
  opCall,     // function a
  opEnd
};
struct HeadraceInstruction {
  int32_t op, a, b, c;
  int64_t immediate;
  double cycles;
};

struct HeadraceCore {
  int32_t tile, firstInstruction, registers;
};

struct HeadraceFunction {
  void *entry;
  double cycles;
};

struct HeadraceTiming {
  double streamBytes;            // a cycle, each channel
  double ddrBytes;               // a cycle, all shims together
  double shimStart[2];           // the first task of a channel, by direction
  double shimTask[2];            // each further one
  double descriptor;             // between two descriptors of a channel
  double configure, sync;        // of the runtime sequence
  double bankBytes, vectorBytes; // a bank; one access of a core
  int32_t banks, queue;          // of a tile; of a channel of a shim
  double limit;                  // cycles
};

struct HeadraceDesign {
  const struct HeadraceBuffer *buffers;
  const struct HeadraceArgument *arguments;
  const struct HeadraceLock *locks;
  const struct HeadraceDescriptor *descriptors;
  const struct HeadraceChannel *channels;
  const struct HeadraceStream *streams;
  const struct HeadraceTask *tasks;
  const struct HeadraceStep *steps;
  const struct HeadraceInstruction *instructions;
  const struct HeadraceCore *cores;
  const struct HeadraceFunction *functions;
  const int32_t *table; // buffers that opElement chooses from
  int32_t bufferCount, argumentCount, lockCount, descriptorCount;
  int32_t channelCount, streamCount, taskCount, stepCount;
  int32_t instructionCount, coreCount, functionCount, tileCount;
  struct HeadraceTiming timing;
};

struct HeadraceFailure {
  int32_t kind, agent, other;
  int32_t descriptor, buffer, lock, task, function;
  int64_t offset;
  double time;
};

/// Agents are the channels, then the cores, then the sequence.
struct HeadraceAgent {
  double busy;      // cycles of transfers at full rate, or of computing
  double waited[5]; // by HeadraceWait
  double conflicts; // of that, cycles for which a bank was taken
  double memory;    // cycles in which others had the memory of the host
  int64_t bytes;
  int32_t ended, wait, waitsFor, needs; // waitsFor: lock, channel or task
  int32_t at;                           // descriptor or instruction
};

/// A time in which an agent waits.
struct HeadraceInterval {
  int32_t agent, wait;
  double from, to;
};

struct HeadraceResult {
  struct HeadraceFailure failure;
  struct HeadraceAgent *agents;
  struct HeadraceInterval *intervals;
  int64_t intervalCapacity, intervalsDropped, intervalCount;
  double intervalLeast; // shorter ones are not written down
  int32_t *lockValues;
  double cycles;
  int64_t ddrRead, ddrWritten;
};

#ifdef __cplusplus
extern "C" {
#endif
/// Runs a design once. Returns the kind of failure.
int headrace_array_run(const struct HeadraceDesign *design,
                       struct HeadraceResult *result);

/// Byte offsets of the 4-byte words that a descriptor moves, in order, in its
/// `iteration`-th execution. Returns how many there are.
int64_t headrace_array_addresses(const struct HeadraceDescriptor *descriptor,
                                 int64_t iteration, int64_t *offsets,
                                 int64_t capacity);
#ifdef __cplusplus
}
#endif

#endif // HEADRACE_ARRAY_HEADRACE_ARRAY_H
