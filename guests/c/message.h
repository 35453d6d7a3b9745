/* The message the hash guests digest: n bytes, the byte at offset i being (i·167 + (i / 256)·13) mod 256. */
#ifndef MESSAGE_H
#define MESSAGE_H
#include "guest.h"

#define MESSAGE_PERIOD 65536

static u8 message[MESSAGE_PERIOD + 256];

/* The pattern repeats every 65536 bytes; the margin lets a caller take a whole block anywhere in the period. */
static void message_fill(void)
{
    for (u32 i = 0; i < sizeof message; i++)
        message[i] = (u8)(i * 167 + (i >> 8) * 13);
}

static inline const u8 *message_at(u64 offset)
{
    return message + offset % MESSAGE_PERIOD;
}
#endif
