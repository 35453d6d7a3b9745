/* Fill, copy, overlapping move and compare over 1 MiB buffers, n rounds, by 8-byte words and (a quarter of the buffer)
 * by bytes. The loops are written out, so no libc routine is measured. Output: a checksum. */
#include "guest.h"

#define WORDS (128 * 1024)

static u64 from[WORDS], to[WORDS];

static void fill_words(u64 *p, u64 n, u64 value)
{
    for (u64 i = 0; i < n; i++)
        p[i] = value;
}

static void copy_words(u64 *restrict dst, const u64 *restrict src, u64 n)
{
    for (u64 i = 0; i < n; i++)
        dst[i] = src[i];
}

static void move_up(u8 *p, u64 n, u64 by)
{
    while (n--)
        p[n + by] = p[n];
}

static u64 first_difference(const u8 *a, const u8 *b, u64 n)
{
    u64 i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1, 1000000);
    u64 seed = n, sum = n;
    for (u32 round = 0; round < n; round++) {
        u64 value = next_random(&seed);
        fill_words(from, WORDS, value);
        from[value % WORDS] ^= 1;
        copy_words(to, from, WORDS);
        to[(value >> 32) % (WORDS / 4)] ^= 0x8000;
        sum = mix(sum, first_difference((u8 *)from, (u8 *)to, WORDS * 2));
        move_up((u8 *)to, WORDS * 2, 1 + round % 7);
        sum = mix(sum, to[value % WORDS] ^ to[1]);
    }
    return guest_return64(out, sum);
}
