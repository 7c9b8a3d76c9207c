/*
 * user/ntdll/import.c: fills a module's import address tables.
 *
 * A DLL of ours is bound at build time (tools/bind.py): its tables hold final addresses, its
 * import descriptors have TimeDateStamp 0xFFFFFFFF and, in ForwarderChain, the base that the
 * imported DLL was bound at; the bound-import directory has that DLL's time stamp, and what its
 * forwarders led to. Where all that still holds, the descriptor is done and its pages stay shared;
 * else it is filled as for any other image: export by hint, then by binary search, following
 * forwarders.
 */
#include "user/ntdll/loader.h"

#define BOUND   0xFFFFFFFFu
#define NO_HINT 0xFFFFu

struct import_context {
    struct module *module;
    unsigned depth;
    struct load_problem *problem;
};

static void copy_text(char *to, size_t limit, const char *from)
{
    size_t length = strnlen(from, limit - 1);

    memcpy(to, from, length);
    to[length] = 0;
}

static void note(struct load_problem *problem, const struct module *wanted_by, const char *library,
                 const char *symbol)
{
    if (!problem || problem->library[0]) {
        return; /* the innermost problem is the one to tell */
    }
    problem->wanted_by = wanted_by->entry.base_name;
    copy_text(problem->library, sizeof(problem->library), library);
    copy_text(problem->symbol, sizeof(problem->symbol), symbol);
}

/* The text at RVA, when it lies in the image; NULL. */
static const char *text_at(const struct module *module, uint32_t rva)
{
    return rva && rva < module->entry.size ? (const char *)module->entry.base + rva : NULL;
}

/* Loads the DLL NAME and references it. */
static NTSTATUS load_by_text(const char *name, size_t length, unsigned depth,
                             struct load_problem *problem, struct module **module)
{
    WCHAR buffer[128];
    UNICODE_STRING wide = {.Buffer = buffer};

    if (length == 0 || length > 120) {
        return STATUS_DLL_NOT_FOUND;
    }
    for (size_t i = 0; i < length; i++) {
        buffer[i] = (uint8_t)name[i];
    }
    buffer[length] = 0;
    wide.Length = (USHORT)(length * sizeof(WCHAR));
    wide.MaximumLength = (USHORT)(wide.Length + sizeof(WCHAR));
    return module_load(NULL, &wide, depth, problem, module);
}

/*
 * The module that the first LENGTH characters of FORWARDER name, loaded if need be and pinned:
 * nobody holds a reference for a forwarder. Most forwarders in a row name the same one.
 */
static NTSTATUS find_forwarded(const char *forwarder, size_t length, unsigned depth,
                               struct module **target)
{
    static struct module *latest;
    static char latest_name[32];

    if (latest && length < sizeof(latest_name) && memcmp(forwarder, latest_name, length) == 0 &&
        !latest_name[length]) {
        *target = latest;
        return STATUS_SUCCESS;
    }
    NTSTATUS status = load_by_text(forwarder, length, depth + 1, NULL, target);
    if (NT_SUCCESS(status)) {
        (*target)->entry.load_count = LDR_PINNED;
        if (length < sizeof(latest_name)) {
            latest = *target;
            copy_text(latest_name, length + 1, forwarder);
        }
    }
    return status;
}

/* Follows the forwarder "module.name" or "module.#ordinal". */
static NTSTATUS follow(const char *forwarder, unsigned depth, void **address)
{
    const char *dot = strrchr(forwarder, '.');
    struct module *target;
    ULONG ordinal = 0;

    if (!dot || depth >= MAX_LOAD_DEPTH) {
        return STATUS_ENTRYPOINT_NOT_FOUND;
    }
    NTSTATUS status = find_forwarded(forwarder, (size_t)(dot - forwarder), depth, &target);
    if (!NT_SUCCESS(status)) {
        return status;
    }
    if (dot[1] != '#') {
        return import_find(target, dot + 1, NO_HINT, depth + 1, address);
    }
    RtlCharToInteger(dot + 2, 10, &ordinal);
    return import_find(target, NULL, ordinal, depth + 1, address);
}

/* The address of an export, through forwarders. NAME NULL: by ordinal. */
NTSTATUS import_find(struct module *module, const char *name, uint32_t hint_or_ordinal,
                     unsigned depth, void **address)
{
    const char *forwarder;
    NTSTATUS status = image_export(module, name, hint_or_ordinal, address, &forwarder);

    if (NT_SUCCESS(status) && forwarder) {
        status = follow(forwarder, depth, address);
    }
    return status;
}

/* Whether each DLL that a forwarder led the binder to is loaded as it was then. */
static bool are_forwarders_good(const IMAGE_BOUND_FORWARDER_REF *ref, unsigned count,
                                const char *start, uint32_t size)
{
    for (; count > 0; count--, ref++) {
        const char *base = (const char *)((uintptr_t)ref->Reserved << 16);
        const struct module *module = module_by_base(base);
        if ((const char *)(ref + 1) > start + size || !module ||
            module->entry.time_stamp != ref->TimeDateStamp) {
            return false;
        }
    }
    return true;
}

/* Whether what the descriptor was bound to is what is loaded. */
static bool is_binding_good(const struct import_context *context,
                            const IMAGE_IMPORT_DESCRIPTOR *descriptor, const char *library,
                            const struct module *target)
{
    uint32_t size;

    if (descriptor->TimeDateStamp != BOUND ||
        descriptor->ForwarderChain != (uint32_t)(uintptr_t)target->entry.base) {
        return false;
    }
    const char *start = image_directory(context->module, IMAGE_DIRECTORY_ENTRY_BOUND_IMPORT, &size);
    if (!start) {
        return false;
    }
    const IMAGE_BOUND_IMPORT_DESCRIPTOR *bound = (const void *)start;
    while ((const char *)(bound + 1) <= start + size && bound->OffsetModuleName) {
        unsigned count = bound->NumberOfModuleForwarderRefs;
        if (bound->TimeDateStamp == target->entry.time_stamp && bound->OffsetModuleName < size &&
            _stricmp(start + bound->OffsetModuleName, library) == 0) {
            return are_forwarders_good((const void *)(bound + 1), count, start, size);
        }
        bound += 1 + count;
    }
    return false;
}

