/* Runs a guest built for the machine itself, as often as standard input says. Built with -DGUEST="\"path/of/guest.c\"".
 *
 * Usage: DRIVER ARGS_HEX. For each line of standard input, a number of runs, it runs the guest that often and prints the
 * last output as hex and the nanoseconds of processor time that all the runs took together.
 */
#define main guest_main
#include GUEST
#undef main

static u64 processor_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

int main(int argc, char **argv)
{
    const char *hex = argc > 1 ? argv[1] : "";
    u64 len = strlen(hex) / 2;
    if (len > sizeof native_args)
        return 2;
    for (u64 i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        native_args[i] = (u8)strtoul(digits, NULL, 16);
    }
    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        long runs = strtol(line, NULL, 10);
        u64 n = 0, start = processor_now_ns();
        for (long r = 0; r < runs; r++)
            n = guest_run(native_args, len, native_out);
        u64 took = processor_now_ns() - start;
        for (u64 i = 0; i < n; i++)
            printf("%02x", native_out[i]);
        printf(" %llu\n", (unsigned long long)took);
        fflush(stdout);
    }
    return 0;
}
