/*
 * TVM in C: runs PVM programs (JAM protocol; GP = Gray Paper), compiled ahead of time or interpreted.
 *
 *     engine    how programs are executed, and the cache of compiled ones
 *     module    a program, ready to run
 *     instance  a guest: a module with registers, gas and memory of its own
 *
 * STATUS AND OUTCOME. A tvm_status says whether a call worked; a tvm_outcome says what the guest did. They are never
 * the same thing and share no number: failures are negative, outcomes are 1 to 5. An outcome, like every other result,
 * is only written if the function returns TVM_OK. If it returns anything else, nothing is known about the guest: a
 * node must not report "panic" then, nor anything else that it would vote on. The one status that says something about
 * a guest is TVM_MALFORMED: the bytes are no program.
 *
 * ERRORS. The last parameter of nearly every function is a tvm_error of the caller (or NULL), which gets the reason in
 * words; it is empty after success. There is no "last error" of a thread.
 *
 * POINTERS. Unless a comment says otherwise a pointer must not be NULL. NULL, misaligned pointers, impossible lengths
 * and unknown numbers give TVM_INVALID_ARGUMENT; nothing has happened then. A pointer to no bytes may be NULL.
 * Pointers to freed handles cannot be recognised: do not pass them. TVM keeps none of the caller's pointers after the
 * function returns.
 *
 * HANDLES. Each handle is freed by its own tvm_..._free, in any order: what was made with an engine or module stays
 * valid without it. Freeing NULL does nothing.
 *
 * THREADS. Engines and modules may be used by any number of threads at once (not while they are freed). An instance
 * and its memory are for one thread at a time, not always the same one; a call on an instance that is in use gives
 * TVM_BUSY. Functions without a handle may be called at any time. An engine that compiles in the background starts
 * threads for it when there is work; they call no callbacks, and block all signals that are sent to the process.
 *
 * CALLBACKS (tvm_code_source, tvm_host_callback) run on the thread that called TVM. They must return: leaving one by
 * longjmp, by a C++ exception, by a Go panic or by ending the thread is forbidden, because Rust frames and the guest's
 * machine code lie in between. Within a host call any function may be called, on other instances too (inner machines);
 * on the instance that runs, everything but tvm_memory_... gives TVM_BUSY.
 *
 * SIGNALS. Loading the first compiled program installs handlers for SIGSEGV and SIGBUS, with SA_SIGINFO | SA_ONSTACK,
 * and never removes them. They take a fault for a guest's only if this thread runs a guest, the instruction is in that
 * guest's code and the address in its memory; they move the instruction pointer and return normally. Every other fault
 * goes to the handler that was installed before, with the same arguments. So: whoever installs handlers for these
 * signals later must pass on what is not theirs in the same way, and must not block them. The interpreter backend
 * installs no handlers. While guest code runs, the thread's gs base is the guest's, also within host calls; neither
 * libc, Go nor HotSpot use it on Linux.
 *   Go    Import as usual: Go's handlers are there first, and get their own faults, nil dereferences in callbacks
 *         included. SA_ONSTACK is what Go asks of C libraries. Callbacks are cgo-exported functions. Do not call
 *         signal.Ignore or signal.Reset for SIGSEGV or SIGBUS.
 *   JVM   Let the JVM start before the first program is loaded: TVM then hands the JVM its own faults (null checks,
 *         safepoints), with or without libjsig. With -Xcheck:jni the JVM warns that its handlers were replaced.
 *   fork  A child of fork() must not use handles made before it.
 *
 * ABI. Structures and numbers do not change under one TVM_ABI_VERSION; functions may be added. x86-64 Linux only.
 */
#ifndef TVM_H
#define TVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ---------------------------------------------------------------------------------------------------- */

/* Whether a call worked: one of the following. */
typedef int32_t tvm_status;
enum {
    TVM_OK = 0,
    TVM_MALFORMED = -1,        /* the bytes are no program under this version's rules; the fault of who made them */
    TVM_INVALID_ARGUMENT = -2, /* a mistake in the call */
    TVM_BUSY = -3,             /* the handle is in use: by another thread, or by the run whose host call this is */
    TVM_UNUSABLE = -4,         /* an earlier call failed and left the instance in an unspecified state: reset it */
    TVM_SYSTEM = -5,           /* the operating system refused something */
    TVM_CACHE = -6,            /* the cache directory cannot be used, or did not take a prewarmed program */
    TVM_CPU = -7,              /* this CPU lacks features that were asked for */
    TVM_TOO_LARGE = -8,        /* the program exceeds a limit of the compiler; it can be interpreted */
    TVM_HOST_FAILED = -9,      /* a callback reported a failure, or returned what it must not */
    TVM_INTERNAL = -10         /* TVM contradicts itself; please report it */
};

