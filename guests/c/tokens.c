/* Generates n JSON-like records as text, then tokenises the text and folds numbers, string hashes, literals and
 * nesting into a checksum: byte loads and short unpredictable branches. Output: the checksum. */
#include "guest.h"

#define TEXT_MAX (3968 * 1024)
#define RECORD_MAX 160
#define LIMIT (TEXT_MAX / RECORD_MAX - 1)

static u8 text[TEXT_MAX];

static u8 *put_text(u8 *p, const char *s)
{
    while (*s)
        *p++ = (u8)*s++;
    return p;
}

static u8 *put_number(u8 *p, u64 v)
{
    u8 digits[20];
    u32 n = 0;
    do {
        digits[n++] = (u8)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *p++ = digits[--n];
    return p;
}

static u8 *put_record(u8 *p, u64 r)
{
    p = put_text(p, "{\"id\": ");
    p = put_number(p, r >> 40);
    p = put_text(p, ", \"name\":\"");
    for (u64 k = 0; k < 3 + r % 9; k++)
        *p++ = (u8)('a' + (r >> (4 * k)) % 26);
    p = put_text(p, r & 16 ? "\\n\\\"q\\\"" : "");
    p = put_text(p, "\",\n \"ok\" :");
    p = put_text(p, r & 32 ? "true" : r & 64 ? "false" : "null");
    p = put_text(p, ",\"list\":[");
    for (u64 k = 0; k < r % 5; k++) {
        p = put_text(p, k ? ", -" : "");
        p = put_number(p, (r >> (8 * k)) % 1000);
        p = put_text(p, r >> k & 1 ? ".5e3" : "");
    }
    return put_text(p, "]}");
}

struct scan {
    const u8 *at, *end;
    u64 sum;
    u32 depth;
};

static void scan_string(struct scan *s)
{
    u64 hash = 0xcbf29ce484222325u;
    for (s->at++; s->at < s->end && *s->at != '"'; s->at++) {
        u8 c = *s->at;
        if (c == '\\' && s->at + 1 < s->end) {
            c = *++s->at;
            c = c == 'n' ? '\n' : c;
        }
        hash = (hash ^ c) * 0x100000001b3u;
    }
    s->at++;
    s->sum = mix(s->sum, hash);
}

static void scan_number(struct scan *s)
{
    u64 value = 0, scale = 0, negative = 0, exponent = 0;
    if (*s->at == '-') {
        negative = 1;
        s->at++;
    }
    for (int part = 0; s->at < s->end; s->at++) {
        u8 c = *s->at;
        if (c == '.' && part == 0) {
            part = 1;
        } else if (c == 'e' && part < 2) {
            part = 2;
        } else if (c < '0' || c > '9') {
            break;
        } else if (part < 2) {
            value = value * 10 + (c - '0');
            scale += part == 1;
        } else {
            exponent = exponent * 10 + (c - '0');
        }
    }
    s->sum = mix(s->sum, (negative ? -value : value) + (scale << 56) + (exponent << 48));
}

static void scan_word(struct scan *s)
{
    u64 word = 0;
    while (s->at < s->end && *s->at >= 'a' && *s->at <= 'z')
        word = word << 8 | *s->at++;
    s->sum = mix(s->sum, word);
}

static u64 tokenise(const u8 *at, const u8 *end)
{
    struct scan s = {at, end, 0, 0};
    while (s.at < s.end) {
        u8 c = *s.at;
        if (c == '"') {
            scan_string(&s);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            scan_number(&s);
        } else if (c >= 'a' && c <= 'z') {
            scan_word(&s);
        } else {
            s.depth += c == '{' || c == '[';
            s.depth -= c == '}' || c == ']';
            if (c == ',' || c == ':')
                s.sum = mix(s.sum, s.depth);
            s.at++;
        }
    }
    return mix(s.sum, s.depth);
}

static u64 guest_run(const u8 *args, u64 len, u8 *out)
{
    u32 n = guest_size(args, len, 20, LIMIT);
    u64 seed = n;
    u8 *p = text;
    *p++ = '[';
    for (u32 i = 0; i < n; i++) {
        if (i)
            *p++ = ',';
        p = put_record(p, next_random(&seed));
    }
    *p++ = ']';
    return guest_return64(out, tokenise(text, p));
}
