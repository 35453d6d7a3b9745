/* C = A · B for two n × n matrices, once in u64 and once in i32 (wrapping). Output: a checksum of both products. */
#include "guest.h"

#define LIMIT 192

static u64 wide[3][LIMIT][LIMIT];
static u32 narrow[3][LIMIT][LIMIT];

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 16, LIMIT);
    u64 seed = n, sum = n;
    for (u32 m = 0; m < 2; m++)
        for (u32 i = 0; i < n; i++)
            for (u32 j = 0; j < n; j++) {
                wide[m][i][j] = next_random(&seed);
                narrow[m][i][j] = (u32)(wide[m][i][j] >> 32);
            }
    for (u32 i = 0; i < n; i++) {
        for (u32 j = 0; j < n; j++)
            wide[2][i][j] = narrow[2][i][j] = 0;
        for (u32 k = 0; k < n; k++)
            for (u32 j = 0; j < n; j++)
                wide[2][i][j] += wide[0][i][k] * wide[1][k][j];
        /* The textbook order here: a strided walk down the column of B. */
        for (u32 j = 0; j < n; j++)
            for (u32 k = 0; k < n; k++)
                narrow[2][i][j] += narrow[0][i][k] * narrow[1][k][j];
    }
    for (u32 i = 0; i < n; i++)
        for (u32 j = 0; j < n; j++)
            sum = mix(sum, wide[2][i][j] ^ narrow[2][i][j]);
    return guest_return64(out, sum);
}