enum { TVM_ERROR_BYTES = 1024 };

/* Why a call did not work: UTF-8, ended by a zero, cut if too long; empty after success. */
typedef struct tvm_error {
    char message[TVM_ERROR_BYTES];
} tvm_error;

/* The name of a status, such as "TVM_MALFORMED". Never NULL, never freed. */
const char *tvm_status_name(tvm_status status);

/* ---- Library --------------------------------------------------------------------------------------------------- */

enum { TVM_ABI_VERSION = 3 };

/* TVM_ABI_VERSION of the library that is loaded: compare it with the header's before anything else. */
uint32_t tvm_abi_version(void);

/* The library's version, such as "0.1.0". Never freed. */
const char *tvm_version(void);

/* Writes 32 bytes that change with every change of the compiler: objects in a cache are only used by the compiler that
 * made them. */
tvm_status tvm_compiler_identity(uint8_t *identity, tvm_error *error);

/* Gray Paper versions: 0xMMmmpp. There is no default. */
enum {
    TVM_GP_0_7_0 = 0x000700,
    TVM_GP_0_7_2 = 0x000702,
    TVM_GP_0_8_0 = 0x000800
};

/* Whether programs of this version can be loaded. */
bool tvm_supports_gp_version(uint32_t gp_version);

/* BLAKE2b-256, by which JAM names code: writes 32 bytes to hash. */
tvm_status tvm_hash(const uint8_t *data, size_t data_len, uint8_t *hash, tvm_error *error);

/* ---- Engine ---------------------------------------------------------------------------------------------------- */

typedef struct tvm_engine tvm_engine;

enum {
    TVM_BACKEND_COMPILED = 0,   /* compiled to machine code */
    TVM_BACKEND_INTERPRETER = 1 /* interpreted: slow, and the reference that compiled code agrees with */
};

/* CPU features that compiled code may use. */
#define TVM_CPU_HOST   UINT64_C(0)                  /* all that this machine has */
#define TVM_CPU_ONLY   UINT64_C(0x8000000000000000) /* exactly the features whose bits are set besides this one */
#define TVM_CPU_POPCNT UINT64_C(1)
#define TVM_CPU_LZCNT  UINT64_C(2)
#define TVM_CPU_BMI1   UINT64_C(4)
#define TVM_CPU_BMI2   UINT64_C(8)

/* The feature bits of this machine. */
uint64_t tvm_host_cpu_features(void);

/* The compiler has two tiers: fast, for code that is waited for, and best, which takes longer to compile and runs
 * faster. Results and gas are the same. */
enum {
    TVM_TIERS_BACKGROUND = 0, /* as cached; and best code is made in the background for programs that run fast code, and
                               * is what the next load gives. Modules and instances keep the code they have */
    TVM_TIERS_CACHED = 1,     /* best code that is in the cache, else fast code */
    TVM_TIERS_FAST = 2,       /* fast code only */
    TVM_TIERS_BEST = 3        /* best code only: what is not in the cache is waited for */
};

/* Which compiled code is verified before it runs or is stored: that it stays in its sandbox, whatever the compiler
 * thought. Code that does not pass is thrown away and counted (refused); its program is interpreted, or keeps its fast
 * code. */
enum {
    TVM_VERIFY_BEST = 0,  /* best code */
    TVM_VERIFY_NEVER = 1, /* none */
    TVM_VERIFY_ALWAYS = 2 /* all: fast code takes two to two and a half times as long to make */
};

/* What an engine is made with. All zero but for the size is a good start. */
typedef struct tvm_engine_config {
    uint32_t size;         /* sizeof(tvm_engine_config) */
    uint32_t backend;      /* TVM_BACKEND_... */
    const char *cache_dir; /* directory of its own for compiled programs, made if it is not there; NULL: no cache */
    uint64_t cpu;          /* TVM_CPU_HOST, or TVM_CPU_ONLY | features */
    uint32_t tiers;        /* TVM_TIERS_... */
    uint32_t background_threads; /* most threads that compile in the background, at low priority; 0: the usual number */
    uint32_t verification;       /* TVM_VERIFY_... */
} tvm_engine_config;

/* Makes an engine. TVM_CACHE: the directory is not ours alone, or not usable. TVM_CPU: this machine lacks features. */
tvm_status tvm_engine_new(const tvm_engine_config *config, tvm_engine **engine, tvm_error *error);

