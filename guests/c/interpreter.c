/* A bytecode interpreter: a dense switch (a jump table) driven by a loop that computes Collatz lengths up to n.
 * Output: the longest chain's start in the high half and its length in the low half. */
#include "guest.h"

enum op {
    LOAD,     /* a ← immediate b */
    MOVE,     /* a ← reg b */
    ADD,      /* a ← a + reg b */
    ADD_IMM,  /* a ← a + b */
    TRIPLE,   /* a ← 3 · a */
    HALVE,    /* a ← a / 2 */
    AND_IMM,  /* a ← a & b */
    JUMP,     /* pc ← b */
    JUMP_NZ,  /* if a ≠ 0: pc ← b */
    JUMP_LT,  /* if a < reg c: pc ← b */
    EQUALS,   /* a ← (reg b = 1) */
    STOP,
};

struct instruction {
    u8 op, a, c;
    i32 b;
};

/* Registers: 0 limit, 1 current start, 2 value, 3 length, 4 best length, 5 best start, 6 scratch. */
static const struct instruction program[] = {
    /* 0 */ {LOAD, 1, 0, 1},
    /* 1 */ {LOAD, 4, 0, 0},
    /* next start */
    /* 2 */ {MOVE, 2, 0, 1},
    /* 3 */ {LOAD, 3, 0, 1},
    /* step */
    /* 4 */ {EQUALS, 6, 0, 2},
    /* 5 */ {JUMP_NZ, 6, 0, 14},
    /* 6 */ {ADD_IMM, 3, 0, 1},
    /* 7 */ {MOVE, 6, 0, 2},
    /* 8 */ {AND_IMM, 6, 0, 1},
    /* 9 */ {JUMP_NZ, 6, 0, 12},
    /* 10 */ {HALVE, 2, 0, 0},
    /* 11 */ {JUMP, 0, 0, 4},
    /* 12 */ {TRIPLE, 2, 0, 0},
    /* 13 */ {JUMP, 0, 0, 20},
    /* chain done */
    /* 14 */ {JUMP_LT, 4, 3, 17},
    /* 15 */ {ADD_IMM, 1, 0, 1},
    /* 16 */ {JUMP, 0, 0, 22},
    /* 17 */ {MOVE, 4, 0, 3},
    /* 18 */ {MOVE, 5, 0, 1},
    /* 19 */ {JUMP, 0, 0, 15},
    /* 20 */ {ADD_IMM, 2, 0, 1},
    /* 21 */ {JUMP, 0, 0, 4},
    /* 22 */ {JUMP_LT, 1, 0, 2},
    /* 23 */ {STOP, 0, 0, 0},
};

static void interpret(u64 reg[8])
{
    for (u32 pc = 0;;) {
        struct instruction in = program[pc++];
        u64 *a = reg + in.a;
        switch ((enum op)in.op) {
        case LOAD: *a = (u64)(i64)in.b; break;
        case MOVE: *a = reg[in.b]; break;
        case ADD: *a += reg[in.b]; break;
        case ADD_IMM: *a += (u64)(i64)in.b; break;
        case TRIPLE: *a *= 3; break;
        case HALVE: *a >>= 1; break;
        case AND_IMM: *a &= (u64)(i64)in.b; break;
        case JUMP: pc = (u32)in.b; break;
        case JUMP_NZ: if (*a) pc = (u32)in.b; break;
        case JUMP_LT: if (*a < reg[in.c]) pc = (u32)in.b; break;
        case EQUALS: *a = reg[in.b] == 1; break;
        case STOP: return;
        }
    }
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u64 reg[8] = {guest_size(args, len, 30, 1000000)};
    interpret(reg);
    return guest_return64(out, reg[5] << 32 | reg[4]);
}
