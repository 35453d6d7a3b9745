/* Mistakes in calls give a status and a message, and change nothing. */
#include "check.h"
#include <sys/resource.h>

#define BAD(text, call) SAYS(TVM_INVALID_ARGUMENT, text, call)

static int32_t never(void *data, tvm_host_call *call)
{
    (void)data;
    (void)call;
    CHECK(!"called");
    return TVM_HOST_FAIL;
}

static int32_t no_source(void *data, const uint8_t **code, size_t *code_len)
{
    (void)data;
    (void)code;
    (void)code_len;
    CHECK(!"called");
    return 1;
}

static void engines(void)
{
    tvm_engine_config config = {.size = sizeof config};
    tvm_engine *engine = (tvm_engine *)&config;
    BAD("config is NULL", tvm_engine_new(NULL, &engine, &error));
    BAD("engine is NULL", tvm_engine_new(&config, NULL, &error));
    config.size = 0;
    BAD("config.size is 0, expected 40", tvm_engine_new(&config, &engine, &error));
    config.size = sizeof config + 8;
    BAD("config.size is 48", tvm_engine_new(&config, &engine, &error));
    config.size = sizeof config;
    config.backend = 2;
    BAD("config.backend is 2", tvm_engine_new(&config, &engine, &error));
    config.backend = 0;
    config.tiers = 4;
    BAD("config.tiers is 4", tvm_engine_new(&config, &engine, &error));
    config.tiers = TVM_TIERS_BACKGROUND;
    config.verification = 3;
    BAD("config.verification is 3", tvm_engine_new(&config, &engine, &error));
    config.verification = TVM_VERIFY_BEST;
    const uint64_t impossible[] = {1, TVM_CPU_ONLY | 16, UINT64_MAX};
    for (int i = 0; i < 3; i++) {
        config.cpu = impossible[i];
        BAD("config.cpu is 0x", tvm_engine_new(&config, &engine, &error));
    }
    config.cpu = TVM_CPU_HOST;
    config.cache_dir = "";
    BAD("config.cache_dir is empty", tvm_engine_new(&config, &engine, &error));
    config.cache_dir = "/dev/null";
    SAYS(TVM_CACHE, "/dev/null is not a directory", tvm_engine_new(&config, &engine, &error));
    CHECK(engine == (tvm_engine *)&config);
    BAD("engine is NULL", tvm_engine_unload_idle(NULL, &error));
    BAD("stats is NULL", tvm_engine_get_stats(engine, NULL, &error));
    tvm_engine_stats stats;
    BAD("engine is NULL", tvm_engine_get_stats(NULL, &stats, &error));
    BAD("engine is NULL", tvm_engine_hold_background(NULL, true, &error));
    BAD("engine is NULL", tvm_engine_wait_for_background(NULL, &error));
    OK(tvm_engine_free(NULL, &error));
    OK(tvm_module_free(NULL, &error));
    OK(tvm_instance_free(NULL, &error));
}

