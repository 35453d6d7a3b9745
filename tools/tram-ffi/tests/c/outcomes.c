/* Every kind of outcome, and host calls served in every way, on both backends. */
#include "check.h"

/* What the callback is to do, and what it saw. */
struct host {
    int32_t answer;
    tvm_outcome exit;
    unsigned calls;
    tvm_instance *self;
};

static int32_t serve(void *data, tvm_host_call *call)
{
    struct host *host = data;
    host->calls += 1;
    CHECK(call->id == 7 && call->pc == 0 && call->reserved == 0 && call->exit.kind == 0);
    CHECK(call->regs[0] == HALT_ADDRESS);
    CHECK(*call->gas == 99);
    *call->gas -= 50;
    call->regs[8] = 0x1234567890abcdef;

    bool accessible = true;
    uint8_t byte = 1;
    OK(tvm_memory_read(call->memory, 0x30000, &byte, 1, &accessible, &error));
    CHECK(!accessible && byte == 1);
    OK(tvm_memory_set_page_access(call->memory, 0x30, 2, TVM_ACCESS_WRITE, &error));
    OK(tvm_memory_write(call->memory, 0x30fff, (const uint8_t *)"ab", 2, &accessible, &error));
    CHECK(accessible);

    /* The instance itself runs: only its memory may be used. */
    tvm_state state;
    tvm_outcome outcome;
    GIVES(TVM_BUSY, tvm_instance_get_state(host->self, &state, &error));
    GIVES(TVM_BUSY, tvm_instance_run_to_host_call(host->self, &outcome, &error));
    GIVES(TVM_BUSY, tvm_instance_reset(host->self, NULL, 0, &error));
    GIVES(TVM_BUSY, tvm_instance_free(host->self, &error));
    tvm_memory *memory;
    OK(tvm_instance_memory(host->self, &memory, &error));
    CHECK(memory == call->memory);

    call->exit = host->exit;
    return host->answer;
}

static void host_calls(tvm_engine *engine)
{
    tvm_instance *instance = bare(engine, HOST_CALL, sizeof HOST_CALL);
    struct host host = {.answer = TVM_HOST_RESUME, .self = instance};
    tvm_outcome outcome;
    start(instance, 0, 100);
    OK(tvm_instance_run(instance, serve, &host, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_HALT && outcome.value == 0 && outcome.reserved == 0);
    tvm_state state = state_of(instance);
    CHECK(host.calls == 1 && state.gas == 48 && state.pc == 2 && state.regs[8] == 0x1234567890abcdef);

    tvm_memory *memory;
    bool accessible;
    uint8_t bytes[2] = {0};
    OK(tvm_instance_memory(instance, &memory, &error));
    OK(tvm_memory_read(memory, 0x30fff, bytes, 2, &accessible, &error));
    CHECK(accessible && bytes[0] == 'a' && bytes[1] == 'b');

    /* Every outcome a callback may end the run with comes back as it is. */
    const tvm_outcome exits[] = {{TVM_OUTCOME_HALT, 0, 0},
                                 {TVM_OUTCOME_PANIC, 0, 0},
                                 {TVM_OUTCOME_OUT_OF_GAS, 0, 0},
                                 {TVM_OUTCOME_PAGE_FAULT, 0, 0xfffff000},
                                 {TVM_OUTCOME_HOST_CALL, 0, UINT64_MAX}};
    for (size_t i = 0; i < sizeof exits / sizeof *exits; i++) {
        OK(tvm_instance_reset(instance, NULL, 0, &error));
        start(instance, 0, 100);
        host.answer = TVM_HOST_EXIT;
        host.exit = exits[i];
        OK(tvm_instance_run(instance, serve, &host, &outcome, &error));
        CHECK(memcmp(&outcome, &exits[i], sizeof outcome) == 0);
        state = state_of(instance);
        CHECK(state.pc == 0 && state.gas == 49);
    }

    /* Failures of the host are no outcomes, and leave the outcome as it was. */
    const struct {
        int32_t answer;
        tvm_outcome exit;
        const char *says;
    } failures[] = {
        {TVM_HOST_FAIL, {TVM_OUTCOME_PANIC, 0, 0}, "the callback failed to serve host call 7"},
        {0, {TVM_OUTCOME_PANIC, 0, 0}, "the callback returned 0 for host call 7"},
        {TVM_HOST_EXIT, {0, 0, 0}, "an outcome of kind 0"},
        {TVM_HOST_EXIT, {TVM_OUTCOME_PAGE_FAULT, 0, 0x10001}, "a page fault at 0x10001"},
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        OK(tvm_instance_reset(instance, NULL, 0, &error));
        start(instance, 0, 100);
        host.answer = failures[i].answer;
        host.exit = failures[i].exit;
        outcome = (tvm_outcome){0xaaaa, 0xbbbb, 0xcccc};
        SAYS(TVM_HOST_FAILED, failures[i].says, tvm_instance_run(instance, serve, &host, &outcome, &error));
        CHECK(outcome.kind == 0xaaaa && outcome.reserved == 0xbbbb && outcome.value == 0xcccc);
        /* The state is unspecified now: nothing may be concluded from it. */
        GIVES(TVM_UNUSABLE, tvm_instance_get_state(instance, &state, &error));
        GIVES(TVM_UNUSABLE, tvm_instance_run(instance, serve, &host, &outcome, &error));
        GIVES(TVM_UNUSABLE, tvm_memory_page_access(memory, 0, &outcome.kind, &error));
        CHECK(outcome.kind == 0xaaaa);
    }
    OK(tvm_instance_free(instance, &error));
}

static void stops(tvm_engine *engine)
{
    tvm_instance *instance = bare(engine, HOST_CALL, sizeof HOST_CALL);
    tvm_outcome outcome;
    start(instance, 0, 100);
    OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_HOST_CALL && outcome.value == 7);
    CHECK(state_of(instance).pc == 0 && state_of(instance).gas == 99);
    OK(tvm_instance_skip_host_call(instance, &error));
    CHECK(state_of(instance).pc == 2);
    SAYS(TVM_INVALID_ARGUMENT, "no host call at program counter 2", tvm_instance_skip_host_call(instance, &error));
    OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_HALT && state_of(instance).gas == 98);

    start(instance, 0, 0);
    OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_OUT_OF_GAS && state_of(instance).gas == 0 && state_of(instance).pc == 0);
    OK(tvm_instance_free(instance, &error));
}

