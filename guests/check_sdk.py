#!/usr/bin/env python3
"""Runs the SDK guests in the polkavm crate's interpreter (guest-tool run) with a minimal host and checks the outputs.

Usage: check_sdk.py GUEST_TOOL_DIR. What a real host adds (storage, inner machines, ...) is for TVM's own tests.
"""
import os
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WHAT = 2**64 - 2
NOT_OFFERED = 2**64 - 100


def natural(v):
    """The Gray Paper's natural-number code (C.1)."""
    for extra in range(8):
        if v < 1 << (7 * (extra + 1)):
            return bytes([256 - (1 << (8 - extra)) + (v >> (8 * extra))]) + v.to_bytes(8, "little")[:extra]
    return b"\xff" + v.to_bytes(8, "little")


def constants(version):
    """Protocol constants of the tiny chain, as `fetch` kind 0 gives them."""
    old = version == "0.7.2"
    out = struct.pack("<QQQHII", 10, 1, 100, 2, 32, 12)
    out += struct.pack("<QQQQ", 10_000_000, 50_000_000, 1_000_000_000, 20_000_000)
    out += struct.pack("<HHHHI", 8, 16, 8, 3, 24)
    for value, only_old in [(3, True), (8, False), (4, False), (80, False), (4, False), (128, False), (5, False), (6, True)]:
        out += struct.pack("<H", value) if old or not only_old else b""
    for value, only_old in [(64_000, False), (13_791_360, False), (4_000_000, False), (4, True), (3072, False),
                            (1026, True), (49_152, False), (128, False), (3072, False), (10, False)]:
        out += struct.pack("<I", value) if old or not only_old else b""
    assert len(out) == (134 if old else 122)
    return out


def call(which, *arguments, pointers=0, stored=0):
    return struct.pack("<BBBBB", 1, which, pointers, stored, len(arguments)) + b"".join(
        struct.pack("<Q", a) for a in arguments)


def put(offset, data):
    return struct.pack("<BII", 2, offset, len(data)) + data


def show(offset, n):
    return struct.pack("<BII", 3, offset, n)


def words(*values):
    return b"".join(struct.pack("<Q", v) for v in values)


def refine_payload(refine, accumulate=b""):
    return struct.pack("<I", len(refine)) + refine + accumulate


def refine_arguments(payload):
    return natural(0) + natural(3) + natural(42) + natural(len(payload)) + payload + bytes(32)


class Tool:
    def __init__(self, directory, version):
        self.path = os.path.join(directory, "guest-tool-" + version.replace(".", "-"))
        self.version = version

    def run(self, guest, pc, arguments, fetched):
        blob = os.path.join(HERE, "blobs", self.version, guest + ".jam")
        fetched = {0: constants(self.version), **fetched}
        done = subprocess.run(
            [self.path, "run", blob, str(pc), arguments.hex(), *(f"{k}={v.hex()}" for k, v in fetched.items())],
            capture_output=True, text=True)
        return bytes.fromhex(done.stdout.strip()) if done.returncode == 0 else None

    def refine(self, commands, accumulate=b"", fetched={}):
        output = self.run("probe", 0, refine_arguments(refine_payload(commands, accumulate)), fetched)
        if output is None:
            return None
        (n,) = struct.unpack_from("<I", output)
        assert output[4 + n :] == accumulate
        return output[4 : 4 + n]


