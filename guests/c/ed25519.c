/* Ed25519 verification (RFC 8032, without the cofactor). Arguments of at least 96 bytes are a public key, a signature
 * and a message; the output is then 1 or 0. Otherwise n checks run over the built-in signatures, of which every second
 * four are spoiled; output: the number of valid ones in the high half, n in the low half. */
#include "guest.h"
#include "field25519.h"
#include "sha512.h"

/* A point (X : Y : Z : T) with x = X/Z, y = Y/Z, xy = T/Z on −x² + y² = 1 + d·x²·y². */
struct point {
    field x, y, z, t;
};

static const field curve_d = {{0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};
static const field curve_2d = {{0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff}};
static const field root_of_minus_one = {{0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};
static const struct point base = {
    {{0x62d608f25d51a, 0x412a4b4f6592a, 0x75b7171a4b31d, 0x1ff60527118fe, 0x216936d3cd6e5}},
    {{0x6666666666658, 0x4cccccccccccc, 0x1999999999999, 0x3333333333333, 0x6666666666666}},
    {{1}},
    {{0x68ab3a5b7dda3, 0xeea2a5eadbb, 0x2af8df483c27e, 0x332b375274732, 0x67875f0fd78b7}},
};

static const u64 order[4] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0x0000000000000000, 0x1000000000000000};

static struct point point_add(const struct point *p, const struct point *q)
{
    field a = mul(sub(p->y, p->x), sub(q->y, q->x));
    field b = mul(add(p->y, p->x), add(q->y, q->x));
    field c = mul(mul(p->t, curve_2d), q->t);
    field d = mul(add(p->z, p->z), q->z);
    field e = sub(b, a), f = sub(d, c), g = add(d, c), h = add(b, a);
    return (struct point){mul(e, f), mul(g, h), mul(f, g), mul(e, h)};
}

static struct point point_double(const struct point *p)
{
    field a = mul(p->x, p->x), b = mul(p->y, p->y), zz = mul(p->z, p->z);
    field c = add(zz, zz), h = add(a, b), xy = add(p->x, p->y);
    field e = sub(h, mul(xy, xy)), g = sub(a, b), f = add(c, g);
    return (struct point){mul(e, f), mul(g, h), mul(f, g), mul(e, h)};
}

static field negate(field a)
{
    return sub((field){{0}}, a);
}

/* Decodes a public key; 0 when it is not a canonical encoding of a point. */
static int point_decode(struct point *p, const u8 in[32])
{
    u8 canonical[32];
    p->y = decode(in);
    encode(canonical, p->y);
    canonical[31] |= in[31] & 0x80;
    if (!same_bytes(canonical, in, 32))
        return 0;
    field yy = mul(p->y, p->y), u = sub(yy, field_one), v = add(mul(curve_d, yy), field_one);
    field v3 = mul(mul(v, v), v), v7 = mul(mul(v3, v3), v);
    p->x = mul(mul(u, v3), power_p58(mul(u, v7)));
    field check = mul(v, mul(p->x, p->x));
    if (!equal(check, u)) {
        if (!equal(check, negate(u)))
            return 0;
        p->x = mul(p->x, root_of_minus_one);
    }
    u8 x[32];
    encode(x, p->x);
    if ((x[0] & 1) != in[31] >> 7) {
        if (equal(p->x, (field){{0}}))
            return 0;
        p->x = negate(p->x);
    }
    p->z = field_one;
    p->t = mul(p->x, p->y);
    return 1;
}

static void point_encode(u8 out[32], const struct point *p)
{
    u8 x[32];
    field inverse = invert(p->z);
    encode(x, mul(p->x, inverse));
    encode(out, mul(p->y, inverse));
    out[31] |= (u8)(x[0] << 7);
}

static int below_order(const u64 a[4])
{
    for (int i = 3; i >= 0; i--)
        if (a[i] != order[i])
            return a[i] < order[i];
    return 0;
}

/* r ← a mod the group order, bit by bit from the top: r stays below 2^253, so doubling never overflows. */
static void reduce(u64 r[4], const u64 a[8])
{
    for (int i = 0; i < 4; i++)
        r[i] = 0;
    for (int bit = 511; bit >= 0; bit--) {
        for (int i = 3; i > 0; i--)
            r[i] = r[i] << 1 | r[i - 1] >> 63;
        r[0] = r[0] << 1 | (a[bit / 64] >> bit % 64 & 1);
        if (below_order(r))
            continue;
        u64 borrow = 0;
        for (int i = 0; i < 4; i++) {
            u128 d = (u128)r[i] - order[i] - borrow;
            r[i] = (u64)d;
            borrow = (u64)(d >> 64) & 1;
        }
    }
}

static int verify(const u8 key[32], const u8 signature[64], const u8 *message, u64 message_len)
{
    u64 s[4], k[4], digest[8];
    for (int i = 0; i < 4; i++)
        s[i] = load64(signature + 32 + 8 * i);
    struct point minus_a;
    if (!below_order(s) || !point_decode(&minus_a, key))
        return 0;
    minus_a.x = negate(minus_a.x);
    minus_a.t = negate(minus_a.t);

    struct part parts[3] = {{signature, 32}, {key, 32}, {message, message_len}};
    sha512_number(digest, parts, 3);
    reduce(k, digest);

    /* s·B − k·A with both scalars at once; table entry 1 is B, 2 is −A, 3 their sum. */
    struct point table[4] = {base, base, minus_a, point_add(&base, &minus_a)};
    struct point r = {{{0}}, {{1}}, {{1}}, {{0}}};
    for (int bit = 252; bit >= 0; bit--) {
        r = point_double(&r);
        u64 which = (s[bit / 64] >> bit % 64 & 1) | (k[bit / 64] >> bit % 64 & 1) << 1;
        if (which)
            r = point_add(&r, &table[which]);
    }
    u8 encoded[32];
    point_encode(encoded, &r);
    return same_bytes(encoded, signature, 32);
}

struct sample {
    u8 key[32], signature[64], message[3];
    u8 message_len;
};

static const struct sample samples[4] = {
    /* RFC 8032 7.1, test 1 */
    {{0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
      0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a},
     {0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72, 0x90, 0x86, 0xe2, 0xcc, 0x80, 0x6e, 0x82, 0x8a,
      0x84, 0x87, 0x7f, 0x1e, 0xb8, 0xe5, 0xd9, 0x74, 0xd8, 0x73, 0xe0, 0x65, 0x22, 0x49, 0x01, 0x55,
      0x5f, 0xb8, 0x82, 0x15, 0x90, 0xa3, 0x3b, 0xac, 0xc6, 0x1e, 0x39, 0x70, 0x1c, 0xf9, 0xb4, 0x6b,
      0xd2, 0x5b, 0xf5, 0xf0, 0x59, 0x5b, 0xbe, 0x24, 0x65, 0x51, 0x41, 0x43, 0x8e, 0x7a, 0x10, 0x0b},
     {0},
     0},
    /* RFC 8032 7.1, test 2 */
    {{0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
      0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c},
     {0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
      0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
      0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
      0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00},
     {0x72},
     1},
    /* RFC 8032 7.1, test 3 */
    {{0xfc, 0x51, 0xcd, 0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d, 0xa4, 0x7e, 0xd0, 0x02, 0x30, 0xf0, 0x58,
      0x08, 0x16, 0xed, 0x13, 0xba, 0x33, 0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25},
     {0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a, 0xbe, 0x01, 0xa3,
      0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36, 0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac,
      0x18, 0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2, 0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59,
      0x4a, 0x7c, 0x15, 0xe9, 0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a},
     {0xaf, 0x82},
     2},
    /* key from the seed 00 01 … 1f, message "tvm" */
    {{0x03, 0xa1, 0x07, 0xbf, 0xf3, 0xce, 0x10, 0xbe, 0x1d, 0x70, 0xdd, 0x18, 0xe7, 0x4b, 0xc0, 0x99,
      0x67, 0xe4, 0xd6, 0x30, 0x9b, 0xa5, 0x0d, 0x5f, 0x1d, 0xdc, 0x86, 0x64, 0x12, 0x55, 0x31, 0xb8},
     {0x58, 0xfb, 0xc9, 0x1b, 0xba, 0x84, 0xef, 0x8a, 0x47, 0xb8, 0x6a, 0x3c, 0xd6, 0x92, 0xde, 0x90,
      0x85, 0x1b, 0xfa, 0xce, 0xd4, 0x4e, 0xd2, 0xda, 0x36, 0xda, 0x3c, 0x2a, 0xdf, 0xae, 0x68, 0x41,
      0xd2, 0xa4, 0xd9, 0xa7, 0xd7, 0x9c, 0x7d, 0x6b, 0x6d, 0x0a, 0xbb, 0xe0, 0xc1, 0x72, 0x27, 0x80,
      0xfa, 0x19, 0xe2, 0x1f, 0x8e, 0xa0, 0x25, 0xa2, 0xb6, 0xf5, 0x4b, 0x2f, 0x91, 0x0b, 0x31, 0x0e},
     {0x74, 0x76, 0x6d},
     3},
};

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    if (len >= 96)
        return guest_return64(out, (u64)verify(args, args + 32, args + 96, len - 96));
    u32 n = guest_size(args, len, 4, 1000000);
    u64 valid = 0;
    for (u32 i = 0; i < n; i++) {
        struct sample s = samples[i % 4];
        if (i / 4 % 2)
            (i % 8 < 6 ? s.signature : s.key)[i % 32] ^= 1 << (i / 8 % 8);
        valid += (u64)verify(s.key, s.signature, s.message, s.message_len);
    }
    return guest_return64(out, valid << 32 | n);
}
