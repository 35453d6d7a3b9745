/* How each target enters `guest_run`; included by guest.h only. */
#ifndef GUEST_ENTRY_H
#define GUEST_ENTRY_H

#if defined(__riscv)

struct guest_output {
    u64 address;
    u64 length;
};

static u8 guest_out[GUEST_OUT_MAX];

/* Two words fit the return registers a0 and a1: exactly the pair the argument invocation takes the output from. */
struct guest_output guest_entry(const u8 *args, u64 len)
{
    struct guest_output o = {(u64)guest_out, 0};
    o.length = guest_run(args, len, guest_out);
    return o;
}

/* The linker finds exports through `.polkavm_exports`: a version byte, the address of a description and the address of
 * the code. A description (version 1, packed): version, flags u32, name length u32, name address, argument registers,
 * result registers. */
__asm__(".pushsection .polkavm_metadata,\"a\",@progbits\n"
        "guest_entry_name: .ascii \"guest_entry\"\n"
        "guest_entry_info:\n"
        ".byte 1\n .4byte 0\n .4byte 11\n .8byte guest_entry_name\n .byte 2\n .byte 2\n"
        ".popsection\n"
        ".pushsection .polkavm_exports,\"Ra\",@note\n"
        ".byte 1\n .8byte guest_entry_info\n .8byte guest_entry\n"
        ".popsection\n");

/* Asks the linker for at least this much stack instead of its 8 KiB. */
#define GUEST_STACK(bytes)                                         \
    __asm__(".pushsection .polkavm_min_stack_size,\"R\",@note\n" \
            ".4byte " #bytes "\n .popsection\n");

#elif defined(__wasm__)

#define GUEST_STACK(bytes)

static u8 guest_args[65536], guest_out[GUEST_OUT_MAX];

__attribute__((export_name("args_buffer"))) u8 *args_buffer(void) { return guest_args; }
__attribute__((export_name("out_buffer"))) u8 *out_buffer(void) { return guest_out; }
__attribute__((export_name("run"))) u32 run(u32 len) { return (u32)guest_run(guest_args, len, guest_out); }

#else

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GUEST_STACK(bytes)

static u8 native_args[65536], native_out[GUEST_OUT_MAX];

static u64 native_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* Usage: PROGRAM [ARGS_HEX [REPEATS]]. Prints the output as hex; with REPEATS also the best time in nanoseconds. */
int main(int argc, char **argv)
{
    const char *hex = argc > 1 ? argv[1] : "";
    u64 len = strlen(hex) / 2;
    if (len > sizeof native_args)
        return 2;
    for (u64 i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        native_args[i] = (u8)strtoul(digits, NULL, 16);
    }
    int repeats = argc > 2 ? atoi(argv[2]) : 1;
    u64 best = ~(u64)0, n = 0;
    for (int r = 0; r < repeats; r++) {
        u64 start = native_now_ns();
        n = guest_run(native_args, len, native_out);
        u64 took = native_now_ns() - start;
        best = took < best ? took : best;
    }
    for (u64 i = 0; i < n; i++)
        printf("%02x", native_out[i]);
    if (argc > 2)
        printf(" %llu", (unsigned long long)best);
    printf("\n");
    return 0;
}

#endif
#endif
