/* An open-addressing hash map with linear probing: n inserts over a smaller key range (so about a third update), then
 * n lookups of which about half hit, then n / 4 removals with back-shifting. Output: a checksum of all results. */
#include "guest.h"

#define SLOTS_LOG 18
#define SLOTS (1u << SLOTS_LOG)
#define LIMIT (SLOTS / 2)

struct slot {
    u64 key; /* 0 = free */
    u64 value;
};

static struct slot slots[SLOTS];

static inline u32 home(u64 key)
{
    return (u32)(key * 0x9e3779b97f4a7c15u >> (64 - SLOTS_LOG));
}

static u32 find(u64 key)
{
    u32 i = home(key);
    while (slots[i].key && slots[i].key != key)
        i = (i + 1) % SLOTS;
    return i;
}

static int remove_key(u64 key)
{
    u32 hole = find(key);
    if (!slots[hole].key)
        return 0;
    /* Move later entries of the run into the hole unless that would put them before their home. */
    for (u32 i = (hole + 1) % SLOTS; slots[i].key; i = (i + 1) % SLOTS) {
        u32 distance = (i - home(slots[i].key)) % SLOTS;
        if (distance >= (i - hole) % SLOTS) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole].key = 0;
    return 1;
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, LIMIT);
    u32 range = n + n / 4 + 1;
    u64 seed = n, sum = n;
    for (u32 i = 0; i < SLOTS; i++)
        slots[i].key = slots[i].value = 0;
    for (u32 i = 0; i < n; i++) {
        u64 r = next_random(&seed);
        struct slot *s = slots + find(1 + r % range);
        s->key = 1 + r % range;
        s->value += r >> 32;
    }
    for (u32 i = 0; i < n; i++) {
        struct slot *s = slots + find(1 + next_random(&seed) % (2 * range));
        sum = mix(sum, s->key ? s->value : 1);
    }
    for (u32 i = 0; i < n / 4; i++)
        sum = mix(sum, (u64)remove_key(1 + next_random(&seed) % range));
    for (u32 i = 0; i < SLOTS; i++)
        if (slots[i].key)
            sum = mix(sum, slots[i].key ^ slots[i].value);
    return guest_return64(out, sum);
}