def checks(tool):
    grow = call(1, 0)
    yield "no commands", tool.refine(b""), b""
    yield "accumulate commands pass through", tool.refine(b"", b"\x01\x02\x03"), b""
    yield "unserved calls", tool.refine(call(6, 0, 0, 0, 0) + call(100, 0, 0, 0, 0, 0) + call(255, 1, 2)), (
        words(WHAT, 0, 0, 0, WHAT, 0))
    if tool.version == "0.7.2":
        yield "grow_heap is not offered", tool.refine(grow), words(NOT_OFFERED, 0)
    else:
        yield "grow_heap is a call", tool.refine(grow), words(WHAT, 0)
    yield "put, fill, show", tool.refine(
        put(0, b"abcdef") + struct.pack("<BIIB", 4, 1, 2, 0x7A) + show(0, 7)), b"azzdef\0"
    token = b"token bytes"
    yield "fetch into the scratch area", tool.refine(
        call(2, 64, 2, 5, 9, 0, 0, pointers=1) + show(64, 6), fetched={9: token}), words(len(token), 0) + b"ken b\0"
    yield "argument read from the scratch area", tool.refine(
        put(0, words(9)) + call(2, 64, 0, 0, 0, 0, 0, pointers=1, stored=8), fetched={9: token}), words(len(token), 0)
    yield "last result into the scratch area", tool.refine(
        call(255, 0, 0) + struct.pack("<BI", 0x10, 8) + show(8, 8)), words(WHAT, 0, WHAT)
    yield "repeat", tool.refine(struct.pack("<BII", 0x0D, 3, 9) + show(0, 1)), bytes(3)
    yield "end", tool.refine(show(0, 1) + b"\0" + show(0, 1)), bytes(1)
    yield "clear", tool.refine(show(0, 9) + b"\x06" + show(0, 1)), bytes(1)
    yield "recursion", tool.refine(struct.pack("<BI", 0x0F, 100)), words(100)
    yield "stack overflow", tool.refine(struct.pack("<BI", 0x0F, 100_000)), None
    yield "burn", tool.refine(struct.pack("<BQ", 8, 1000)), b""
    yield "trap", tool.refine(b"\x09"), None
    yield "unknown command", tool.refine(b"\x7f"), None
    yield "load from address 0", tool.refine(struct.pack("<BQ", 0x0A, 0)), None
    yield "load an argument byte", tool.refine(struct.pack("<BQ", 0x0A, 0xFEFF0001)), words(3)
    yield "store to the arguments", tool.refine(struct.pack("<BQB", 0x0B, 0xFEFF0001, 0)), None
    yield "typed constants", tool.refine(b"\x0e\x00"), (
        struct.pack("<I", len(constants(tool.version))) + constants(tool.version))
    yield "typed entropy", tool.refine(b"\x0e\x01", fetched={1: bytes(range(32))}), (
        struct.pack("<I", 32) + bytes(range(32)))

    accumulate = natural(7) + natural(42)
    yield "accumulate without inputs", tool.run("probe", 5, accumulate + natural(0), {}), b""
    chosen = bytes(range(100, 132))
    result = refine_payload(b"", b"\x07" + chosen)
    item = b"\0" + bytes(128) + natural(1000) + b"\0" + natural(len(result)) + result + natural(0)
    yield "accumulate commands of a work item", tool.run("probe", 5, accumulate + natural(1), {14: natural(1) + item}), chosen
    memo = (b"\x07" + chosen).ljust(128, b"\0")
    transfer = b"\1" + struct.pack("<IIQ", 1, 42, 5) + memo + struct.pack("<Q", 10)
    yield "accumulate commands of a transfer", tool.run(
        "probe", 5, accumulate + natural(1), {14: natural(1) + transfer}), chosen

    yield "authorized", tool.run("authorizer", 0, b"\1\0", {8: token, 9: token}), token + b"\1\0"
    yield "not authorized", tool.run("authorizer", 0, b"\1\0", {8: token, 9: b"else"}), None

    if tool.version != "0.8.0":
        return
    # Instructions: a sequence (empty here) and a 32-byte salt. Output: the sequence for accumulate, E2(item index).
    yield "bootstrap service refines", tool.run(
        "jam-bootstrap-service", 0, refine_arguments(b"\0" + bytes(32)), {}), b"\0" + struct.pack("<H", 3)
    yield "bootstrap service refuses a short payload", tool.run(
        "jam-bootstrap-service", 0, refine_arguments(b"\0"), {}), None
    context = bytes(32) + bytes(4) + bytes(32) * 3 + bytes(4) + bytes(32) + natural(0)
    for given, output in (token, b"Auth=<" + token + b">"), (b"else", None):
        package = bytes(4 + 32) + context + natural(len(given)) + given + natural(len(token)) + token + natural(0)
        yield "null authorizer", tool.run("jam-null-authorizer", 0, b"\1\0", {7: package}), output


def main():
    passed = failed = 0
    for version in ("0.7.2", "0.8.0"):
        for name, got, expected in checks(Tool(sys.argv[1], version)):
            if got == expected:
                passed += 1
            else:
                failed += 1
                print(f"{version} {name}: expected {expected and expected.hex()}, found {got and got.hex()}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
