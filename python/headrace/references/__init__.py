"""What the operations of qlinear and qattn should compute, in NumPy and float64.

Plain functions, written from the papers and from the descriptions of formats and caches, that share
no code with the compiler: `headrace check --ops` compares decompositions with them, and targets are
compared with them too. Arrays in, arrays out; shapes are in the docstrings.

| module | what |
| --- | --- |
| `linear` | products with decoded weights, activations in 8 bits |
| `rows` | norms and gated activations |
| `sparse` | selected columns |
| `tables` | products by table lookup |
| `caches` | keys, values and latents as caches keep them |
| `attention` | attention, partial results |
| `rope` | rotary positions |
| `mla` | latent attention |
"""
