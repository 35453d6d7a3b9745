/* Modular exponentiation over 2048 bits: base^e mod m by Montgomery multiplication (CIOS), m odd and generated, e of n
 * bits. Output: the low 32 bytes of the result. */
#include "guest.h"

#define LIMBS 32
#define LIMIT 65536

typedef u64 number[LIMBS];

static number modulus;
static u64 minus_inverse; /* −m⁻¹ mod 2^64 */

static void copy(number dst, const number src)
{
    for (int i = 0; i < LIMBS; i++)
        dst[i] = src[i];
}

/* a − m, and whether that borrowed. */
static u64 subtract_modulus(number dst, const number a)
{
    u64 borrow = 0;
    for (int i = 0; i < LIMBS; i++) {
        u128 d = (u128)a[i] - modulus[i] - borrow;
        dst[i] = (u64)d;
        borrow = (u64)(d >> 64) & 1;
    }
    return borrow;
}

/* dst ← 2a mod m for a < m. */
static void double_mod(number dst, const number a)
{
    number twice, reduced;
    u64 carry = 0;
    for (int i = 0; i < LIMBS; i++) {
        twice[i] = a[i] << 1 | carry;
        carry = a[i] >> 63;
    }
    u64 borrow = subtract_modulus(reduced, twice);
    copy(dst, borrow > carry ? twice : reduced);
}

/* dst ← a · b · 2^−2048 mod m. */
static void montgomery(number dst, const number a, const number b)
{
    u64 t[LIMBS + 2] = {0};
    for (int i = 0; i < LIMBS; i++) {
        u64 carry = 0;
        for (int j = 0; j < LIMBS; j++) {
            u128 v = (u128)a[j] * b[i] + t[j] + carry;
            t[j] = (u64)v;
            carry = (u64)(v >> 64);
        }
        u128 top = (u128)t[LIMBS] + carry;
        t[LIMBS] = (u64)top;
        t[LIMBS + 1] = (u64)(top >> 64);

        u64 q = t[0] * minus_inverse;
        carry = (u64)(((u128)q * modulus[0] + t[0]) >> 64);
        for (int j = 1; j < LIMBS; j++) {
            u128 v = (u128)q * modulus[j] + t[j] + carry;
            t[j - 1] = (u64)v;
            carry = (u64)(v >> 64);
        }
        top = (u128)t[LIMBS] + carry;
        t[LIMBS - 1] = (u64)top;
        t[LIMBS] = t[LIMBS + 1] + (u64)(top >> 64);
    }
    number reduced;
    u64 borrow = subtract_modulus(reduced, t);
    copy(dst, borrow > t[LIMBS] ? t : reduced);
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 bits = guest_size(args, len, 17, LIMIT);
    u64 seed = 2048;
    number base, power, one;
    for (int i = 0; i < LIMBS; i++) {
        modulus[i] = next_random(&seed);
        base[i] = next_random(&seed);
    }
    modulus[0] |= 1;
    modulus[LIMBS - 1] |= (u64)1 << 63;
    base[LIMBS - 1] &= ~(u64)0 >> 1;
    /* Newton's iteration doubles the correct bits; m itself is right to 3. */
    u64 inverse = modulus[0];
    for (int i = 0; i < 5; i++)
        inverse *= 2 - modulus[0] * inverse;
    minus_inverse = -inverse;

    /* power ← 1 in Montgomery form, 2^2048 mod m: one doubling from 2^2047 mod m, which is 2^2047 itself as m is larger. */
    for (int i = 0; i < LIMBS; i++)
        power[i] = one[i] = 0;
    one[0] = 1;
    power[LIMBS - 1] = (u64)1 << 63;
    double_mod(power, power);
    /* base ← base · 2^2048 mod m */
    for (int i = 0; i < LIMBS * 64; i++)
        double_mod(base, base);

    for (u32 i = 0; i < bits; i++) {
        montgomery(power, power, power);
        /* The exponent's bits come from the generator, the leading one is set. */
        if (i == 0 || next_random(&seed) >> 63)
            montgomery(power, power, base);
    }
    montgomery(power, power, one);
    for (int i = 0; i < 4; i++)
        store64(out + 8 * i, power[i]);
    return 32;
}
