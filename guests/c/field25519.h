/* Arithmetic mod p = 2^255 − 19 in five limbs of 51 bits. Limbs may exceed 51 bits a little between operations: every
 * operation accepts limbs below 2^54 and yields limbs below 2^52. */
#ifndef FIELD25519_H
#define FIELD25519_H
#include "guest.h"

#define LIMB_MASK 0x7ffffffffffffu

typedef struct {
    u64 l[5];
} field;

static const field field_one = {{1}};

static inline field carry(u64 a, u64 b, u64 c, u64 d, u64 e)
{
    field r;
    b += a >> 51;
    c += b >> 51;
    d += c >> 51;
    e += d >> 51;
    r.l[0] = (a & LIMB_MASK) + 19 * (e >> 51);
    r.l[1] = b & LIMB_MASK;
    r.l[2] = c & LIMB_MASK;
    r.l[3] = d & LIMB_MASK;
    r.l[4] = e & LIMB_MASK;
    return r;
}

static inline field add(field a, field b)
{
    return carry(a.l[0] + b.l[0], a.l[1] + b.l[1], a.l[2] + b.l[2], a.l[3] + b.l[3], a.l[4] + b.l[4]);
}

/* a + 8p − b: no limb goes below zero. */
static inline field sub(field a, field b)
{
    const u64 low = 8 * (LIMB_MASK - 18), high = 8 * LIMB_MASK;
    return carry(a.l[0] + low - b.l[0], a.l[1] + high - b.l[1], a.l[2] + high - b.l[2], a.l[3] + high - b.l[3],
                 a.l[4] + high - b.l[4]);
}

static field mul(field x, field y)
{
    const u64 *a = x.l, *b = y.l;
    u64 b1 = 19 * b[1], b2 = 19 * b[2], b3 = 19 * b[3], b4 = 19 * b[4];
    u128 t0 = (u128)a[0] * b[0] + (u128)a[1] * b4 + (u128)a[2] * b3 + (u128)a[3] * b2 + (u128)a[4] * b1;
    u128 t1 = (u128)a[0] * b[1] + (u128)a[1] * b[0] + (u128)a[2] * b4 + (u128)a[3] * b3 + (u128)a[4] * b2;
    u128 t2 = (u128)a[0] * b[2] + (u128)a[1] * b[1] + (u128)a[2] * b[0] + (u128)a[3] * b4 + (u128)a[4] * b3;
    u128 t3 = (u128)a[0] * b[3] + (u128)a[1] * b[2] + (u128)a[2] * b[1] + (u128)a[3] * b[0] + (u128)a[4] * b4;
    u128 t4 = (u128)a[0] * b[4] + (u128)a[1] * b[3] + (u128)a[2] * b[2] + (u128)a[3] * b[1] + (u128)a[4] * b[0];
    t1 += (u64)(t0 >> 51);
    t2 += (u64)(t1 >> 51);
    t3 += (u64)(t2 >> 51);
    t4 += (u64)(t3 >> 51);
    u64 low = ((u64)t0 & LIMB_MASK) + 19 * (u64)(t4 >> 51);
    return carry(low, (u64)t1 & LIMB_MASK, (u64)t2 & LIMB_MASK, (u64)t3 & LIMB_MASK, (u64)t4 & LIMB_MASK);
}

static field square_times(field a, int n)
{
    while (n--)
        a = mul(a, a);
    return a;
}

/* a^(2^252 − 3), the heart of both the inverse and the square root: the exponent is 250 ones, then 01. */
static field power_p58(field a)
{
    field ones2 = mul(mul(a, a), a);
    field ones4 = mul(square_times(ones2, 2), ones2);
    field ones5 = mul(square_times(ones4, 1), a);
    field ones10 = mul(square_times(ones5, 5), ones5);
    field ones20 = mul(square_times(ones10, 10), ones10);
    field ones40 = mul(square_times(ones20, 20), ones20);
    field ones50 = mul(square_times(ones40, 10), ones10);
    field ones100 = mul(square_times(ones50, 50), ones50);
    field ones200 = mul(square_times(ones100, 100), ones100);
    field ones250 = mul(square_times(ones200, 50), ones50);
    return mul(square_times(ones250, 2), a);
}

/* a^(p − 2): p − 2 = 8 · (2^252 − 3) + 3. */
static field invert(field a)
{
    return mul(square_times(power_p58(a), 3), mul(mul(a, a), a));
}

static void encode(u8 out[32], field a)
{
    a = carry(a.l[0], a.l[1], a.l[2], a.l[3], a.l[4]);
    a = carry(a.l[0], a.l[1], a.l[2], a.l[3], a.l[4]);
    /* Now a < 2^255 + 19: the carry out of a + 19 tells whether p must come off. */
    u64 over = a.l[0] + 19;
    for (int i = 1; i < 5; i++)
        over = a.l[i] + (over >> 51);
    a.l[0] += 19 * (over >> 51);
    for (int i = 1; i < 5; i++) {
        a.l[i] += a.l[i - 1] >> 51;
        a.l[i - 1] &= LIMB_MASK;
    }
    a.l[4] &= LIMB_MASK;
    store64(out, a.l[0] | a.l[1] << 51);
    store64(out + 8, a.l[1] >> 13 | a.l[2] << 38);
    store64(out + 16, a.l[2] >> 26 | a.l[3] << 25);
    store64(out + 24, a.l[3] >> 39 | a.l[4] << 12);
}

/* Reads the low 255 bits. */
static field decode(const u8 in[32])
{
    u64 w[4];
    for (int i = 0; i < 4; i++)
        w[i] = load64(in + 8 * i);
    field r = {{w[0] & LIMB_MASK, (w[0] >> 51 | w[1] << 13) & LIMB_MASK, (w[1] >> 38 | w[2] << 26) & LIMB_MASK,
                (w[2] >> 25 | w[3] << 39) & LIMB_MASK, w[3] >> 12 & LIMB_MASK}};
    return r;
}

static int same_bytes(const u8 *a, const u8 *b, int n)
{
    u8 differs = 0;
    for (int i = 0; i < n; i++)
        differs |= a[i] ^ b[i];
    return !differs;
}

static int equal(field a, field b)
{
    u8 x[32], y[32];
    encode(x, a);
    encode(y, b);
    return same_bytes(x, y, 32);
}
#endif
