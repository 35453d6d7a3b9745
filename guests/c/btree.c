/* A B-tree of u64 keys: n random inserts (splitting full nodes on the way down), n lookups and one ordered walk.
 * Output: a checksum of the lookups and of the order. */
#include "guest.h"

#define MIN_DEGREE 8
#define MAX_KEYS (2 * MIN_DEGREE - 1)
#define NODES 16384
#define LIMIT 100000

struct node {
    u64 key[MAX_KEYS];
    u16 child[MAX_KEYS + 1];
    u8 count, leaf;
};

static struct node nodes[NODES];
static u32 used;

static struct node *new_node(u8 leaf)
{
    struct node *n = nodes + used++;
    n->count = 0;
    n->leaf = leaf;
    return n;
}

/* The first position whose key is not below `key`. */
static u32 position(const struct node *n, u64 key)
{
    u32 i = 0;
    while (i < n->count && n->key[i] < key)
        i++;
    return i;
}

/* Splits the full i-th child of a parent that has room. */
static void split_child(struct node *parent, u32 i)
{
    struct node *left = nodes + parent->child[i], *right = new_node(left->leaf);
    for (u32 k = 0; k < MIN_DEGREE - 1; k++)
        right->key[k] = left->key[k + MIN_DEGREE];
    if (!left->leaf)
        for (u32 k = 0; k < MIN_DEGREE; k++)
            right->child[k] = left->child[k + MIN_DEGREE];
    left->count = right->count = MIN_DEGREE - 1;
    for (u32 k = parent->count; k > i; k--) {
        parent->key[k] = parent->key[k - 1];
        parent->child[k + 1] = parent->child[k];
    }
    parent->key[i] = left->key[MIN_DEGREE - 1];
    parent->child[i + 1] = (u16)(right - nodes);
    parent->count++;
}

static struct node *insert(struct node *root, u64 key)
{
    if (root->count == MAX_KEYS) {
        struct node *top = new_node(0);
        top->child[0] = (u16)(root - nodes);
        split_child(top, 0);
        root = top;
    }
    for (struct node *n = root;;) {
        u32 i = position(n, key);
        if (i < n->count && n->key[i] == key)
            return root;
        if (n->leaf) {
            for (u32 k = n->count; k > i; k--)
                n->key[k] = n->key[k - 1];
            n->key[i] = key;
            n->count++;
            return root;
        }
        if (nodes[n->child[i]].count == MAX_KEYS) {
            split_child(n, i);
            if (n->key[i] == key)
                return root;
            i += n->key[i] < key;
        }
        n = nodes + n->child[i];
    }
}

static int contains(const struct node *n, u64 key)
{
    for (;;) {
        u32 i = position(n, key);
        if (i < n->count && n->key[i] == key)
            return 1;
        if (n->leaf)
            return 0;
        n = nodes + n->child[i];
    }
}

static u64 walk(const struct node *n, u64 sum)
{
    for (u32 i = 0; i < n->count; i++) {
        if (!n->leaf)
            sum = walk(nodes + n->child[i], sum);
        sum = mix(sum, n->key[i]);
    }
    return n->leaf ? sum : walk(nodes + n->child[n->count], sum);
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 1000, LIMIT);
    u64 seed = n, found = 0;
    used = 0;
    struct node *root = new_node(1);
    for (u32 i = 0; i < n; i++)
        root = insert(root, next_random(&seed) % (2 * (u64)n));
    for (u32 i = 0; i < n; i++)
        found += (u64)contains(root, next_random(&seed) % (2 * (u64)n));
    return guest_return64(out, walk(root, found));
}
