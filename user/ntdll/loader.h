/*
 * user/ntdll/loader.h: what ntdll's own files share: modules, and the state of the process.
 *
 * The loader lock (PEB.LoaderLock) guards every module list and every field of a module; TLS
 * vectors of all threads too.
 */
#ifndef USER_NTDLL_LOADER_H
#define USER_NTDLL_LOADER_H

#include "user/ntdll/ntdll.h"

#include <string.h>

#define SYSTEM_DIRECTORY L"C:\\quire\\system\\"

/* LDR_DATA_TABLE_ENTRY.Flags, NT's values. */
#define LDR_IMAGE_DLL         0x00000004u
#define LDR_DONT_CALL_THREADS 0x00040000u
#define LDR_PROCESS_ATTACHED  0x00080000u
#define LDR_IMAGE_NOT_AT_BASE 0x00200000u
#define LDR_PINNED            0xFFFFu /* load_count: never unloaded */

#define MAX_LOAD_DEPTH 32u

#define SYNCHRONIZATION_EVENT 1u /* NtCreateEvent: resets itself when it releases a thread */

struct name_table;

struct module {
    struct ldr_entry entry; /* first: the lists of PEB.Ldr link these */
    IMAGE_NT_HEADERS *headers;
    const IMAGE_EXPORT_DIRECTORY *exports; /* NULL: none */
    uint32_t exports_size;
    bool exports_checked;
    /* From here to the hash table: only once they are checked. */
    const uint32_t *functions;           /* RVAs */
    const uint32_t *names;               /* RVAs, in ascending order of what stands there */
    const uint16_t *ordinals;            /* of the names: indices of functions */
    const struct name_table *hash_table; /* of the names, or NULL */
    const IMAGE_TLS_DIRECTORY *tls;
    struct module **imports; /* modules that this one holds a reference to */
    uint32_t nimports;
};

typedef BOOL(WINAPI *dll_main)(void *base, DWORD reason, void *reserved);

/* Where a load failed, for the message that ends a process. */
struct load_problem {
    UNICODE_STRING wanted_by; /* base name of the module that needs it */
    char library[64];
    char symbol[128]; /* "": it is the library that is missing */
};

/* image.c: reading a mapped image. */
NTSTATUS image_check(void *base, IMAGE_NT_HEADERS **headers);
void *image_directory(const struct module *module, unsigned directory, uint32_t *size);
NTSTATUS image_relocate(struct module *module);
NTSTATUS image_export(struct module *module, const char *name, uint32_t hint_or_ordinal,
                      void **address, const char **forwarder);

/* import.c: connecting a module to what it imports. */
NTSTATUS import_all(struct module *module, unsigned depth, struct load_problem *problem);
NTSTATUS import_find(struct module *module, const char *name, uint32_t hint_or_ordinal,
                     unsigned depth, void **address);

/* ldr.c: the list of modules, loading and unloading. */
struct module *module_by_base(const void *base);
struct module *module_by_name(const UNICODE_STRING *name);
struct module *module_by_path(const UNICODE_STRING *path);
NTSTATUS module_add(void *base, const UNICODE_STRING *path, bool is_program,
                    struct module **module);
void module_ref(struct module *module);
void module_unref(struct module *module);
NTSTATUS module_load(const WCHAR *search_path, const UNICODE_STRING *name, unsigned depth,
                     struct load_problem *problem, struct module **module);
NTSTATUS module_attach_all(void *reserved, struct module **failed);
void modules_initialize(struct peb *peb);
void modules_pin(void);
void modules_detach_all(void);
void modules_notify_thread(DWORD reason);

/* search.c: finding and mapping a DLL's file. */
#define MAX_PATH_CHARACTERS 320u
NTSTATUS dll_open(const WCHAR *search_path, const UNICODE_STRING *name, UNICODE_STRING *path,
                  HANDLE *section);
NTSTATUS dll_map(HANDLE section, void **base);

/* tls.c: thread-local storage of modules. */
NTSTATUS tls_add_module(struct module *module);
void tls_remove_module(struct module *module);
NTSTATUS tls_start_thread(void);
void tls_end_thread(void);
void tls_call(struct module *module, DWORD reason, void *reserved);

/* start.c */
bool process_is_ending(void);
void __cdecl loader_start_thread(void *start, void *argument);

/* exception.c */
EXCEPTION_DISPOSITION __cdecl thread_final_handler(EXCEPTION_RECORD *record, void *frame,
                                                   CONTEXT *context, void *dispatcher);

/* entry.asm */
int __cdecl execute_dispatch_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context,
                                     void *dispatcher, void *handler);
int __cdecl execute_unwind_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context,
                                   void *dispatcher, void *handler);

static inline void *heap_take(SIZE_T nbytes)
{
    return RtlAllocateHeap(this_peb()->process_heap, HEAP_ZERO_MEMORY, nbytes);
}

static inline void *heap_take_raw(SIZE_T nbytes)
{
    return RtlAllocateHeap(this_peb()->process_heap, 0, nbytes);
}

static inline void heap_give(void *data)
{
    RtlFreeHeap(this_peb()->process_heap, 0, data);
}

#endif