static void modules(tvm_engine *e)
{
    const uint32_t v = TVM_GP_0_7_2, raw = TVM_CONTAINER_RAW;
    const size_t n = sizeof LOAD;
    tvm_module *m = NULL;
    uint8_t hash[32] = {0};
    uint32_t origin = 77;
    BAD("engine is NULL", tvm_module_load(NULL, v, raw, NULL, LOAD, n, &m, &error));
    BAD("module is NULL", tvm_module_load(e, v, raw, NULL, LOAD, n, NULL, &error));
    BAD("code is NULL, but 10 bytes long", tvm_module_load(e, v, raw, NULL, NULL, n, &m, &error));
    BAD("does not fit", tvm_module_load(e, v, raw, NULL, LOAD, SIZE_MAX, &m, &error));
    BAD("does not fit", tvm_module_load(e, v, raw, NULL, LOAD, (size_t)1 << 63, &m, &error));
    BAD("version 0x000000", tvm_module_load(e, 0, raw, NULL, LOAD, n, &m, &error));
    BAD("version 0x000900", tvm_module_load(e, 0x900, raw, NULL, LOAD, n, &m, &error));
    BAD("container 0", tvm_module_load(e, v, 0, NULL, LOAD, n, &m, &error));
    BAD("container 4", tvm_module_load(e, v, 4, NULL, LOAD, n, &m, &error));
    BAD("engine is 0x", tvm_module_load((void *)((uintptr_t)e | 1), v, raw, NULL, LOAD, n, &m, &error));

    SAYS(TVM_MALFORMED, "program blob: its lengths ask for", tvm_module_load(e, v, raw, NULL, LOAD, n - 1, &m, &error));
    SAYS(TVM_MALFORMED, "JAM blob", tvm_module_load(e, v, TVM_CONTAINER_JAM, NULL, LOAD, 0, &m, &error));
    SAYS(TVM_MALFORMED, "program blob", tvm_module_load_interpreted(e, v, raw, LOAD, 2, &m, &error));
    /* 0.8.0 validates the whole program: this one has opcodes that it does not know. */
    const uint8_t undefined[] = {0, 0, 1, 255, 1};
    OK(tvm_module_load_interpreted(e, v, raw, undefined, sizeof undefined, &m, &error));
    OK(tvm_module_free(m, &error));
    m = NULL;
    GIVES(TVM_MALFORMED, tvm_module_load(e, TVM_GP_0_8_0, raw, NULL, undefined, sizeof undefined, &m, &error));

    BAD("code_hash is NULL", tvm_module_load_from(e, v, raw, NULL, no_source, NULL, &m, &error));
    BAD("source is NULL", tvm_module_load_from(e, v, raw, hash, NULL, NULL, &m, &error));
    BAD("engine is NULL", tvm_module_load_from(NULL, v, raw, hash, no_source, NULL, &m, &error));
    BAD("module is NULL", tvm_module_load_from(e, v, raw, hash, no_source, NULL, NULL, &error));
    BAD("engine is NULL", tvm_module_load_interpreted(NULL, v, raw, LOAD, n, &m, &error));
    BAD("module is NULL", tvm_module_load_interpreted(e, v, raw, LOAD, n, NULL, &error));
    BAD("engine is NULL", tvm_engine_prewarm(NULL, v, raw, NULL, LOAD, n, &origin, &error));
    BAD("origin is NULL", tvm_engine_prewarm(e, v, raw, NULL, LOAD, n, NULL, &error));
    BAD("keeps no compiled programs", tvm_engine_prewarm(e, v, raw, NULL, LOAD, n, &origin, &error));
    CHECK(m == NULL && origin == 77);

    OK(tvm_module_load(e, v, raw, NULL, LOAD, n, &m, &error));
    tvm_module_info info;
    bool may_start;
    BAD("module is NULL", tvm_module_describe(NULL, &info, &error));
    BAD("info is NULL", tvm_module_describe(m, NULL, &error));
    BAD("module is NULL", tvm_module_may_start_at(NULL, 0, &may_start, &error));
    BAD("may_start is NULL", tvm_module_may_start_at(m, 0, NULL, &error));
    OK(tvm_module_describe(m, &info, &error));
    CHECK(info.gp_version == v && info.container == raw && info.code_len == 6 && info.origin == TVM_ORIGIN_COMPILED);
    OK(tvm_module_may_start_at(m, 1, &may_start, &error));
    CHECK(may_start);

    tvm_instance *i = NULL;
    BAD("bare program", tvm_instance_new_standard(e, m, NULL, 0, &i, &error));
    BAD("engine is NULL", tvm_instance_new_standard(NULL, m, NULL, 0, &i, &error));
    BAD("module is NULL", tvm_instance_new_standard(e, NULL, NULL, 0, &i, &error));
    BAD("instance is NULL", tvm_instance_new_standard(e, m, NULL, 0, NULL, &error));
    BAD("arguments is NULL", tvm_instance_new_standard(e, m, NULL, 1, &i, &error));
    BAD("engine is NULL", tvm_instance_new_bare(NULL, m, &i, &error));
    BAD("module is NULL", tvm_instance_new_bare(e, NULL, &i, &error));
    BAD("instance is NULL", tvm_instance_new_bare(e, m, NULL, &error));
    CHECK(i == NULL);
    OK(tvm_module_free(m, &error));
}

