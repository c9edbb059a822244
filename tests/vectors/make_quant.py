#!/usr/bin/env python3
"""Makes quant.bin: for each GGUF type, blocks and what the `gguf` package (pip install gguf) widens
them to; for the types that cmat writes, also the floats the blocks were made from.

Layout, little-endian, records until the end: u32 type, u32 n weights, u32 bytes of blocks, u32 has
source (0/1); the blocks; n floats (widened); n floats (source) when has source."""
import struct
import sys

import gguf
import numpy as np

rng = np.random.default_rng(7)
T = gguf.GGMLQuantizationType
out = open(sys.argv[1] if len(sys.argv) > 1 else "quant.bin", "wb")


def record(t, n, blocks, source=None):
    wide = gguf.quants.dequantize(blocks, t).astype("<f4").ravel()
    assert wide.size == n and np.isfinite(wide).all()
    out.write(struct.pack("<IIII", t.value, n, blocks.nbytes, source is not None))
    out.write(blocks.tobytes())
    out.write(wide.tobytes())
    if source is not None:
        out.write(source.astype("<f4").tobytes())


for t in (T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1):
    x = (rng.standard_normal(256) * np.repeat([1e-3, 0.05, 1, 3, 100, 0.5, 2, 0.01], 32)).astype(np.float32)
    x[32:64] = 0  # a block of zeros
    x[64:96] = 1.25  # a block of one value
    x[96] = -7.5  # the largest by size is negative
    blocks = gguf.quants.quantize(x, t)
    record(t, 256, np.ascontiguousarray(blocks).view(np.uint8), x)

# Random bytes in every field, with scales that are ordinary numbers. (Q8_K, which only products
# use, the package does not widen.)
for t, size, weights, scales in ((T.Q2_K, 84, 256, (80, 82)),
                                 (T.Q3_K, 110, 256, (108,)), (T.Q4_K, 144, 256, (0, 2)), (T.Q5_K, 176, 256, (0, 2)),
                                 (T.Q6_K, 210, 256, (208,)), (T.IQ4_NL, 18, 32, (0,)), (T.IQ4_XS, 136, 256, (0,)),
                                 (T.TQ1_0, 54, 256, (52,)), (T.TQ2_0, 66, 256, (64,)), (T.MXFP4, 17, 32, ())):
    n_blocks = 512 // weights
    b = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
    for at in scales:
        b[:, at:at + 2] = (rng.standard_normal((n_blocks, 1)) * 0.1).astype(np.float16).view(np.uint8)
    if t == T.MXFP4:
        b[:, 0] = [0, 1, 2, 3, 100, 110, 115, 118, 120, 122, 124, 126, 127, 128, 140, 250]
    record(t, 512, b.ravel())
