/*
 * user/ntdll/ldr.c: the modules of the process: the lists at PEB.Ldr, loading, unloading, and the
 * exported Ldr functions.
 *
 * A module is referenced by each module that imports it and by each LdrLoadDll. The modules that
 * the program starts with, and those that a forwarder reached, are pinned. Initialization order is
 * the order in which a module's own imports were complete: what it needs comes before it.
 */
#include "user/ntdll/loader.h"

static struct ldr_data loader_data;
static RTL_CRITICAL_SECTION loader_lock = {(void *)-1, -1, 0, NULL, NULL, 0};

static void insert_last(LIST_ENTRY *list, LIST_ENTRY *links)
{
    links->Flink = list;
    links->Blink = list->Blink;
    list->Blink->Flink = links;
    list->Blink = links;
}

static void remove_links(LIST_ENTRY *links)
{
    if (links->Flink) {
        links->Flink->Blink = links->Blink;
        links->Blink->Flink = links->Flink;
        links->Flink = NULL;
    }
}

static struct module *of_initialization(LIST_ENTRY *links)
{
    return (struct module *)(void *)((char *)links -
                                     offsetof(struct ldr_entry, initialization_links));
}

void modules_initialize(struct peb *peb)
{
    LIST_ENTRY *lists[] = {&loader_data.load_order, &loader_data.memory_order,
                           &loader_data.initialization_order};

    for (unsigned i = 0; i < 3; i++) {
        lists[i]->Flink = lists[i];
        lists[i]->Blink = lists[i];
    }
    loader_data.length = sizeof(loader_data);
    loader_data.initialized = TRUE;
    peb->loader_lock = &loader_lock;
    peb->ldr = &loader_data;
}

#define FOR_EACH_MODULE(at)                                                                        \
    for (struct module *at = (struct module *)loader_data.load_order.Flink;                        \
         &(at)->entry.load_links != &loader_data.load_order;                                       \
         (at) = (struct module *)(at)->entry.load_links.Flink)

struct module *module_by_base(const void *base)
{
    FOR_EACH_MODULE(module)
    {
        if (module->entry.base == base) {
            return module;
        }
    }
    return NULL;
}

static bool has_dot(const WCHAR *text, size_t length)
{
    while (length > 0 && text[length - 1] != L'.') {
        length--;
    }
    return length > 0;
}

/* Whether NAME, or NAME with ".dll" behind it, is the module's base name. */
static bool is_called(const struct module *module, const UNICODE_STRING *name)
{
    const UNICODE_STRING *own = &module->entry.base_name;
    size_t length = name->Length / sizeof(WCHAR);

    if (own->Length != name->Length && own->Length != name->Length + 4 * sizeof(WCHAR)) {
        return false;
    }
    return _wcsnicmp(own->Buffer, name->Buffer, length) == 0 &&
           (own->Length == name->Length ||
            (_wcsnicmp(own->Buffer + length, L".dll", 4) == 0 && !has_dot(name->Buffer, length)));
}

struct module *module_by_name(const UNICODE_STRING *name)
{
    FOR_EACH_MODULE(module)
    {
        if (is_called(module, name)) {
            return module;
        }
    }
    return NULL;
}

struct module *module_by_path(const UNICODE_STRING *path)
{
    FOR_EACH_MODULE(module)
    {
        const UNICODE_STRING *own = &module->entry.full_name;
        if (own->Length == path->Length &&
            _wcsnicmp(own->Buffer, path->Buffer, path->Length / sizeof(WCHAR)) == 0) {
            return module;
        }
    }
    return NULL;
}

static void set_names(struct module *module, WCHAR *buffer, const UNICODE_STRING *path)
{
    struct ldr_entry *entry = &module->entry;
    size_t length = path->Length / sizeof(WCHAR);
    size_t start = length;

    memcpy(buffer, path->Buffer, path->Length);
    buffer[length] = 0;
    entry->full_name.Buffer = buffer;
    entry->full_name.Length = path->Length;
    entry->full_name.MaximumLength = (USHORT)(path->Length + sizeof(WCHAR));
    while (start > 0 && buffer[start - 1] != L'\\' && buffer[start - 1] != L'/') {
        start--;
    }
    entry->base_name.Buffer = buffer + start;
    entry->base_name.Length = (USHORT)((length - start) * sizeof(WCHAR));
    entry->base_name.MaximumLength = (USHORT)(entry->base_name.Length + sizeof(WCHAR));
}

