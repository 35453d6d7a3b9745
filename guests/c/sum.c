/* Adds the u64 numbers (little-endian) in the arguments, ignoring a ragged tail. Output: the sum mod 2^64. */
#include "guest.h"

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u64 sum = 0;
    for (u64 i = 0; i + 8 <= len; i += 8)
        sum += load64(args + i);
    return guest_return64(out, sum);
}
