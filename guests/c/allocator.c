/* Allocator churn: n random allocations and frees from a static arena with an address-ordered free list that splits
 * and merges blocks; each live block carries a tag that is checked when it is freed. Output: a checksum. */
#include "guest.h"

#define ARENA_WORDS (128 * 1024)
#define LIVE 1024
#define NIL 0xffffffffu

/* Offsets and sizes are in words. A block starts with a header word: its size; a free block's second word is the next
 * free block's offset. */
static u64 arena[ARENA_WORDS];
static u32 free_head;
static struct {
    u32 offset, words;
    u64 tag;
} live[LIVE];

static void arena_reset(void)
{
    free_head = 0;
    arena[0] = ARENA_WORDS;
    arena[1] = NIL;
}

/* First fit. Returns the offset of the payload, or NIL. */
static u32 allocate(u32 words)
{
    u64 need = words + 1 < 2 ? 2 : words + 1;
    for (u32 before = NIL, at = free_head; at != NIL; before = at, at = (u32)arena[at + 1]) {
        if (arena[at] < need)
            continue;
        u32 next = (u32)arena[at + 1];
        if (arena[at] >= need + 2) {
            u32 rest = at + (u32)need;
            arena[rest] = arena[at] - need;
            arena[rest + 1] = next;
            arena[at] = need;
            next = rest;
        }
        if (before == NIL)
            free_head = next;
        else
            arena[before + 1] = next;
        return at + 1;
    }
    return NIL;
}

static void release(u32 payload)
{
    u32 block = payload - 1, before = NIL, after = free_head;
    while (after != NIL && after < block) {
        before = after;
        after = (u32)arena[after + 1];
    }
    arena[block + 1] = after;
    if (after != NIL && block + arena[block] == after) {
        arena[block] += arena[after];
        arena[block + 1] = arena[after + 1];
    }
    if (before == NIL) {
        free_head = block;
    } else if (before + arena[before] == block) {
        arena[before] += arena[block];
        arena[before + 1] = arena[block + 1];
    } else {
        arena[before + 1] = block;
    }
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, 0xffffffff);
    u64 seed = n, sum = n;
    arena_reset();
    for (u32 i = 0; i < LIVE; i++)
        live[i].words = 0;
    for (u32 i = 0; i < n; i++) {
        u64 r = next_random(&seed);
        u32 which = (u32)(r % LIVE);
        if (live[which].words) {
            u64 *payload = arena + live[which].offset;
            u64 intact = payload[0] == live[which].tag && payload[live[which].words - 1] == live[which].tag;
            sum = mix(sum, intact);
            release(live[which].offset);
            live[which].words = 0;
            continue;
        }
        u32 words = 1 + (u32)(r >> 32) % (r >> 60 ? 64 : 1024);
        u32 payload = allocate(words);
        sum = mix(sum, payload);
        if (payload == NIL)
            continue;
        live[which].offset = payload;
        live[which].words = words;
        live[which].tag = r;
        arena[payload] = arena[payload + words - 1] = r;
    }
    return guest_return64(out, sum);
}
