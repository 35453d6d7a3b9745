/* One header for every C guest.
 *
 * A guest is one file that defines `guest_run`: it reads its arguments, writes at most GUEST_OUT_MAX bytes to `out` and
 * returns how many. The same source builds three ways:
 *
 *   PVM      (__riscv)  entry.h exports `guest_entry`, which returns the output's address and length in a0 and a1;
 *   wasm32   (__wasm__) entry.h exports `args_buffer`, `out_buffer` and `run`;
 *   native   (else)     entry.h defines `main`, which takes the arguments as hex and prints the output as hex.
 *
 * Every run starts from the same state: a guest initialises whatever static memory it reads, so `run` can be repeated.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef unsigned __int128 u128;

#define GUEST_OUT_MAX 64

static u64 guest_run(const u8 *args, u64 len, u8 *out);

static inline u32 load32(const u8 *p)
{
    return (u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

static inline u64 load64(const u8 *p)
{
    return (u64)load32(p) | (u64)load32(p + 4) << 32;
}

static inline void store64(u8 *p, u64 v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (u8)(v >> (8 * i));
}

static inline u32 load32_be(const u8 *p)
{
    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | (u32)p[3];
}

static inline u64 load64_be(const u8 *p)
{
    return (u64)load32_be(p) << 32 | load32_be(p + 4);
}

/* The size parameter: the first four bytes of the arguments, or the guest's default; never above `max`. */
static inline u32 guest_size(const u8 *args, u64 len, u32 dflt, u32 max)
{
    u32 n = len >= 4 ? load32(args) : dflt;
    return n < max ? n : max;
}

static inline u64 guest_return64(u8 *out, u64 v)
{
    store64(out, v);
    return 8;
}

/* SplitMix64: a full-period generator with one word of state, used wherever a guest needs made-up data. */
static inline u64 next_random(u64 *state)
{
    u64 z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Folds a value into a running checksum; the order of the values matters. */
static inline u64 mix(u64 sum, u64 v)
{
    sum ^= v;
    sum *= 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

static inline void copy_bytes(u8 *dst, const u8 *src, u64 n)
{
    for (u64 i = 0; i < n; i++)
        dst[i] = src[i];
}

#include "entry.h"
#endif