static void instances(tvm_engine *engine)
{
    tvm_instance *i = bare(engine, LOAD, sizeof LOAD);
    tvm_state state = {0};
    tvm_outcome outcome;
    tvm_memory *memory;
    size_t len;
    BAD("instance is NULL", tvm_instance_reset(NULL, NULL, 0, &error));
    BAD("takes no arguments", tvm_instance_reset(i, LOAD, 1, &error));
    BAD("arguments is NULL", tvm_instance_reset(i, NULL, 1, &error));
    BAD("instance is NULL", tvm_instance_get_state(NULL, &state, &error));
    BAD("state is NULL", tvm_instance_get_state(i, NULL, &error));
    BAD("instance is NULL", tvm_instance_set_state(NULL, &state, &error));
    BAD("state is NULL", tvm_instance_set_state(i, NULL, &error));
    state.charged = 2;
    BAD("state.charged is 2", tvm_instance_set_state(i, &state, &error));
    BAD("instance is NULL", tvm_instance_memory(NULL, &memory, &error));
    BAD("memory is NULL", tvm_instance_memory(i, NULL, &error));
    BAD("instance is NULL", tvm_instance_run(NULL, never, NULL, &outcome, &error));
    BAD("callback is NULL", tvm_instance_run(i, NULL, NULL, &outcome, &error));
    BAD("outcome is NULL", tvm_instance_run(i, never, NULL, NULL, &error));
    BAD("instance is NULL", tvm_instance_run_to_host_call(NULL, &outcome, &error));
    BAD("outcome is NULL", tvm_instance_run_to_host_call(i, NULL, &error));
    BAD("instance is NULL", tvm_instance_skip_host_call(NULL, &error));
    BAD("instance is NULL", tvm_instance_output(NULL, NULL, 0, &len, &error));
    BAD("len is NULL", tvm_instance_output(i, NULL, 0, NULL, &error));
    BAD("buffer is NULL", tvm_instance_output(i, NULL, 1, &len, &error));

    bool accessible;
    uint8_t byte;
    uint32_t access;
    OK(tvm_instance_memory(i, &memory, &error));
    BAD("memory is NULL", tvm_memory_read(NULL, 0, &byte, 1, &accessible, &error));
    BAD("buffer is NULL", tvm_memory_read(memory, 0, NULL, 1, &accessible, &error));
    BAD("accessible is NULL", tvm_memory_read(memory, 0, &byte, 1, NULL, &error));
    BAD("does not fit", tvm_memory_read(memory, 0, &byte, SIZE_MAX, &accessible, &error));
    BAD("memory is NULL", tvm_memory_write(NULL, 0, &byte, 1, &accessible, &error));
    BAD("data is NULL", tvm_memory_write(memory, 0, NULL, 1, &accessible, &error));
    BAD("accessible is NULL", tvm_memory_write(memory, 0, &byte, 1, NULL, &error));
    BAD("memory is NULL", tvm_memory_allows(NULL, 0, 1, TVM_ACCESS_READ, &accessible, &error));
    BAD("accessible is NULL", tvm_memory_allows(memory, 0, 1, TVM_ACCESS_READ, NULL, &error));
    BAD("unknown access 3", tvm_memory_allows(memory, 0, 1, 3, &accessible, &error));
    BAD("memory is NULL", tvm_memory_page_access(NULL, 0, &access, &error));
    BAD("access is NULL", tvm_memory_page_access(memory, 0, NULL, &error));
    OK(tvm_memory_page_access(memory, TVM_PAGES - 1, &access, &error));
    BAD("1 pages from 1048576", tvm_memory_page_access(memory, TVM_PAGES, &access, &error));
    BAD("memory is NULL", tvm_memory_set_page_access(NULL, 0, 1, TVM_ACCESS_READ, &error));
    BAD("unknown access 3", tvm_memory_set_page_access(memory, 0, 1, 3, &error));
    BAD("2 pages from 1048575", tvm_memory_set_page_access(memory, TVM_PAGES - 1, 2, TVM_ACCESS_READ, &error));
    BAD("pages from", tvm_memory_set_page_access(memory, UINT32_MAX, UINT32_MAX, TVM_ACCESS_READ, &error));
    BAD("memory is NULL", tvm_memory_zero_pages(NULL, 0, 1, &error));
    BAD("2 pages from 1048575", tvm_memory_zero_pages(memory, TVM_PAGES - 1, 2, &error));
    OK(tvm_instance_free(i, &error));
}

