/* Bottom-up merge sort of n generated u64s: sequential passes between two arrays. Output: a checksum of the order. */
#include "guest.h"

#define LIMIT 250000

static u64 space[2][LIMIT];

static void merge(const u64 *left, u32 left_n, const u64 *right, u32 right_n, u64 *to)
{
    while (left_n && right_n) {
        if (*left <= *right) {
            *to++ = *left++;
            left_n--;
        } else {
            *to++ = *right++;
            right_n--;
        }
    }
    while (left_n--)
        *to++ = *left++;
    while (right_n--)
        *to++ = *right++;
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, LIMIT);
    u64 *from = space[0], *to = space[1];
    u64 seed = n, sum = n;
    for (u32 i = 0; i < n; i++)
        from[i] = next_random(&seed);
    for (u32 width = 1; width < n; width *= 2) {
        for (u32 start = 0; start < n; start += 2 * width) {
            u32 left = n - start < width ? n - start : width;
            u32 rest = n - start - left;
            u32 right = rest < width ? rest : width;
            merge(from + start, left, from + start + left, right, to + start);
        }
        u64 *t = from;
        from = to;
        to = t;
    }
    for (u32 i = 0; i < n; i++)
        sum = mix(sum, from[i]);
    return guest_return64(out, sum);
}
