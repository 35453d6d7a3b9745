/* Counts the primes below n with a byte sieve of Eratosthenes: strided byte stores. */
#include "guest.h"

#define LIMIT 4000000

static u8 composite[LIMIT];

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, LIMIT);
    for (u32 i = 0; i < n; i++)
        composite[i] = 0;
    for (u32 p = 2; (u64)p * p < n; p++)
        if (!composite[p])
            for (u32 m = p * p; m < n; m += p)
                composite[m] = 1;
    u64 count = 0;
    for (u32 i = 2; i < n; i++)
        count += !composite[i];
    return guest_return64(out, count);
}
