/* The cache: ./cache DIR SUM_0_7_2.jam SUM_0_8_0.jam */
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <sys/resource.h>

struct source {
    const uint8_t *code;
    size_t len;
    unsigned asked;
    int32_t answer;
    tvm_engine *engine;
};

static int32_t supply(void *data, const uint8_t **code, size_t *code_len)
{
    struct source *source = data;
    source->asked += 1;
    tvm_module *module;
    SAYS(TVM_BUSY, "from within a tvm_code_source",
         tvm_module_load(source->engine, TVM_GP_0_7_2, TVM_CONTAINER_RAW, NULL, LOAD, sizeof LOAD, &module, &error));
    *code = source->code;
    *code_len = source->len;
    return source->answer;
}

static uint32_t origin_of(tvm_module *module)
{
    tvm_module_info info;
    OK(tvm_module_describe(module, &info, &error));
    return info.origin;
}

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    const uint32_t v = TVM_GP_0_7_2, jam = TVM_CONTAINER_JAM;
    struct source now = {.answer = 0}, next = {.answer = 0};
    now.code = read_file(argv[2], &now.len);
    next.code = read_file(argv[3], &next.len);
    uint8_t hash[32], next_hash[32], other[32] = {1};
    OK(tvm_hash(now.code, now.len, hash, &error));
    OK(tvm_hash(next.code, next.len, next_hash, &error));

    tvm_engine *engine = now.engine = next.engine = engine_with(TVM_BACKEND_COMPILED, argv[1]);
    tvm_module *module = NULL;
    uint32_t origin = 0;

    /* Prewarmed once, found ever after; the same code under other rules is another program. */
    OK(tvm_engine_prewarm(engine, v, jam, hash, now.code, now.len, &origin, &error));
    CHECK(origin == TVM_ORIGIN_COMPILED);
    OK(tvm_engine_prewarm(engine, v, jam, NULL, now.code, now.len, &origin, &error));
    CHECK(origin == TVM_ORIGIN_CACHE_HIT);
    OK(tvm_engine_prewarm(engine, TVM_GP_0_8_0, jam, next_hash, next.code, next.len, &origin, &error));
    CHECK(origin == TVM_ORIGIN_COMPILED);
    GIVES(TVM_MALFORMED, tvm_engine_prewarm(engine, v, jam, NULL, now.code, now.len - 1, &origin, &error));

    /* The source is not asked for what is in the cache. */
    OK(tvm_module_load_from(engine, v, jam, hash, supply, &now, &module, &error));
    CHECK(now.asked == 0 && origin_of(module) == TVM_ORIGIN_CACHE_HIT);
    OK(tvm_module_free(module, &error));
    OK(tvm_module_load_from(engine, TVM_GP_0_8_0, jam, next_hash, supply, &next, &module, &error));
    CHECK(next.asked == 0 && origin_of(module) == TVM_ORIGIN_CACHE_HIT);
    OK(tvm_module_free(module, &error));

    /* It is asked for the rest, once; and may fail, which is nobody's program's fault. */
    module = NULL;
    now.answer = 5;
    SAYS(TVM_HOST_FAILED, "the code source returned 5",
         tvm_module_load_from(engine, TVM_GP_0_7_0, jam, hash, supply, &now, &module, &error));
    now.answer = 0;
    now.code += 1;
    GIVES(TVM_MALFORMED, tvm_module_load_from(engine, v, jam, other, supply, &now, &module, &error));
    now.code -= 1;
    struct source nothing = {.len = 3, .engine = engine};
    SAYS(TVM_HOST_FAILED, "is NULL, but 3 bytes long",
         tvm_module_load_from(engine, v, jam, other, supply, &nothing, &module, &error));
    CHECK(module == NULL && now.asked == 2);
    OK(tvm_module_load_from(engine, TVM_GP_0_7_0, jam, hash, supply, &now, &module, &error));
    CHECK(now.asked == 3 && origin_of(module) == TVM_ORIGIN_COMPILED);
    OK(tvm_module_free(module, &error));
    OK(tvm_engine_free(engine, &error));

    /* Another engine finds it all; one for another CPU has objects of its own. */
    engine = now.engine = engine_with(TVM_BACKEND_COMPILED, argv[1]);
    OK(tvm_module_load_from(engine, TVM_GP_0_7_0, jam, hash, supply, &now, &module, &error));
    CHECK(now.asked == 3 && origin_of(module) == TVM_ORIGIN_CACHE_HIT);
    OK(tvm_module_free(module, &error));
    tvm_engine *baseline = NULL;
    tvm_engine_config config = {.size = sizeof config, .cache_dir = argv[1], .cpu = TVM_CPU_ONLY};
    OK(tvm_engine_new(&config, &baseline, &error));
    OK(tvm_engine_prewarm(baseline, v, jam, hash, now.code, now.len, &origin, &error));
    CHECK(origin == (tvm_host_cpu_features() ? TVM_ORIGIN_COMPILED : TVM_ORIGIN_CACHE_HIT));
    OK(tvm_engine_free(baseline, &error));

    tvm_engine *interpreter = engine_with(TVM_BACKEND_INTERPRETER, argv[1]);
    SAYS(TVM_INVALID_ARGUMENT, "keeps no compiled programs",
         tvm_engine_prewarm(interpreter, v, jam, hash, now.code, now.len, &origin, &error));
    OK(tvm_engine_free(interpreter, &error));

    /* A disk that takes nothing more: prewarming says so, loading works without. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit full = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_FSIZE, &full) == 0);
    origin = 77;
    SAYS(TVM_CACHE, "compiled, but not stored",
         tvm_engine_prewarm(engine, v, TVM_CONTAINER_RAW, NULL, LOAD, sizeof LOAD, &origin, &error));
    CHECK(origin == 77);
    OK(tvm_engine_free(engine, &error));
    free((void *)now.code);
    free((void *)next.code);
    return 0;
}