static void faults(tvm_engine *engine)
{
    tvm_instance *instance = bare(engine, LOAD, sizeof LOAD);
    tvm_memory *memory;
    tvm_outcome outcome;
    uint32_t access = 9;
    bool accessible;
    OK(tvm_instance_memory(instance, &memory, &error));
    start(instance, 0, 10);
    OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_PAGE_FAULT && outcome.value == 0x20000);
    CHECK(state_of(instance).pc == 0 && state_of(instance).gas == 9);

    /* Given the page, the guest goes on. */
    OK(tvm_memory_page_access(memory, 0x20, &access, &error));
    CHECK(access == TVM_ACCESS_NONE);
    OK(tvm_memory_set_page_access(memory, 0x20, 1, TVM_ACCESS_WRITE, &error));
    OK(tvm_memory_write(memory, 0x20000, (const uint8_t *)"Z", 1, &accessible, &error));
    CHECK(accessible);
    OK(tvm_memory_set_page_access(memory, 0x20, 1, TVM_ACCESS_READ, &error));
    OK(tvm_memory_page_access(memory, 0x20, &access, &error));
    CHECK(access == TVM_ACCESS_READ);
    OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_PANIC && outcome.value == 0);
    CHECK(state_of(instance).pc == 5 && state_of(instance).gas == 7 && state_of(instance).regs[7] == 'Z');

    OK(tvm_memory_write(memory, 0x20000, (const uint8_t *)"Y", 1, &accessible, &error));
    CHECK(!accessible);
    OK(tvm_memory_allows(memory, 0x20000, 4096, TVM_ACCESS_READ, &accessible, &error));
    CHECK(accessible);
    OK(tvm_memory_allows(memory, 0x20000, 4097, TVM_ACCESS_READ, &accessible, &error));
    CHECK(!accessible);
    OK(tvm_memory_allows(memory, 0x20000, 1, TVM_ACCESS_WRITE, &accessible, &error));
    CHECK(!accessible);
    OK(tvm_memory_allows(memory, 0, UINT64_MAX, TVM_ACCESS_NONE, &accessible, &error));
    CHECK(accessible);
    OK(tvm_memory_zero_pages(memory, 0x20, 1, &error));
    uint8_t byte = 1;
    OK(tvm_memory_read(memory, 0x20000, &byte, 1, &accessible, &error));
    CHECK(accessible && byte == 0);
    /* No wrap at the ends of anything. */
    OK(tvm_memory_set_page_access(memory, TVM_PAGES - 1, 1, TVM_ACCESS_WRITE, &error));
    uint8_t two[2];
    OK(tvm_memory_read(memory, UINT64_C(0xffffffff), two, 1, &accessible, &error));
    CHECK(accessible);
    OK(tvm_memory_read(memory, UINT64_C(0xffffffff), two, 2, &accessible, &error));
    CHECK(!accessible);
    OK(tvm_memory_read(memory, UINT64_MAX, two, 2, &accessible, &error));
    CHECK(!accessible);
    OK(tvm_memory_read(memory, UINT64_MAX, NULL, 0, &accessible, &error));
    CHECK(accessible);

    /* A reset leaves nothing. */
    OK(tvm_instance_reset(instance, NULL, 0, &error));
    OK(tvm_memory_page_access(memory, 0x20, &access, &error));
    CHECK(access == TVM_ACCESS_NONE);
    OK(tvm_instance_free(instance, &error));
}

/* A host call that runs another instance, as "invoke" does. */
static int32_t invoke(void *data, tvm_host_call *call)
{
    tvm_instance *inner = data;
    tvm_outcome outcome;
    start(inner, 0, 10);
    OK(tvm_instance_run_to_host_call(inner, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_PAGE_FAULT);
    call->regs[7] = outcome.value;
    return TVM_HOST_RESUME;
}

static void nested(tvm_engine *engine)
{
    tvm_instance *outer = bare(engine, HOST_CALL, sizeof HOST_CALL);
    tvm_instance *inner = bare(engine, LOAD, sizeof LOAD);
    tvm_outcome outcome;
    start(outer, 0, 10);
    OK(tvm_instance_run(outer, invoke, inner, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_HALT && state_of(outer).regs[7] == 0x20000);
    OK(tvm_instance_free(outer, &error));
    OK(tvm_instance_free(inner, &error));
}

int main(void)
{
    const uint32_t backends[] = {TVM_BACKEND_COMPILED, TVM_BACKEND_INTERPRETER};
    for (int i = 0; i < 2; i++) {
        tvm_engine *engine = engine_with(backends[i], NULL);
        host_calls(engine);
        stops(engine);
        faults(engine);
        nested(engine);
        OK(tvm_engine_free(engine, &error));
    }
    return 0;
}
