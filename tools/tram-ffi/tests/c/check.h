/* What the test programs share. They exit with 0 if all is as expected, else they say what is not. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tvm.h>

/* Each thread has its own. */
static __thread tvm_error error;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition);                                   \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The call gives this status, and a message unless it succeeds. */
#define GIVES(expected, call)                                                                                          \
    do {                                                                                                               \
        tvm_status found_ = (call);                                                                                    \
        if (found_ != (expected) || (error.message[0] == 0) != (found_ == TVM_OK)) {                                   \
            fprintf(stderr, "%s:%d: %s: expected %s, found %s: \"%s\"\n", __FILE__, __LINE__, #call,                   \
                    tvm_status_name(expected), tvm_status_name(found_), error.message);                                \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define OK(call) GIVES(TVM_OK, call)

/* The call fails with this status and a message that contains the text. */
#define SAYS(expected, text, call)                                                                                     \
    do {                                                                                                               \
        GIVES(expected, call);                                                                                         \
        if (!strstr(error.message, text)) {                                                                            \
            fprintf(stderr, "%s:%d: expected a message with \"%s\", found \"%s\"\n", __FILE__, __LINE__, text,         \
                    error.message);                                                                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* ecalli 7; jump_ind r0 */
static const uint8_t HOST_CALL[] = {0, 0, 4, 10, 7, 50, 0, 0x5};
/* load_u8 r7, 0x20000; trap */
static const uint8_t LOAD[] = {0, 0, 6, 52, 7, 0, 0, 2, 0, 0x21};
/* r0 for HOST_CALL to halt */
#define HALT_ADDRESS UINT64_C(0xffff0000)

static inline tvm_engine *engine_with(uint32_t backend, const char *cache_dir)
{
    tvm_engine_config config = {.size = sizeof config, .backend = backend, .cache_dir = cache_dir};
    tvm_engine *engine = NULL;
    OK(tvm_engine_new(&config, &engine, &error));
    return engine;
}

static inline tvm_instance *bare(tvm_engine *engine, const uint8_t *blob, size_t len)
{
    tvm_module *module = NULL;
    tvm_instance *instance = NULL;
    OK(tvm_module_load(engine, TVM_GP_0_7_2, TVM_CONTAINER_RAW, NULL, blob, len, &module, &error));
    OK(tvm_instance_new_bare(engine, module, &instance, &error));
    OK(tvm_module_free(module, &error));
    return instance;
}

static inline void start(tvm_instance *instance, uint32_t pc, uint64_t gas)
{
    tvm_state state;
    OK(tvm_instance_get_state(instance, &state, &error));
    state.pc = pc;
    state.gas = gas;
    state.regs[0] = HALT_ADDRESS;
    OK(tvm_instance_set_state(instance, &state, &error));
}

static inline tvm_state state_of(tvm_instance *instance)
{
    tvm_state state;
    OK(tvm_instance_get_state(instance, &state, &error));
    return state;
}

static inline uint8_t *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    CHECK(file);
    uint8_t *bytes = malloc(1 << 20);
    *len = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

#endif
