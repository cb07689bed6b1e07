// RUN: %headrace_opt %s --aie-check-tiles="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: tiles
module { aie.device(npu1) {
  %a = aie.tile(3, 5)
  // expected-error @below {{expected a tile of npu1, but got column 4, row 2; allowed: columns 0 to 3, rows 0 to 5}}
  %b = aie.tile(4, 2)
} }
// doc: end

// -----

module { aie.device(npu2) {
  %a = aie.tile(7, 5)
  // expected-error @below {{expected a tile of npu2, but got column 7, row 6; allowed: columns 0 to 7, rows 0 to 5}}
  %b = aie.tile(7, 6)
  // expected-error @below {{expected a tile of npu2, but got column 8, row 0}}
  %c = aie.tile(8, 0)
} }
