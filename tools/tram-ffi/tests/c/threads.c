/* Two threads share an engine and a module: ./threads SUM.jam VERSION */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

static tvm_engine *engine;
static const uint8_t *code;
static size_t code_len;
static uint32_t version;
static pthread_barrier_t barrier;

struct result {
    uint64_t gas_used;
    uint64_t sum;
};

static void *sums(void *data)
{
    struct result *result = data;
    uint64_t numbers[100];
    for (uint64_t i = 0; i < 100; i++)
        numbers[i] = i * i;
    pthread_barrier_wait(&barrier);
    tvm_module *module;
    OK(tvm_module_load(engine, version, TVM_CONTAINER_JAM, NULL, code, code_len, &module, &error));
    tvm_instance *instance;
    OK(tvm_instance_new_standard(engine, module, (uint8_t *)numbers, sizeof numbers, &instance, &error));
    OK(tvm_module_free(module, &error));
    for (int round = 0; round < 200; round++) {
        tvm_state state = state_of(instance);
        state.gas = 100000;
        OK(tvm_instance_set_state(instance, &state, &error));
        tvm_outcome outcome;
        OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
        CHECK(outcome.kind == TVM_OUTCOME_HALT);
        uint64_t sum;
        size_t len;
        OK(tvm_instance_output(instance, (uint8_t *)&sum, sizeof sum, &len, &error));
        CHECK(len == sizeof sum);
        state = state_of(instance);
        CHECK(round == 0 || (sum == result->sum && 100000 - state.gas == result->gas_used));
        result->sum = sum;
        result->gas_used = 100000 - state.gas;
        /* Too small a buffer is left alone. */
        uint8_t small[7] = {0};
        OK(tvm_instance_output(instance, small, sizeof small, &len, &error));
        CHECK(len == 8 && small[0] == 0 && small[6] == 0);
        OK(tvm_instance_reset(instance, (uint8_t *)numbers, sizeof numbers, &error));
    }
    OK(tvm_instance_free(instance, &error));
    return NULL;
}

/* In a host call: lets the other thread try, and waits until it has. */
static int32_t wait_for_other(void *data, tvm_host_call *call)
{
    (void)data;
    (void)call;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return TVM_HOST_RESUME;
}

static void *intrude(void *data)
{
    tvm_instance *instance = data;
    tvm_state state;
    pthread_barrier_wait(&barrier);
    GIVES(TVM_BUSY, tvm_instance_get_state(instance, &state, &error));
    GIVES(TVM_BUSY, tvm_instance_free(instance, &error));
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    version = strcmp(argv[2], "0.8.0") == 0 ? TVM_GP_0_8_0 : TVM_GP_0_7_2;
    code = read_file(argv[1], &code_len);
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    engine = engine_with(TVM_BACKEND_COMPILED, NULL);

    pthread_t threads[2];
    struct result results[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, sums, &results[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(results[0].sum == 328350 && results[1].sum == 328350);
    CHECK(results[0].gas_used == results[1].gas_used && results[0].gas_used > 0);

    tvm_instance *instance = bare(engine, HOST_CALL, sizeof HOST_CALL);
    tvm_outcome outcome;
    start(instance, 0, 10);
    CHECK(pthread_create(&threads[0], NULL, intrude, instance) == 0);
    OK(tvm_instance_run(instance, wait_for_other, NULL, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_HALT);
    CHECK(pthread_join(threads[0], NULL) == 0);
    OK(tvm_instance_free(instance, &error));
    OK(tvm_engine_free(engine, &error));
    return 0;
}