/* Frees an engine's handle, and ends its background: programs that wait are given up, one that is being compiled is
 * finished, which is waited for. */
tvm_status tvm_engine_free(tvm_engine *engine, tvm_error *error);

/* Unloads the programs that no module handle and no instance uses. */
tvm_status tvm_engine_unload_idle(const tvm_engine *engine, tvm_error *error);

/* What an engine has compiled since it was made, and what is going on in its background. */
typedef struct tvm_engine_stats {
    uint64_t compiled_fast; /* programs compiled on the fast tier */
    uint64_t compiled_best; /* programs compiled on the best tier, in the background or not */
    uint64_t swapped;       /* loaded programs whose fast code was replaced by best code */
    uint64_t dropped;       /* requests for best code dropped because too many others waited; loading asks again */
    uint64_t failed;        /* programs that could not be compiled in the background, and keep their fast code */
    uint64_t refused;       /* code that did not pass verification: not 0 means an error of TVM; please report it */
    uint64_t queued;        /* programs that wait now */
    uint64_t running;       /* programs being compiled in the background now */
} tvm_engine_stats;

tvm_status tvm_engine_get_stats(const tvm_engine *engine, tvm_engine_stats *stats, tvm_error *error);

/* Holds compiling in the background back, or lets it go on: for times when the whole machine is needed. Programs still
 * queue up, and one that is being compiled is finished. */
tvm_status tvm_engine_hold_background(const tvm_engine *engine, bool hold, tvm_error *error);

/* Waits until nothing is compiled in the background and nothing waits that is not held: for tests and benchmarks. */
tvm_status tvm_engine_wait_for_background(const tvm_engine *engine, tvm_error *error);

/* ---- Module ---------------------------------------------------------------------------------------------------- */

typedef struct tvm_module tvm_module;

/* Formats of programs. There is no default. */
enum {
    TVM_CONTAINER_RAW = 1,      /* a bare program blob (GP A.1), as given to the host call "machine" */
    TVM_CONTAINER_STANDARD = 2, /* a standard program (GP A.7) */
    TVM_CONTAINER_JAM = 3       /* a standard program behind length-prefixed metadata, as code preimages are stored */
};

/* Where a module came from. */
enum {
    TVM_ORIGIN_CACHE_HIT = 1,  /* it was in the cache; nothing was compiled */
    TVM_ORIGIN_COMPILED = 2,   /* it was compiled, and stored in the cache if there is one */
    TVM_ORIGIN_INTERPRETED = 3 /* it is interpreted */
};

/* The tier of a module's machine code. */
enum {
    TVM_TIER_NONE = 0, /* it is interpreted */
    TVM_TIER_FAST = 1,
    TVM_TIER_BEST = 2
};

/* Loads a program: the one loaded already, else from the cache, else compiled now, on the tier that the engine uses.
 *
 * code_hash: BLAKE2b-256 of the code, container included. It is taken on trust, also by the cache: a wrong hash runs a
 * wrong program, now or later. NULL: computed here, in about a millisecond per megabyte.
 *
 * TVM_MALFORMED: the code is no program under this version. A cached program's code is not looked at again. */
tvm_status tvm_module_load(const tvm_engine *engine, uint32_t gp_version, uint32_t container, const uint8_t *code_hash,
                           const uint8_t *code, size_t code_len, tvm_module **module, tvm_error *error);

/* Supplies a program: sets *code and *code_len and returns 0, or returns another number if it cannot. The bytes must
 * stay where they are until the loading function returns. Programs cannot be loaded within it (TVM_BUSY). */
typedef int32_t (*tvm_code_source)(void *data, const uint8_t **code, size_t *code_len);

/* Like tvm_module_load, but asks for the code only if it is neither loaded nor in the cache: at most once, with data.
 * code_hash is needed. TVM_HOST_FAILED: the source did not supply the code. */
tvm_status tvm_module_load_from(const tvm_engine *engine, uint32_t gp_version, uint32_t container,
                                const uint8_t *code_hash, tvm_code_source source, void *data, tvm_module **module,
                                tvm_error *error);

/* Makes a module that is interpreted, whatever the engine does, and kept by no one but the handle: for programs not
 * worth compiling. */
tvm_status tvm_module_load_interpreted(const tvm_engine *engine, uint32_t gp_version, uint32_t container,
                                       const uint8_t *code, size_t code_len, tvm_module **module, tvm_error *error);

