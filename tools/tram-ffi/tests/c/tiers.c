/* Tiers: ./tiers DIR SUM_0_8_0.jam */
#include "check.h"

static const uint8_t *code;
static size_t code_len;

static tvm_engine *engine_of(uint32_t tiers, uint32_t threads, const char *cache_dir)
{
    tvm_engine_config config = {
        .size = sizeof config, .cache_dir = cache_dir, .tiers = tiers, .background_threads = threads,
        .verification = TVM_VERIFY_ALWAYS};
    tvm_engine *engine = NULL;
    OK(tvm_engine_new(&config, &engine, &error));
    return engine;
}

static tvm_module *load(const tvm_engine *engine)
{
    tvm_module *module = NULL;
    OK(tvm_module_load(engine, TVM_GP_0_8_0, TVM_CONTAINER_JAM, NULL, code, code_len, &module, &error));
    return module;
}

static uint32_t tier_of(const tvm_module *module)
{
    tvm_module_info info;
    OK(tvm_module_describe(module, &info, &error));
    return info.tier;
}

/* The tier that a load gives. */
static uint32_t tier(const tvm_engine *engine)
{
    tvm_module *module = load(engine);
    const uint32_t found = tier_of(module);
    OK(tvm_module_free(module, &error));
    return found;
}

/* Runs the module with two numbers; gives the gas that is left. */
static uint64_t gas_left(const tvm_engine *engine, const tvm_module *module)
{
    const uint64_t numbers[] = {40, 2};
    tvm_instance *instance = NULL;
    OK(tvm_instance_new_standard(engine, module, (const uint8_t *)numbers, sizeof numbers, &instance, &error));
    tvm_state state;
    OK(tvm_instance_get_state(instance, &state, &error));
    state.gas = 1000000;
    OK(tvm_instance_set_state(instance, &state, &error));
    tvm_outcome outcome = {0};
    OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_HALT);
    uint64_t sum = 0;
    size_t len = 0;
    OK(tvm_instance_output(instance, (uint8_t *)&sum, sizeof sum, &len, &error));
    CHECK(len == 8 && sum == 42);
    OK(tvm_instance_get_state(instance, &state, &error));
    OK(tvm_instance_free(instance, &error));
    return state.gas;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    code = read_file(argv[2], &code_len);
    tvm_engine_stats stats;

    /* Each policy by itself. */
    const uint32_t tiers[] = {TVM_TIERS_CACHED, TVM_TIERS_FAST, TVM_TIERS_BEST};
    for (int i = 0; i < 3; i++) {
        tvm_engine *engine = engine_of(tiers[i], 0, NULL);
        const bool best = tiers[i] == TVM_TIERS_BEST;
        CHECK(tier(engine) == (best ? TVM_TIER_BEST : TVM_TIER_FAST));
        OK(tvm_engine_wait_for_background(engine, &error));
        OK(tvm_engine_get_stats(engine, &stats, &error));
        CHECK(stats.compiled_fast == !best && stats.compiled_best == best && stats.swapped == 0);
        OK(tvm_engine_free(engine, &error));
    }

    /* Fast code at once, best code later, with the same results; modules keep what they have. */
    tvm_engine *engine = engine_of(TVM_TIERS_BACKGROUND, 2, argv[1]);
    OK(tvm_engine_hold_background(engine, true, &error));
    tvm_module *fast = load(engine);
    CHECK(tier_of(fast) == TVM_TIER_FAST);
    OK(tvm_engine_get_stats(engine, &stats, &error));
    CHECK(stats.queued == 1 && stats.running == 0 && stats.swapped == 0);
    OK(tvm_engine_hold_background(engine, false, &error));
    OK(tvm_engine_wait_for_background(engine, &error));
    tvm_module *best = load(engine);
    CHECK(tier_of(best) == TVM_TIER_BEST && tier_of(fast) == TVM_TIER_FAST);
    CHECK(gas_left(engine, best) == gas_left(engine, fast));
    OK(tvm_engine_get_stats(engine, &stats, &error));
    CHECK(stats.compiled_fast == 1 && stats.compiled_best == 1 && stats.swapped == 1);
    CHECK(stats.queued == 0 && stats.running == 0 && stats.dropped == 0 && stats.failed == 0 && stats.refused == 0);
    OK(tvm_module_free(fast, &error));
    OK(tvm_module_free(best, &error));
    OK(tvm_engine_free(engine, &error));

    /* The next engine finds best code; an interpreter has none. */
    engine = engine_of(TVM_TIERS_CACHED, 0, argv[1]);
    CHECK(tier(engine) == TVM_TIER_BEST);
    OK(tvm_engine_free(engine, &error));
    engine = engine_with(TVM_BACKEND_INTERPRETER, NULL);
    CHECK(tier(engine) == TVM_TIER_NONE);
    OK(tvm_engine_free(engine, &error));
    free((void *)code);
    return 0;
}