/*
 * Enters the image mapped at BASE into the lists, with one reference. Whatever needs initializing
 * (not the program) also comes into the initialization order, by the caller.
 */
NTSTATUS module_add(void *base, const UNICODE_STRING *path, bool is_program, struct module **result)
{
    IMAGE_NT_HEADERS *headers;
    NTSTATUS status = image_check(base, &headers);

    if (!NT_SUCCESS(status)) {
        return status;
    }
    struct module *module = heap_take(sizeof(*module) + path->Length + sizeof(WCHAR));
    if (!module) {
        return STATUS_NO_MEMORY;
    }
    struct ldr_entry *entry = &module->entry;
    set_names(module, (WCHAR *)(module + 1), path);
    module->headers = headers;
    entry->base = base;
    entry->size = headers->OptionalHeader.SizeOfImage;
    entry->flags = is_program ? 0 : LDR_IMAGE_DLL;
    entry->load_count = 1;
    entry->time_stamp = headers->FileHeader.TimeDateStamp;
    if (headers->OptionalHeader.AddressOfEntryPoint) {
        entry->entry_point = (char *)base + headers->OptionalHeader.AddressOfEntryPoint;
    }
    uint32_t size;
    const IMAGE_EXPORT_DIRECTORY *exports =
        image_directory(module, IMAGE_DIRECTORY_ENTRY_EXPORT, &size);
    module->exports = size >= sizeof(*exports) ? exports : NULL;
    module->exports_size = size;
    entry->hash_links.Flink = entry->hash_links.Blink = &entry->hash_links;
    insert_last(&loader_data.load_order, &entry->load_links);
    insert_last(&loader_data.memory_order, &entry->memory_links);
    *result = module;
    return STATUS_SUCCESS;
}

void module_ref(struct module *module)
{
    if (module->entry.load_count < LDR_PINNED - 1) {
        module->entry.load_count++;
    }
}

static void drop_imports(struct module *module)
{
    for (uint32_t i = 0; i < module->nimports; i++) {
        module_unref(module->imports[i]);
    }
    heap_give(module->imports);
}

/* Takes a module that nobody references off the lists, and unmaps it. */
static void module_remove(struct module *module)
{
    remove_links(&module->entry.load_links);
    remove_links(&module->entry.memory_links);
    remove_links(&module->entry.initialization_links);
    tls_remove_module(module);
    drop_imports(module);
    NtUnmapViewOfSection(THIS_PROCESS, module->entry.base);
    heap_give(module);
}

static BOOL call_module(struct module *module, DWORD reason, void *reserved)
{
    BOOL result = TRUE;

    tls_call(module, reason, reserved);
    if (module->entry.entry_point && (module->entry.flags & LDR_IMAGE_DLL)) {
        result = ((dll_main)module->entry.entry_point)(module->entry.base, reason, reserved);
    }
    return result;
}

void module_unref(struct module *module)
{
    if (module->entry.load_count >= LDR_PINNED - 1 || --module->entry.load_count > 0) {
        return;
    }
    if (module->entry.flags & LDR_PROCESS_ATTACHED) {
        module->entry.flags &= ~LDR_PROCESS_ATTACHED;
        module->entry.load_count = 1; /* DllMain may load and free */
        call_module(module, DLL_PROCESS_DETACH, NULL);
    }
    module_remove(module);
}

/* Relocates a module just mapped and completes it with its imports and TLS. */
static NTSTATUS complete(struct module *module, unsigned depth, struct load_problem *problem)
{
    NTSTATUS status = image_relocate(module);

    if (NT_SUCCESS(status)) {
        status = import_all(module, depth, problem);
    }
    if (NT_SUCCESS(status)) {
        status = tls_add_module(module);
    }
    if (NT_SUCCESS(status)) {
        insert_last(&loader_data.initialization_order, &module->entry.initialization_links);
    }
    return status;
}