/* Compiles a program into the engine's cache, unless it is there, without loading it: for instance for the Gray Paper
 * version that comes next. The tier is the best one that the engine uses. Writes a TVM_ORIGIN_... to origin. code_hash
 * as for tvm_module_load.
 *
 * TVM_INVALID_ARGUMENT: the engine has no cache, or interprets. TVM_CACHE: the cache did not take it (full disk,
 * read-only directory). TVM_TOO_LARGE: there is nothing to prewarm, the program will be interpreted. */
tvm_status tvm_engine_prewarm(const tvm_engine *engine, uint32_t gp_version, uint32_t container,
                              const uint8_t *code_hash, const uint8_t *code, size_t code_len, uint32_t *origin,
                              tvm_error *error);

/* Frees a module's handle. */
tvm_status tvm_module_free(tvm_module *module, tvm_error *error);

/* What a module is. */
typedef struct tvm_module_info {
    uint32_t gp_version; /* TVM_GP_... */
    uint32_t container;  /* TVM_CONTAINER_... */
    uint32_t origin;     /* TVM_ORIGIN_..., when it was loaded into this process */
    uint32_t code_len;   /* bytes of code */
    uint32_t tier;       /* TVM_TIER_... */
} tvm_module_info;

tvm_status tvm_module_describe(const tvm_module *module, tvm_module_info *info, tvm_error *error);

/* Whether execution may begin at pc. From GP 0.8.0 on only where an instruction starts (A.1); before, anywhere. A run
 * does not check it: from elsewhere it gives an outcome that the Gray Paper does not define. */
tvm_status tvm_module_may_start_at(const tvm_module *module, uint32_t pc, bool *may_start, tvm_error *error);

/* ---- Instance -------------------------------------------------------------------------------------------------- */

typedef struct tvm_instance tvm_instance;
typedef struct tvm_memory tvm_memory;

enum { TVM_REGISTERS = 13 };

/* Registers, gas and program counter. */
typedef struct tvm_state {
    uint64_t regs[TVM_REGISTERS]; /* phi 0 to 12 */
    uint64_t gas;                 /* remaining; 0 after TVM_OUTCOME_OUT_OF_GAS under 0.7, where the GP has -1 */
    uint32_t pc;                  /* program counter; after an exit it stays at the instruction that caused it */
    uint32_t charged;             /* 1 if the block at pc is paid for already (from GP 0.8.0), else 0 */
} tvm_state;

/* Kinds of outcomes. 0 is none. */
enum {
    TVM_OUTCOME_HALT = 1,       /* dynamic jump to the halt address */
    TVM_OUTCOME_PANIC = 2,      /* trap, jump where no block starts, or inaccessible byte below 2^16 */
    TVM_OUTCOME_OUT_OF_GAS = 3, /* the gas does not cover the next instruction or block */
    TVM_OUTCOME_PAGE_FAULT = 4, /* inaccessible byte at or above 2^16; value: first address of its page */
    TVM_OUTCOME_HOST_CALL = 5   /* ecalli; value: its identifier */
};

/* What the guest did. */
typedef struct tvm_outcome {
    uint32_t kind;     /* TVM_OUTCOME_... */
    uint32_t reserved; /* 0 */
    uint64_t value;    /* see the kinds; else 0 */
} tvm_outcome;

/* Makes an instance of a standard program: memory laid out, arguments in place, registers set (GP A.7), program counter
 * and gas 0. TVM_INVALID_ARGUMENT: the module is a bare program, or there are more than 2^24 bytes of arguments. */
tvm_status tvm_instance_new_standard(const tvm_engine *engine, const tvm_module *module, const uint8_t *arguments,
                                     size_t arguments_len, tvm_instance **instance, tvm_error *error);

/* Makes an instance with registers, program counter and gas 0, as the host call "machine" does: of a bare program its
 * memory is inaccessible until tvm_memory_set_page_access. */
tvm_status tvm_instance_new_bare(const tvm_engine *engine, const tvm_module *module, tvm_instance **instance,
                                 tvm_error *error);

/* Frees an instance and its memory handle. TVM_BUSY: it is in use, and is not freed. */
tvm_status tvm_instance_free(tvm_instance *instance, tvm_error *error);

/* Takes an instance back to what tvm_instance_new_standard (with these arguments) or, for bare programs,
 * tvm_instance_new_bare made. Much faster than making another; also the way out of TVM_UNUSABLE. */
tvm_status tvm_instance_reset(tvm_instance *instance, const uint8_t *arguments, size_t arguments_len, tvm_error *error);

tvm_status tvm_instance_get_state(const tvm_instance *instance, tvm_state *state, tvm_error *error);
tvm_status tvm_instance_set_state(tvm_instance *instance, const tvm_state *state, tvm_error *error);

