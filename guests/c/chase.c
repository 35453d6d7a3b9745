/* Pointer chasing: a random single-cycle permutation of 128 Ki nodes (32 bytes each, 4 MB), followed n steps.
 * Every load's address depends on the load before. Output: a checksum of the nodes' payloads on the way. */
#include "guest.h"

#define NODES (1u << 17)

struct node {
    u64 next; /* index */
    u64 payload;
    u64 unused[2];
};

static struct node nodes[NODES];

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, 0xffffffff);
    u64 seed = 1, sum = 0;
    for (u32 i = 0; i < NODES; i++) {
        nodes[i].next = i;
        nodes[i].payload = next_random(&seed);
    }
    /* Sattolo's shuffle leaves one cycle through all nodes. */
    for (u32 i = NODES - 1; i > 0; i--) {
        u32 j = (u32)(next_random(&seed) % i);
        u64 t = nodes[i].next;
        nodes[i].next = nodes[j].next;
        nodes[j].next = t;
    }
    u64 at = 0;
    for (u32 i = 0; i < n; i++) {
        sum += nodes[at].payload ^ i;
        at = nodes[at].next;
    }
    return guest_return64(out, mix(sum, at));
}