/* Appends ".dll" to a name whose last part has no dot; cuts a dot that ends it. */
static NTSTATUS complete_name(const UNICODE_STRING *name, WCHAR *buffer, UNICODE_STRING *result)
{
    size_t length = name->Length / sizeof(WCHAR);
    size_t at = length;

    if (length == 0 || length + 5 > MAX_PATH_CHARACTERS) {
        return STATUS_DLL_NOT_FOUND;
    }
    memcpy(buffer, name->Buffer, name->Length);
    while (at > 0 && buffer[at - 1] != L'.' && buffer[at - 1] != L'\\' && buffer[at - 1] != L'/') {
        at--;
    }
    if (at == 0 || buffer[at - 1] != L'.') {
        memcpy(buffer + length, L".dll", 4 * sizeof(WCHAR));
        length += 4;
    } else if (at == length) {
        length--;
    }
    buffer[length] = 0;
    result->Buffer = buffer;
    result->Length = (USHORT)(length * sizeof(WCHAR));
    result->MaximumLength = (USHORT)(result->Length + sizeof(WCHAR));
    return STATUS_SUCCESS;
}

/* Maps the section of PATH's file and makes a module of it. Closes SECTION. */
static NTSTATUS load_section(HANDLE section, const UNICODE_STRING *path, unsigned depth,
                             struct load_problem *problem, struct module **result)
{
    void *base;
    struct module *module;
    NTSTATUS status = dll_map(section, &base);

    NtClose(section);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    status = module_add(base, path, false, &module);
    if (!NT_SUCCESS(status)) {
        NtUnmapViewOfSection(THIS_PROCESS, base);
        return status;
    }
    status = complete(module, depth, problem);
    if (!NT_SUCCESS(status)) {
        module_remove(module);
        return status;
    }
    *result = module;
    return STATUS_SUCCESS;
}

/* Finds, maps and completes a module that is not loaded under NAME. Needs much stack. */
static __attribute__((noinline)) NTSTATUS load_new(const WCHAR *search_path,
                                                   const UNICODE_STRING *name, unsigned depth,
                                                   struct load_problem *problem,
                                                   struct module **result)
{
    WCHAR path_buffer[MAX_PATH_CHARACTERS + 4];
    WCHAR name_buffer[MAX_PATH_CHARACTERS];
    UNICODE_STRING path = {.MaximumLength = MAX_PATH_CHARACTERS * sizeof(WCHAR),
                           .Buffer = path_buffer + 4};
    UNICODE_STRING full_name;
    HANDLE section;
    NTSTATUS status = complete_name(name, name_buffer, &full_name);

    if (NT_SUCCESS(status)) {
        status = dll_open(search_path, &full_name, &path, &section);
    }
    if (!NT_SUCCESS(status)) {
        return status;
    }
    struct module *module = module_by_path(&path);
    if (!module) {
        return load_section(section, &path, depth, problem, result);
    }
    NtClose(section);
    module_ref(module);
    *result = module;
    return STATUS_SUCCESS;
}

/*
 * The module called NAME, loaded now if it is not, with one more reference. Nothing is initialized
 * yet (module_attach_all).
 * => loader lock held.
 */
NTSTATUS module_load(const WCHAR *search_path, const UNICODE_STRING *name, unsigned depth,
                     struct load_problem *problem, struct module **result)
{
    struct module *module = module_by_name(name);

    if (depth > MAX_LOAD_DEPTH) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    if (!module) {
        return load_new(search_path, name, depth, problem, result);
    }
    module_ref(module);
    *result = module;
    return STATUS_SUCCESS;
}

/*
 * Initializes every module that is not yet, in initialization order. RESERVED: not NULL at process
 * start.
 * => STATUS_DLL_INIT_FAILED, *FAILED: the module whose DllMain refused.
 */