/* The instance's memory. The handle is valid as long as the instance, and never freed by the caller. */
tvm_status tvm_instance_memory(tvm_instance *instance, tvm_memory **memory, tvm_error *error);

/* The output of a standard program that has halted: the phi 8 bytes at phi 7, empty if they are not readable (GP A.8).
 * Writes its length to len; copies it to buffer if capacity suffices, else leaves buffer alone. */
tvm_status tvm_instance_output(const tvm_instance *instance, uint8_t *buffer, size_t capacity, size_t *len,
                               tvm_error *error);

/* ---- Running --------------------------------------------------------------------------------------------------- */

/* The guest as a host function sees it. Everything in it is valid until the callback returns. */
typedef struct tvm_host_call {
    uint64_t id;        /* the sign-extended immediate of ecalli */
    uint64_t *regs;     /* phi 0 to 12, to be read and written: arguments are in 7 to 12, results go to 7 and 8 */
    uint64_t *gas;      /* remaining, to be read and written; the ecalli itself is paid for */
    tvm_memory *memory; /* the guest's memory, for tvm_memory_... */
    uint32_t pc;        /* program counter of the ecalli */
    uint32_t reserved;  /* 0 */
    tvm_outcome exit;   /* to be written for TVM_HOST_EXIT */
} tvm_host_call;

/* What a host callback returns. 0 is none of them. */
enum {
    TVM_HOST_RESUME = 1, /* the guest goes on after the ecalli */
    TVM_HOST_EXIT = 2,   /* the run ends with call->exit; the program counter stays at the ecalli */
    TVM_HOST_FAIL = 3    /* the host failed (its database, say): the run ends with TVM_HOST_FAILED and no outcome */
};

/* Serves a host call. */
typedef int32_t (*tvm_host_callback)(void *data, tvm_host_call *call);

/* Runs from the current state until an exit, calling callback with data for each ecalli. A run that ended may go on
 * from any state that is set. If it fails, the instance is TVM_UNUSABLE until it is reset. */
tvm_status tvm_instance_run(tvm_instance *instance, tvm_host_callback callback, void *data, tvm_outcome *outcome,
                            tvm_error *error);

/* Runs until an exit or a host call, whichever is first. To go on after TVM_OUTCOME_HOST_CALL: set the registers,
 * tvm_instance_skip_host_call, and run again. */
tvm_status tvm_instance_run_to_host_call(tvm_instance *instance, tvm_outcome *outcome, tvm_error *error);

/* Moves the program counter from an ecalli behind it. TVM_INVALID_ARGUMENT: there is none. */
tvm_status tvm_instance_skip_host_call(tvm_instance *instance, tvm_error *error);

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

/* 2^32 bytes in pages of 4096. These functions work between runs and within the instance's host calls; while the guest
 * itself executes they give TVM_BUSY.
 *
 * Whether a range is accessible depends on the guest alone. So it is not a status but *accessible, which a host
 * function must look at: the Gray Paper says for each what follows (mostly a panic). Ranges past 2^32 are not
 * accessible; ranges of no bytes are, wherever. Nothing is read or written unless all of the range is accessible. */

enum { TVM_PAGE_BYTES = 4096, TVM_PAGES = 1048576 };

enum {
    TVM_ACCESS_NONE = 0,
    TVM_ACCESS_READ = 1,
    TVM_ACCESS_WRITE = 2 /* and read */
};

tvm_status tvm_memory_read(const tvm_memory *memory, uint64_t address, uint8_t *buffer, size_t len, bool *accessible,
                           tvm_error *error);
tvm_status tvm_memory_write(tvm_memory *memory, uint64_t address, const uint8_t *data, size_t len, bool *accessible,
                            tvm_error *error);

/* Whether all bytes of a range allow this access (TVM_ACCESS_...). */
tvm_status tvm_memory_allows(const tvm_memory *memory, uint64_t address, uint64_t len, uint32_t access,
                             bool *accessible, tvm_error *error);

/* The access that a page, below TVM_PAGES, allows. */
tvm_status tvm_memory_page_access(const tvm_memory *memory, uint32_t page, uint32_t *access, tvm_error *error);

/* Gives pages this access. Contents stay; pages that never were accessible are zero. */
tvm_status tvm_memory_set_page_access(tvm_memory *memory, uint32_t first_page, uint32_t count, uint32_t access,
                                      tvm_error *error);

/* Zeroes pages, whatever their access. */
tvm_status tvm_memory_zero_pages(tvm_memory *memory, uint32_t first_page, uint32_t count, tvm_error *error);

#ifdef __cplusplus
}
#endif

#endif
