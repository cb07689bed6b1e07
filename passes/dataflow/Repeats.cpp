//===- Repeats.cpp - what is done several times in a row ------------------===//

#include "passes/dataflow/Repeats.h"

using namespace llvm;
using namespace headrace::dataflow;

namespace {

/// `times` times the same `period` items from `start` on.
struct Run {
  size_t start = 0, period = 0, times = 1;

  size_t saved() const { return period * (times - 1); }
  size_t end() const { return start + period * times; }
};

/// The run that leaves out most; of equals, that of the shortest period.
Run findLongest(ArrayRef<size_t> kinds) {
  Run best;
  for (size_t period = 1; 2 * period <= kinds.size(); ++period) {
    // Items in a row that are those `period` items before them.
    size_t same = 0;
    for (size_t at = period; at < kinds.size(); ++at) {
      same = kinds[at] == kinds[at - period] ? same + 1 : 0;
      Run run = {at + 1 - same - period, period, 1 + same / period};
      if (run.saved() > best.saved())
        best = run;
    }
  }
  return best;
}

} // namespace

std::vector<Repeat> headrace::dataflow::findRepeats(ArrayRef<size_t> kinds,
                                                    size_t first) {
  std::vector<Repeat> found;
  Run run = findLongest(kinds);
  if (run.times == 1) {
    for (size_t i = 0; i < kinds.size(); ++i)
      found.push_back({first + i, 1, {}});
    return found;
  }
  auto append = [&](std::vector<Repeat> more) {
    found.insert(found.end(), more.begin(), more.end());
  };
  append(findRepeats(kinds.take_front(run.start), first));
  found.push_back(
      {first + run.start, static_cast<int64_t>(run.times),
       findRepeats(kinds.slice(run.start, run.period), first + run.start)});
  append(findRepeats(kinds.drop_front(run.end()), first + run.end()));
  return found;
}