NTSTATUS module_attach_all(void *reserved, struct module **failed)
{
    LIST_ENTRY *list = &loader_data.initialization_order;
    LIST_ENTRY *at = list->Flink;

    while (at != list) {
        struct module *module = of_initialization(at);
        if (!(module->entry.flags & LDR_PROCESS_ATTACHED)) {
            module->entry.flags |= LDR_PROCESS_ATTACHED;
            if (!call_module(module, DLL_PROCESS_ATTACH, reserved)) {
                module->entry.flags &= ~LDR_PROCESS_ATTACHED;
                *failed = module;
                return STATUS_DLL_INIT_FAILED;
            }
        }
        at = at->Flink;
    }
    return STATUS_SUCCESS;
}

void modules_pin(void)
{
    FOR_EACH_MODULE(module)
    {
        module->entry.load_count = LDR_PINNED;
    }
}

void modules_notify_thread(DWORD reason)
{
    LIST_ENTRY *list = &loader_data.initialization_order;
    bool forward = reason == DLL_THREAD_ATTACH;
    struct module *program = (struct module *)loader_data.load_order.Flink;

    for (LIST_ENTRY *at = forward ? list->Flink : list->Blink; at != list;
         at = forward ? at->Flink : at->Blink) {
        struct module *module = of_initialization(at);
        if ((module->entry.flags & LDR_PROCESS_ATTACHED) &&
            !(module->entry.flags & LDR_DONT_CALL_THREADS)) {
            call_module(module, reason, NULL);
        }
    }
    tls_call(program, reason, NULL);
}

/* Process end: every module learns of it, the last initialized first. */
void modules_detach_all(void)
{
    LIST_ENTRY *list = &loader_data.initialization_order;

    tls_call((struct module *)loader_data.load_order.Flink, DLL_PROCESS_DETACH, (void *)1);
    for (LIST_ENTRY *at = list->Blink; at != list; at = at->Blink) {
        struct module *module = of_initialization(at);
        if (module->entry.flags & LDR_PROCESS_ATTACHED) {
            module->entry.flags &= ~LDR_PROCESS_ATTACHED;
            call_module(module, DLL_PROCESS_DETACH, (void *)1);
        }
    }
}

/*
 * The exported functions
 */

