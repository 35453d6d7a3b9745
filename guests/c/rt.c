/* The few functions a compiler may call on its own where there is no libc: linked into the PVM and wasm builds. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    if ((((uintptr_t)d | (uintptr_t)s) & 7) == 0) {
        for (; n >= 8; n -= 8, d += 8, s += 8)
            *(uint64_t *)d = *(const uint64_t *)s;
    }
    while (n--)
        *d++ = *s++;
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    if ((uintptr_t)d - (uintptr_t)s >= n)
        return memcpy(dst, src, n);
    while (n--)
        d[n] = s[n];
    return dst;
}

void *memset(void *dst, int value, size_t n)
{
    uint8_t *d = dst;
    uint64_t wide = (uint8_t)value * (uint64_t)0x0101010101010101u;
    for (; n && ((uintptr_t)d & 7); n--)
        *d++ = (uint8_t)value;
    for (; n >= 8; n -= 8, d += 8)
        *(uint64_t *)d = wide;
    while (n--)
        *d++ = (uint8_t)value;
    return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n--; x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

#ifdef __wasm__
/* 64 × 64 → 128 bit products, which wasm32 has no instruction for. */
__int128 __multi3(__int128 a, __int128 b)
{
    uint64_t al = (uint64_t)a, bl = (uint64_t)b;
    uint64_t a0 = al & 0xffffffff, a1 = al >> 32, b0 = bl & 0xffffffff, b1 = bl >> 32;
    uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
    uint64_t mid = (p00 >> 32) + (p01 & 0xffffffff) + (p10 & 0xffffffff);
    uint64_t low = mid << 32 | (p00 & 0xffffffff);
    uint64_t high = p11 + (p01 >> 32) + (p10 >> 32) + (mid >> 32);
    high += (uint64_t)((unsigned __int128)a >> 64) * bl + al * (uint64_t)((unsigned __int128)b >> 64);
    return (__int128)((unsigned __int128)high << 64 | low);
}
#endif
