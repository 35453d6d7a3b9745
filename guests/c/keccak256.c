/* Keccak-256 with the original 0x01 padding (as Ethereum uses it) of an n-byte generated message (message.h). */
#include "guest.h"
#include "message.h"

#define RATE 136
#define ROUNDS 24

static const u64 round_constant[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* Rotation and destination of each lane on the one cycle that ρ and π walk through the lanes from lane 1. */
static const u8 rotation[24] = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44};
static const u8 destination[24] = {10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1};

static inline u64 rotl(u64 x, int n)
{
    return x << n | x >> (64 - n);
}

static void permute(u64 lane[25])
{
    for (int round = 0; round < ROUNDS; round++) {
        u64 column[5];
        for (int x = 0; x < 5; x++)
            column[x] = lane[x] ^ lane[x + 5] ^ lane[x + 10] ^ lane[x + 15] ^ lane[x + 20];
        for (int x = 0; x < 5; x++) {
            u64 parity = column[(x + 4) % 5] ^ rotl(column[(x + 1) % 5], 1);
            for (int y = 0; y < 25; y += 5)
                lane[y + x] ^= parity;
        }
        u64 moving = lane[1];
        for (int i = 0; i < 24; i++) {
            u64 next = lane[destination[i]];
            lane[destination[i]] = rotl(moving, rotation[i]);
            moving = next;
        }
        for (int y = 0; y < 25; y += 5) {
            for (int x = 0; x < 5; x++)
                column[x] = lane[y + x];
            for (int x = 0; x < 5; x++)
                lane[y + x] = column[x] ^ (~column[(x + 1) % 5] & column[(x + 2) % 5]);
        }
        lane[0] ^= round_constant[round];
    }
}

static void absorb(u64 lane[25], const u8 *block)
{
    for (int i = 0; i < RATE / 8; i++)
        lane[i] ^= load64(block + 8 * i);
    permute(lane);
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, 0xffffffff);
    message_fill();
    u64 lane[25] = {0};
    u64 done = 0;
    for (; n - done >= RATE; done += RATE)
        absorb(lane, message_at(done));
    u8 tail[RATE] = {0};
    copy_bytes(tail, message_at(done), n - done);
    tail[n - done] = 0x01;
    tail[RATE - 1] |= 0x80;
    absorb(lane, tail);
    for (int i = 0; i < 4; i++)
        store64(out + 8 * i, lane[i]);
    return 32;
}
