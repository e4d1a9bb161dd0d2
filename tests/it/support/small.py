"""Compares build-scripts/small.c, made into the library that is named, with Python's hashes and integers."""

import ctypes
import hashlib
import random
import sys

ORDER = 2**252 + 27742317777372353535851937790883648493
START_256 = "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
START_512 = (
    "6a09e667f3bcc908bb67ae8584caa73b3c6ef372fe94f82ba54ff53a5f1d36f1"
    "510e527fade682d19b05688c2b3e6c1f1f83d9abfb41bd6b5be0cd19137e2179"
)
EDGES = [0, 1, ORDER - 1, ORDER, 2 * ORDER - 1, 2**255 - 19, 2**256 - 1]

library = ctypes.CDLL(sys.argv[1])
chance = random.Random(1)


def digest(text, word, start, function):
    """FIPS 180-4: the padding of 5.1, the start values of 5.3, then blocks."""
    size = ctypes.sizeof(word)
    start = bytes.fromhex(start)
    state = (word * 8)(*(int.from_bytes(start[at : at + size], "big") for at in range(0, 8 * size, size)))
    padded = text + b"\x80"
    padded += bytes(-(len(padded) + 2 * size) % (16 * size)) + (8 * len(text)).to_bytes(2 * size, "big")
    function(state, padded, ctypes.c_size_t(len(padded) // (16 * size)))
    return b"".join(value.to_bytes(size, "big") for value in state)


texts = [chance.randbytes(length) for length in [*range(300), 4096]]
for text in texts:
    short = digest(text, ctypes.c_uint32, START_256, library.reach_sha256_blocks)
    assert short == hashlib.sha256(text).digest(), f"SHA-256 of {len(text)} bytes"
    long = digest(text, ctypes.c_uint64, START_512, library.reach_sha512_blocks)
    assert long == hashlib.sha512(text).digest(), f"SHA-512 of {len(text)} bytes"

for number in range(3000):
    a, b, c = (chance.choice(EDGES) if number < 1000 else chance.getrandbits(256) for _ in range(3))
    c %= ORDER  # as ring calls it: the sum has at most 512 bits
    out = ctypes.create_string_buffer(32)
    library.reach_sc_muladd(out, *(value.to_bytes(32, "little") for value in (a, b, c)))
    assert int.from_bytes(out.raw, "little") == (a * b + c) % ORDER, f"{a} * {b} + {c}"
    wide = chance.choice(EDGES) << 256 | chance.choice(EDGES) if number < 1000 else chance.getrandbits(512)
    out = ctypes.create_string_buffer(wide.to_bytes(64, "little"), 64)
    library.reach_sc_reduce(out)
    assert int.from_bytes(out.raw[:32], "little") == wide % ORDER, f"{wide}"

print(f"3000 products, {len(texts)} texts")
