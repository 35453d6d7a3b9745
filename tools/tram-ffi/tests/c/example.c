/* Runs a service blob (Gray Paper 0.7.2) on some numbers: ./example sum.jam 1 2 3 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <tvm.h>

static tvm_error error;

/* Every failure of the machine ends up here: it must never be taken for something that the guest did. */
static void check(tvm_status status)
{
    if (status != TVM_OK) {
        fprintf(stderr, "%s: %s\n", tvm_status_name(status), error.message);
        exit(2);
    }
}

/* A node without host functions answers every host call with WHAT, for 10 gas. */
static int32_t serve(void *data, tvm_host_call *call)
{
    unsigned *calls = data;
    *calls += 1;
    if (*call->gas < 10) {
        *call->gas = 0;
        call->exit.kind = TVM_OUTCOME_OUT_OF_GAS;
        return TVM_HOST_EXIT;
    }
    *call->gas -= 10;
    call->regs[7] = UINT64_MAX - 1;
    return TVM_HOST_RESUME;
}

static uint8_t *read_file(const char *path, size_t *len)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    *len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    if (argc < 2 || tvm_abi_version() != TVM_ABI_VERSION) {
        fprintf(stderr, "usage: example BLOB [NUMBER]...\n");
        return 2;
    }
    tvm_engine_config config = {.size = sizeof config};
    tvm_engine *engine;
    check(tvm_engine_new(&config, &engine, &error));

    size_t code_len;
    uint8_t *code = read_file(argv[1], &code_len);
    tvm_module *module;
    tvm_status loaded =
        tvm_module_load(engine, TVM_GP_0_7_2, TVM_CONTAINER_JAM, NULL, code, code_len, &module, &error);
    if (loaded == TVM_MALFORMED) {
        printf("not a program: %s\n", error.message);
        return 1;
    }
    check(loaded);

    uint64_t numbers[64];
    size_t count = 0;
    while (count < 64 && count + 2 < (size_t)argc) {
        numbers[count] = strtoull(argv[count + 2], NULL, 0);
        count += 1;
    }
    tvm_instance *instance;
    check(tvm_instance_new_standard(engine, module, (const uint8_t *)numbers, 8 * count, &instance, &error));

    const uint64_t gas = 1000000;
    tvm_state state;
    check(tvm_instance_get_state(instance, &state, &error));
    state.gas = gas;
    state.pc = 0;
    check(tvm_instance_set_state(instance, &state, &error));

    unsigned calls = 0;
    tvm_outcome outcome;
    check(tvm_instance_run(instance, serve, &calls, &outcome, &error));
    check(tvm_instance_get_state(instance, &state, &error));
    printf("outcome %" PRIu32 ", gas used %" PRIu64 ", host calls %u\n", outcome.kind, gas - state.gas, calls);

    if (outcome.kind == TVM_OUTCOME_HALT) {
        uint8_t output[32];
        size_t len;
        check(tvm_instance_output(instance, output, sizeof output, &len, &error));
        printf("output ");
        for (size_t i = 0; i < len && len <= sizeof output; i++)
            printf("%02x", output[i]);
        printf("\n");
    }

    check(tvm_instance_free(instance, &error));
    check(tvm_module_free(module, &error));
    check(tvm_engine_free(engine, &error));
    return 0;
}
