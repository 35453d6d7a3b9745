/* Quicksort (median of three, insertion sort for short runs) of n generated u64s. Output: a checksum of the order. */
#include "guest.h"

#define LIMIT 500000
#define SHORT_RUN 16

static u64 numbers[LIMIT];

static inline void swap(u64 *a, u64 *b)
{
    u64 t = *a;
    *a = *b;
    *b = t;
}

static void insertion_sort(u64 *a, u32 n)
{
    for (u32 i = 1; i < n; i++) {
        u64 v = a[i];
        u32 j = i;
        for (; j > 0 && a[j - 1] > v; j--)
            a[j] = a[j - 1];
        a[j] = v;
    }
}

/* Recurses into the smaller half only, so the depth stays logarithmic. */
static void sort(u64 *a, u32 n)
{
    while (n > SHORT_RUN) {
        u64 *mid = a + n / 2, *last = a + n - 1;
        if (*mid < *a)
            swap(mid, a);
        if (*last < *a)
            swap(last, a);
        if (*last < *mid)
            swap(last, mid);
        u64 pivot = *mid;
        u32 i = 0, j = n - 1;
        for (;;) {
            while (a[i] < pivot)
                i++;
            while (pivot < a[j])
                j--;
            if (i >= j)
                break;
            swap(a + i++, a + j--);
        }
        u32 left = j + 1;
        if (left < n - left) {
            sort(a, left);
            a += left;
            n -= left;
        } else {
            sort(a + left, n - left);
            n = left;
        }
    }
    insertion_sort(a, n);
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, LIMIT);
    u64 seed = n, sum = n;
    for (u32 i = 0; i < n; i++)
        numbers[i] = next_random(&seed);
    sort(numbers, n);
    for (u32 i = 0; i < n; i++)
        sum = mix(sum, numbers[i]);
    return guest_return64(out, sum);
}