static void library(void)
{
    uint8_t hash[32];
    CHECK(tvm_abi_version() == TVM_ABI_VERSION);
    CHECK(strlen(tvm_version()) >= 5);
    CHECK(tvm_supports_gp_version(TVM_GP_0_7_0) && tvm_supports_gp_version(TVM_GP_0_8_0));
    CHECK(!tvm_supports_gp_version(0) && !tvm_supports_gp_version(1));
    CHECK(strcmp(tvm_status_name(TVM_HOST_FAILED), "TVM_HOST_FAILED") == 0);
    CHECK(strcmp(tvm_status_name(TVM_OUTCOME_PANIC), "unknown status") == 0);
    CHECK((tvm_host_cpu_features() & ~UINT64_C(15)) == 0);
    BAD("hash is NULL", tvm_hash(hash, 1, NULL, &error));
    BAD("data is NULL", tvm_hash(NULL, 1, hash, &error));
    BAD("identity is NULL", tvm_compiler_identity(NULL, &error));
    OK(tvm_compiler_identity(hash, &error));
    /* BLAKE2b-256 of nothing. */
    OK(tvm_hash(NULL, 0, hash, &error));
    CHECK(hash[0] == 0x0e && hash[1] == 0x57 && hash[2] == 0x51 && hash[31] == 0xa8);
}

/* Too little address space for a guest says nothing about the guest. */
static void scarcity(tvm_engine *engine)
{
    struct rlimit before;
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    const struct rlimit little = {.rlim_cur = (rlim_t)2 << 30, .rlim_max = before.rlim_max};
    tvm_instance *instances[2];
    tvm_module *module;
    OK(tvm_module_load(engine, TVM_GP_0_7_2, TVM_CONTAINER_RAW, NULL, LOAD, sizeof LOAD, &module, &error));
    /* Memory that waits for its next guest is no new address space. */
    OK(tvm_instance_new_bare(engine, module, &instances[0], &error));
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    instances[1] = NULL;
    SAYS(TVM_SYSTEM, "failed: ", tvm_instance_new_bare(engine, module, &instances[1], &error));
    CHECK(instances[1] == NULL);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
    OK(tvm_instance_free(instances[0], &error));
    OK(tvm_module_free(module, &error));
}

int main(void)
{
    library();
    engines();
    tvm_engine *engine = engine_with(TVM_BACKEND_COMPILED, NULL);
    modules(engine);
    instances(engine);
    scarcity(engine);
    OK(tvm_engine_unload_idle(engine, &error));
    OK(tvm_engine_free(engine, &error));
    /* Without anywhere to put a message. */
    CHECK(tvm_engine_new(NULL, NULL, NULL) == TVM_INVALID_ARGUMENT);
    CHECK(tvm_engine_free(NULL, NULL) == TVM_OK);
    return 0;
}
