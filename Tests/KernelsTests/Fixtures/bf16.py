#!/usr/bin/env python3
"""Expected values of the rounding to bf16, from PyTorch's own bfloat16.

    python3 bf16.py            # rewrites bf16.txt beside it; needs torch

A line has the bits of two floats, a and b, those of a rounded to bf16, and those of the sum in bf16: of a rounded and b
rounded, added in float32, and rounded. Each of the first two has 8 hexadecimal digits, the others 4. A NaN is any NaN.
"""

import pathlib
import random
import struct

import torch

TABLE = pathlib.Path(__file__).resolve().parent / "bf16.txt"

# Zeros; the smallest and the largest subnormal numbers; ones that are half of the smallest bf16, just below and above;
# the smallest normal numbers; ties to the even and to the odd neighbour; the largest bf16, the largest that is rounded to
# it, the tie above it, the largest float; infinities; NaNs, of which some have nothing in their upper half.
SPECIAL = [
    0x00000000, 0x00000001, 0x00007FFF, 0x00008000, 0x00008001, 0x00010000, 0x00018000, 0x00017FFF, 0x007F8000,
    0x007FFFFF, 0x00800000, 0x00808000, 0x3F800000, 0x3F808000, 0x3F808001, 0x3F807FFF, 0x3F818000, 0x3F817FFF,
    0x3FFF8000, 0x3FFF7FFF, 0x7F7F0000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7F80FFFF,
    0x7FC00000, 0x7FFFFFFF, 0x7FFF8000,
]


def main():
    chosen = random.Random(16)
    special = SPECIAL + [bits | 0x80000000 for bits in SPECIAL]
    pairs = [(a, b) for a in special for b in chosen.sample(special, 8)]
    for _ in range(400):
        a = chosen.getrandbits(32)
        # Of a like magnitude, so that both count; every fourth is a tie.
        b = (a ^ chosen.getrandbits(26)) & 0xFFFFFFFF ^ chosen.getrandbits(1) << 31
        pairs.append((a & 0xFFFF0000 | 0x8000, b) if chosen.getrandbits(2) == 0 else (a, b))
    # Made by bits: a conversion of Python's numbers would make signalling NaNs quiet.
    a, b = (
        torch.frombuffer(bytearray(struct.pack(f"<{len(pairs)}I", *column)), dtype=torch.float32) for column in zip(*pairs)
    )
    rounded = a.to(torch.bfloat16)
    sums = (rounded.float() + b.to(torch.bfloat16).float()).to(torch.bfloat16)

    def halves(values):
        return [number & 0xFFFF for number in values.view(torch.int16).tolist()]

    lines = [
        f"{x:08x} {y:08x} {r:04x} {s:04x}" for (x, y), r, s in zip(pairs, halves(rounded), halves(sums))
    ]
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
