/* The n-th Fibonacci number mod 2^64, by iteration: one add per step and nothing in memory. */
#include "guest.h"

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 90, 0xffffffff);
    u64 a = 0, b = 1;
    for (u32 i = 0; i < n; i++) {
        u64 next = a + b;
        a = b;
        b = next;
    }
    return guest_return64(out, a);
}
