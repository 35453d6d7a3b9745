/* Ackermann's function A(3, n): recursion up to 2^(n+3) frames deep. n at most 9. Output: the value. */
#include "guest.h"

GUEST_STACK(1048576)

static u64 ackermann(u64 m, u64 n)
{
    if (m == 0)
        return n + 1;
    if (n == 0)
        return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    return guest_return64(out, ackermann(3, guest_size(args, len, 4, 9)));
}
