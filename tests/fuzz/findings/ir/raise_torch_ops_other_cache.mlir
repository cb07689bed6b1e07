func.func private@append.0(tensor<1024x2x1024xf32>,tensor<1024x2x1024xf32>,tensor<1024xi8>,tensor<1024xi32>)->tensor<1024xi8>func.func private@decode.0(tensor<4x1024xf32>,tensor<1024xi8>,tensor<1024xi32>)->tensor<4x1024xf32>attributes{headrace.operator="headrace.decode",headrace.arguments=["!qattn.kv_cache<16x2x1024,bf16>",4,5.0e-01,0.0]}func.func@step(%q:tensor<4x1024xf32>,%k:tensor<1024x2x1024xf32>,%v:tensor<1024x2x1024xf32>,%cache:tensor<1024xi8>,%at:tensor<1024xi32>,%length:tensor<1024xi32>)->(tensor<4x1024xf32>,tensor<1024xi8>){%new=call@append.0(%k, %v, %cache, %at) : (tensor<1024x2x1024xf32>, tensor<1024x2x1024xf32>, tensor<1024xi8>, tensor<1024xi32>) -> tensor<1024xi8>
  %o = call @decode.0(%q, %new, %length) : (tensor<4x1024xf32>, tensor<1024xi8>, tensor<1024xi32>) -> tensor<4x1024xf32>
  return %o, %new : tensor<4x1024xf32>, tensor<1024xi8>
}
func.func private @sdpa.0(tensor<1024x4x2x1024xf32>, tensor<1024x2x2x1024xf32>, tensor<1024x2x2x1024xf32>, tensor<2x2xi1>) -> tensor<1024x4x2x1024xf32>
func.func private @sdpa.1(tensor<1024x4x2x1024xf32>, tensor<1024x2x2x1024xf32>, tensor<1024x2x2x1024xf32>) -> tensor<1024x4x2x1024xf32>
func.func @sdpa(%q: tensor<1024x4x2x1024xf32>, %k: tensor<1024x2x2x1024xf32>, %v: tensor<1024x2x2x1024xf32>) -> (tensor<1024x4x2x1024xf32>, tensor<1024x4x2x1024xf32>) {
  %mask = arith.constant dense<[[true, false], [true, true]]> : tensor<2x2xi1>
  %a = call @sdpa.0(%q, %k, %v, %mask) : (tensor<1024x4x2x1024xf32>, tensor<1024x2x2x1024xf32>, tensor<1024x2x2x1024xf32>, tensor<2x2xi1>) -> tensor<1024x4x2x1024xf32>
  %b = call @sdpa.1(%q, %k, %v) : (tensor<1024x4x2x1024xf32>, tensor<1024x2x2x1024xf32>, tensor<1024x2x2x1024xf32>) -> tensor<1024x4x2x1024xf32>
  return %a, %b : tensor<1024x4x2x1024xf32>, tensor<1024x4x2x1024xf32>
}
