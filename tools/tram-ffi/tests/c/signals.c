/* A host with a SIGSEGV handler of its own gets its own faults, and only those. */
#define _GNU_SOURCE
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf recovery;
static volatile sig_atomic_t faults;
static uint8_t *volatile page;

/* Repairs the page, as garbage collectors do. */
static void repair(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    CHECK(info->si_addr == page && context);
    faults += 1;
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

/* Does not go back, as runtimes that turn faults into exceptions. No frame of TVM is left behind. */
static void escape(int signal)
{
    (void)signal;
    faults += 1;
    siglongjmp(recovery, 1);
}

static void handle(struct sigaction action)
{
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
}

/* A fault of the host in the middle of a guest's run. */
static int32_t serve(void *data, tvm_host_call *call)
{
    (void)data;
    CHECK(mprotect(page, 4096, PROT_NONE) == 0);
    *page = 1;
    call->regs[7] = *page;
    return TVM_HOST_RESUME;
}

static void guest_faults(tvm_engine *engine)
{
    int before = faults;
    tvm_instance *instance = bare(engine, LOAD, sizeof LOAD);
    tvm_outcome outcome;
    start(instance, 0, 10);
    OK(tvm_instance_run_to_host_call(instance, &outcome, &error));
    CHECK(outcome.kind == TVM_OUTCOME_PAGE_FAULT && outcome.value == 0x20000);
    CHECK(faults == before);
    OK(tvm_instance_free(instance, &error));
}

int main(int argc, char **argv)
{
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED && argc == 2);
    if (strcmp(argv[1], "repair") == 0)
        handle((struct sigaction){.sa_sigaction = repair, .sa_flags = SA_SIGINFO});
    else
        handle((struct sigaction){.sa_handler = escape, .sa_flags = SA_NODEFER});

    tvm_engine *engine = engine_with(TVM_BACKEND_COMPILED, NULL);
    guest_faults(engine);
    if (strcmp(argv[1], "repair") == 0) {
        *page = 7;
        CHECK(faults == 1 && *page == 7);
        tvm_instance *instance = bare(engine, HOST_CALL, sizeof HOST_CALL);
        tvm_outcome outcome;
        start(instance, 0, 10);
        OK(tvm_instance_run(instance, serve, NULL, &outcome, &error));
        CHECK(outcome.kind == TVM_OUTCOME_HALT && state_of(instance).regs[7] == 1 && faults == 2);
        OK(tvm_instance_free(instance, &error));
    } else {
        if (sigsetjmp(recovery, 1) == 0)
            *page = 7;
        CHECK(faults == 1);
    }
    guest_faults(engine);
    OK(tvm_engine_free(engine, &error));
    return 0;
}