static NTSTATUS fill_slot(const struct import_context *context, struct module *target,
                          const char *library, uint32_t lookup, void **slot)
{
    NTSTATUS status = STATUS_INVALID_IMAGE_FORMAT;

    if (lookup & IMAGE_ORDINAL_FLAG32) {
        char text[12] = "#";
        status = import_find(target, NULL, lookup & 0xFFFF, context->depth, slot);
        if (!NT_SUCCESS(status)) {
            unsigned at = sizeof(text) - 1;
            text[at] = 0;
            for (uint32_t n = lookup & 0xFFFF; n || at == sizeof(text) - 1; n /= 10) {
                text[--at] = (char)('0' + n % 10);
            }
            text[--at] = '#';
            note(context->problem, context->module, library, text + at);
        }
        return status;
    }
    const char *entry = text_at(context->module, lookup);
    if (!entry) {
        return status;
    }
    status = import_find(target, entry + 2, *(const uint16_t *)(const void *)entry, context->depth,
                         slot);
    if (!NT_SUCCESS(status)) {
        note(context->problem, context->module, library, entry + 2);
    }
    return status;
}

/* The page range [first, last] of an import address table, made writable for the filling. */
static NTSTATUS set_writable(void **first, uint32_t count, ULONG *protection)
{
    void *start = first;
    SIZE_T nbytes = count * sizeof(void *);

    return NtProtectVirtualMemory(THIS_PROCESS, &start, &nbytes, *protection, protection);
}

static bool is_writable(const struct module *module, uint32_t rva)
{
    const IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(module->headers);

    for (unsigned i = 0; i < module->headers->FileHeader.NumberOfSections; i++, section++) {
        if (rva - section->VirtualAddress < section->Misc.VirtualSize) {
            return (section->Characteristics & IMAGE_SCN_MEM_WRITE) != 0;
        }
    }
    return false;
}

static NTSTATUS fill_table(const struct import_context *context,
                           const IMAGE_IMPORT_DESCRIPTOR *descriptor, struct module *target,
                           const char *library)
{
    const struct module *module = context->module;
    char *base = module->entry.base;
    uint32_t names =
        descriptor->OriginalFirstThunk ? descriptor->OriginalFirstThunk : descriptor->FirstThunk;
    uint32_t size = module->entry.size;
    NTSTATUS status = STATUS_SUCCESS;
    ULONG protection = PAGE_READWRITE;

    if (names >= size || descriptor->FirstThunk >= size || (names | descriptor->FirstThunk) % 4) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    const uint32_t *lookup = (const void *)(base + names);
    void **slot = (void *)(base + descriptor->FirstThunk);
    uint32_t limit = (size - (names > descriptor->FirstThunk ? names : descriptor->FirstThunk)) / 4;
    uint32_t count = 0;
    while (count < limit && lookup[count]) {
        count++;
    }
    if (count == limit) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    bool locked = !is_writable(module, descriptor->FirstThunk);
    if (locked && count && !NT_SUCCESS(status = set_writable(slot, count, &protection))) {
        return status;
    }
    for (uint32_t i = 0; i < count && NT_SUCCESS(status); i++) {
        status = fill_slot(context, target, library, lookup[i], &slot[i]);
    }
    if (locked && count) {
        set_writable(slot, count, &protection);
    }
    return status;
}

static NTSTATUS import_one(const struct import_context *context,
                           const IMAGE_IMPORT_DESCRIPTOR *descriptor)
{
    struct module *module = context->module;
    const char *library = text_at(module, descriptor->Name);
    struct module *target;

    if (!library) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    NTSTATUS status =
        load_by_text(library, strnlen(library, 128), context->depth + 1, context->problem, &target);
    if (!NT_SUCCESS(status)) {
        note(context->problem, module, library, "");
        return status;
    }
    module->imports[module->nimports++] = target;
    if (is_binding_good(context, descriptor, library, target)) {
        return STATUS_SUCCESS;
    }
    return fill_table(context, descriptor, target, library);
}

/*
 * Loads what MODULE imports and fills its tables. On failure the references taken stay in
 * MODULE->imports, for whoever removes the module. PROBLEM may be NULL.
 * => loader lock held.
 */
NTSTATUS import_all(struct module *module, unsigned depth, struct load_problem *problem)
{
    struct import_context context = {module, depth, problem};
    NTSTATUS status = STATUS_SUCCESS;
    uint32_t size;
    const IMAGE_IMPORT_DESCRIPTOR *first =
        image_directory(module, IMAGE_DIRECTORY_ENTRY_IMPORT, &size);
    uint32_t count = 0;

    if (!first) {
        return STATUS_SUCCESS;
    }
    const char *end = (const char *)module->entry.base + module->entry.size;
    while ((const char *)(first + count + 1) <= end && first[count].Name &&
           first[count].FirstThunk) {
        count++;
    }
    if (count == 0) {
        return STATUS_SUCCESS;
    }
    module->imports = heap_take(count * sizeof(struct module *));
    if (!module->imports) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count && NT_SUCCESS(status); i++) {
        status = import_one(&context, &first[i]);
    }
    return status;
}
