/* The n-th Fibonacci number by naive double recursion: calls and returns. n at most 45. Output: the value. */
#include "guest.h"

static u64 fib(u32 n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    return guest_return64(out, fib(guest_size(args, len, 15, 45)));
}
