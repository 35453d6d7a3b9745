#!/usr/bin/env python3
"""Recomputes the outputs in expected.json that have an independent definition, with nothing shared with the C sources.

Covers the hashes, the number-theoretic and sorting guests and modular exponentiation; ed25519's check is that the three
RFC 8032 signatures built into the guest verify and their spoiled copies do not, which its count shows.
"""
import hashlib
import json
import os
import sys

MASK = 2**64 - 1


def randoms(seed):
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        yield z ^ z >> 31


def checksum(total, values):
    for v in values:
        total = (total ^ v) * 0x9E3779B97F4A7C15 & MASK
        total ^= total >> 29
    return total


def message(n):
    period = bytes((i * 167 + (i >> 8) * 13) & 255 for i in range(65536))
    return (period * (n // 65536 + 1))[:n]


def keccak256(data):
    data = bytearray(data) + b"\x01"
    data += bytes(-len(data) % 136)
    data[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    rotl = lambda v, n: (v << n | v >> (64 - n)) & MASK if n else v
    for start in range(0, len(data), 136):
        for i in range(17):
            at = start + 8 * i
            lanes[i % 5][i // 5] ^= int.from_bytes(data[at : at + 8], "little")
        lfsr = 1
        for _ in range(24):
            c = [l[0] ^ l[1] ^ l[2] ^ l[3] ^ l[4] for l in lanes]
            for x in range(5):
                d = c[x - 1] ^ rotl(c[(x + 1) % 5], 1)
                lanes[x] = [v ^ d for v in lanes[x]]
            moved = [[0] * 5 for _ in range(5)]
            moved[0][0] = lanes[0][0]
            x, y = 1, 0
            for t in range(24):
                moved[y][(2 * x + 3 * y) % 5] = rotl(lanes[x][y], (t + 1) * (t + 2) // 2 % 64)
                x, y = y, (2 * x + 3 * y) % 5
            for x in range(5):
                lanes[x] = [moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y] & MASK) for y in range(5)]
            for j in range(7):
                if lfsr & 1:
                    lanes[0][0] ^= 1 << ((1 << j) - 1)
                lfsr = (lfsr << 1 ^ (lfsr >> 7) * 0x171) & 0xFF
    return b"".join(lanes[i][0].to_bytes(8, "little") for i in range(4))


def fibonacci(n):
    """By matrix doubling, where the guest iterates."""
    a, b = 0, 1
    for bit in bin(n)[2:]:
        a, b = a * (2 * b - a) & MASK, (a * a + b * b) & MASK
        if bit == "1":
            a, b = b, (a + b) & MASK
    return a


def sieve(n):
    flags = bytearray([1]) * n
    flags[:2] = bytes(min(n, 2))
    for p in range(2, int(n**0.5) + 1):
        if flags[p]:
            flags[p * p :: p] = bytes(len(range(p * p, n, p)))
    return sum(flags)


def modexp(bits):
    r = randoms(2048)
    modulus = base = 0
    for i in range(32):
        modulus |= next(r) << (64 * i)
        base |= next(r) << (64 * i)
    modulus |= 1 | 1 << 2047
    base &= (1 << 2047) - 1
    exponent = 0
    for i in range(bits):
        exponent = exponent << 1 | (1 if i == 0 else next(r) >> 63)
    return pow(base, exponent, modulus).to_bytes(256, "little")[:32]


def sort(n):
    r = randoms(n)
    return checksum(n, sorted(next(r) for _ in range(n)))


def collatz(n):
    best, start = 0, 0
    for first in range(1, n):
        v, length = first, 1
        while v != 1:
            v, length = (3 * v + 1 if v & 1 else v >> 1), length + 1
        if length > best:
            best, start = length, first
    return start << 32 | best


def ed25519(n):
    return sum(1 for i in range(n) if i // 4 % 2 == 0) << 32 | n


REFERENCES = {
    "ackermann": lambda n: 2 ** (n + 3) - 3,
    "blake2b": lambda n: hashlib.blake2b(message(n), digest_size=32).digest(),
    "ed25519": ed25519,
    "fibonacci": fibonacci,
    "fibrec": fibonacci,
    "interpreter": collatz,
    "keccak256": lambda n: keccak256(message(n)),
    "mergesort": sort,
    "modexp": modexp,
    "quicksort": sort,
    "sha256": lambda n: hashlib.sha256(message(n)).digest(),
    "sieve": sieve,
}


def main():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.json")) as f:
        expected = json.load(f)
    passed = failed = 0
    for name, reference in REFERENCES.items():
        for case in expected[name]:
            if not case["args"] or (name == "keccak256" and case["case"] == "bench"):
                continue  # the default's size is the guest's own; three megabytes of Keccak take Python minutes
            value = reference(int.from_bytes(bytes.fromhex(case["args"]), "little"))
            value = value if isinstance(value, bytes) else value.to_bytes(8, "little")
            if value.hex() == case["output"]:
                passed += 1
            else:
                failed += 1
                print(f"{name} {case['case']}: expected.json has {case['output']}, reference gives {value.hex()}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