/* FLAGS may be NULL; PATH: directories to search instead of the usual ones, or NULL. */
NTSTATUS NTAPI LdrLoadDll(WCHAR *path, ULONG *flags, UNICODE_STRING *name, HMODULE *result)
{
    struct module *module;
    struct module *failed;

    (void)flags;
    *result = NULL;
    RtlEnterCriticalSection(&loader_lock);
    NTSTATUS status = module_load(path, name, 0, NULL, &module);
    if (NT_SUCCESS(status)) {
        status = module_attach_all(NULL, &failed);
        if (NT_SUCCESS(status)) {
            *result = module->entry.base;
        } else {
            module_unref(module);
        }
    }
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

NTSTATUS NTAPI LdrUnloadDll(HMODULE base)
{
    RtlEnterCriticalSection(&loader_lock);
    struct module *module = module_by_base(base);
    if (module && !process_is_ending()) {
        module_unref(module);
    }
    RtlLeaveCriticalSection(&loader_lock);
    return module ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

NTSTATUS NTAPI LdrAddRefDll(ULONG flags, HMODULE base)
{
    RtlEnterCriticalSection(&loader_lock);
    struct module *module = module_by_base(base);
    if (module && (flags & 1)) {
        module->entry.load_count = LDR_PINNED;
    } else if (module) {
        module_ref(module);
    }
    RtlLeaveCriticalSection(&loader_lock);
    return module ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS NTAPI LdrGetDllHandle(WCHAR *path, ULONG *flags, UNICODE_STRING *name, HMODULE *result)
{
    WCHAR buffer[MAX_PATH_CHARACTERS];
    WCHAR path_buffer[MAX_PATH_CHARACTERS];
    UNICODE_STRING full_name;
    struct module *module = NULL;

    (void)path;
    (void)flags;
    *result = NULL;
    NTSTATUS status = complete_name(name, buffer, &full_name);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    bool has_directory = false;
    for (const WCHAR *at = buffer; *at; at++) {
        has_directory |= *at == L'\\' || *at == L'/' || *at == L':';
    }
    if (has_directory) {
        ULONG nbytes = RtlGetFullPathName_U(buffer, sizeof(path_buffer), path_buffer, NULL);
        if (nbytes == 0 || nbytes >= sizeof(path_buffer)) {
            return STATUS_DLL_NOT_FOUND;
        }
        full_name.Buffer = path_buffer;
        full_name.Length = (USHORT)nbytes;
    }
    RtlEnterCriticalSection(&loader_lock);
    module = has_directory ? module_by_path(&full_name) : module_by_name(&full_name);
    if (module) {
        *result = module->entry.base;
    }
    RtlLeaveCriticalSection(&loader_lock);
    return module ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

/* FLAGS: 1 = leave the reference count alone, 2 = pin. Otherwise it takes a reference. */
NTSTATUS NTAPI LdrGetDllHandleEx(ULONG flags, WCHAR *path, ULONG *characteristics,
                                 UNICODE_STRING *name, HMODULE *result)
{
    RtlEnterCriticalSection(&loader_lock);
    NTSTATUS status = LdrGetDllHandle(path, characteristics, name, result);
    if (NT_SUCCESS(status) && !(flags & 1)) {
        status = LdrAddRefDll(flags & 2 ? 1 : 0, *result);
    }
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

/* NAME NULL (or empty): by ORDINAL. */
NTSTATUS NTAPI LdrGetProcedureAddress(HMODULE base, STRING *name, ULONG ordinal, void **address)
{
    char text[256];
    struct module *failed;
    NTSTATUS status = STATUS_DLL_NOT_FOUND;

    *address = NULL;
    if (name && name->Length >= sizeof(text)) {
        return STATUS_ENTRYPOINT_NOT_FOUND;
    }
    if (name && name->Length) {
        memcpy(text, name->Buffer, name->Length);
        text[name->Length] = 0;
    } else {
        name = NULL;
    }
    RtlEnterCriticalSection(&loader_lock);
    struct module *module = module_by_base(base);
    if (module) {
        status = import_find(module, name ? text : NULL, name ? 0xFFFF : ordinal, 0, address);
    }
    if (NT_SUCCESS(status)) {
        status = module_attach_all(NULL, &failed); /* a forwarder may have loaded something */
    }
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

NTSTATUS NTAPI LdrDisableThreadCalloutsForDll(HMODULE base)
{
    RtlEnterCriticalSection(&loader_lock);
    struct module *module = module_by_base(base);
    NTSTATUS status = !module       ? STATUS_DLL_NOT_FOUND
                      : module->tls ? STATUS_INVALID_PARAMETER
                                    : STATUS_SUCCESS;
    if (NT_SUCCESS(status)) {
        module->entry.flags |= LDR_DONT_CALL_THREADS;
    }
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

NTSTATUS NTAPI LdrFindEntryForAddress(void *address, struct ldr_entry **entry)
{
    NTSTATUS status = STATUS_NO_MORE_ENTRIES;

    RtlEnterCriticalSection(&loader_lock);
    FOR_EACH_MODULE(module)
    {
        if ((uintptr_t)address - (uintptr_t)module->entry.base < module->entry.size) {
            *entry = &module->entry;
            status = STATUS_SUCCESS;
            break;
        }
    }
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

PVOID NTAPI RtlPcToFileHeader(PVOID address, PVOID *base)
{
    struct ldr_entry *entry;

    *base = NT_SUCCESS(LdrFindEntryForAddress(address, &entry)) ? entry->base : NULL;
    return *base;
}

/* FLAGS: 1 = raise on error (there is none), 2 = only try. *RESULT: 1 locked, 2 not locked. */
NTSTATUS NTAPI LdrLockLoaderLock(ULONG flags, ULONG *result, ULONG_PTR *cookie)
{
    bool locked = true;

    if (flags & 2) {
        locked = RtlTryEnterCriticalSection(&loader_lock);
    } else {
        RtlEnterCriticalSection(&loader_lock);
    }
    if (result) {
        *result = locked ? 1 : 2;
    }
    *cookie = locked ? (ULONG_PTR)this_teb()->client_id.thread : 0;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI LdrUnlockLoaderLock(ULONG flags, ULONG_PTR cookie)
{
    (void)flags;
    if (cookie) {
        RtlLeaveCriticalSection(&loader_lock);
    }
    return STATUS_SUCCESS;
}
