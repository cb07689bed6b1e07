"builtin.module"() ({
  "aie.device"() <{device = 8 : i32, sym_name = "main"}> ({
    "aie.objectfifo"(%0, %1) <{dimensionsFromStreamPerConsumer = #aie<bd_dim_layout_array_array[[]]>, dimensionsToStream = #aie<bd_dim_layout_array[]>, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<16xi32>>, sym_name = "x", via_DMA = false}> : (index, index) -> ()
    %0 = "aie.tile"() <{col = 0 : i32}> : () -> index
    %1 = "aie.tile"() <{col = 0 : i32, row = 2 : i32}> : () -> index
    "aie.end"() : () -> ()
  }) : () -> ()
}) : () -> ()
