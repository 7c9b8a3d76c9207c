/*
 * user/ntdll/tls.c: thread-local storage of modules (the TLS directory of an image).
 *
 * Each module with a TLS directory has an index; each thread a vector of as many blocks, found by
 * compiled code through TEB.ThreadLocalStoragePointer. A thread's block of a module begins as a
 * copy of the module's template. Vectors have room for all indices from the start, so that a DLL
 * loaded later only adds blocks to them.
 *
 * The loader lock guards everything here.
 */
#include "user/ntdll/loader.h"

#define MAX_TLS_MODULES 64u

struct tls_vector {
    LIST_ENTRY links;
    void *blocks[MAX_TLS_MODULES];
};

static LIST_ENTRY vectors = {&vectors, &vectors};
static struct tls_vector first_vector;
static struct module *owners[MAX_TLS_MODULES];

static bool is_range_inside(const struct module *module, uint32_t start, uint32_t end)
{
    uint32_t base = (uint32_t)(uintptr_t)module->entry.base;

    return start <= end && start - base <= module->entry.size && end - base <= module->entry.size;
}

/* A new block with the module's initial data; NULL without memory. */
static void *make_block(const struct module *module)
{
    const IMAGE_TLS_DIRECTORY *tls = module->tls;
    SIZE_T nbytes = tls->EndAddressOfRawData - tls->StartAddressOfRawData;
    void *block = heap_take(nbytes + tls->SizeOfZeroFill);

    if (block) {
        memcpy(block, (const void *)(uintptr_t)tls->StartAddressOfRawData, nbytes);
    }
    return block;
}

static NTSTATUS add_blocks(struct module *module, unsigned index)
{
    for (LIST_ENTRY *at = vectors.Flink; at != &vectors; at = at->Flink) {
        struct tls_vector *vector = (struct tls_vector *)at;
        vector->blocks[index] = make_block(module);
        if (!vector->blocks[index]) {
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_SUCCESS;
}

/* Gives a module that has a TLS directory its index, and every thread a block of it. */
NTSTATUS tls_add_module(struct module *module)
{
    uint32_t size;
    const IMAGE_TLS_DIRECTORY *tls = image_directory(module, IMAGE_DIRECTORY_ENTRY_TLS, &size);
    unsigned index = 0;

    if (!tls) {
        return STATUS_SUCCESS;
    }
    if (size < sizeof(*tls) ||
        !is_range_inside(module, tls->StartAddressOfRawData, tls->EndAddressOfRawData) ||
        (tls->AddressOfIndex &&
         !is_range_inside(module, tls->AddressOfIndex, tls->AddressOfIndex + 4)) ||
        tls->SizeOfZeroFill > 0x1000000) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    while (index < MAX_TLS_MODULES && owners[index]) {
        index++;
    }
    if (index == MAX_TLS_MODULES) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    module->tls = tls;
    module->entry.tls_index = (USHORT)index;
    owners[index] = module;
    if (tls->AddressOfIndex) {
        *(uint32_t *)(uintptr_t)tls->AddressOfIndex = index;
    }
    return add_blocks(module, index);
}

void tls_remove_module(struct module *module)
{
    unsigned index = module->entry.tls_index;

    if (!module->tls) {
        return;
    }
    for (LIST_ENTRY *at = vectors.Flink; at != &vectors; at = at->Flink) {
        struct tls_vector *vector = (struct tls_vector *)at;
        heap_give(vector->blocks[index]);
        vector->blocks[index] = NULL;
    }
    owners[index] = NULL;
    module->tls = NULL;
}

/* The calling thread's vector, with a block of each module. */
NTSTATUS tls_start_thread(void)
{
    bool is_first = !first_vector.links.Flink;
    struct tls_vector *vector = is_first ? &first_vector : heap_take(sizeof(*vector));

    if (!vector) {
        return STATUS_NO_MEMORY;
    }
    vector->links.Flink = &vectors;
    vector->links.Blink = vectors.Blink;
    vectors.Blink->Flink = &vector->links;
    vectors.Blink = &vector->links;
    this_teb()->thread_local_storage = vector->blocks;
    for (unsigned i = 0; i < MAX_TLS_MODULES; i++) {
        if (owners[i] && !(vector->blocks[i] = make_block(owners[i]))) {
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_SUCCESS;
}

void tls_end_thread(void)
{
    void **blocks = this_teb()->thread_local_storage;

    if (!blocks) {
        return;
    }
    struct tls_vector *vector =
        (struct tls_vector *)(void *)((char *)blocks - offsetof(struct tls_vector, blocks));
    this_teb()->thread_local_storage = NULL;
    vector->links.Flink->Blink = vector->links.Blink;
    vector->links.Blink->Flink = vector->links.Flink;
    for (unsigned i = 0; i < MAX_TLS_MODULES; i++) {
        heap_give(vector->blocks[i]);
        vector->blocks[i] = NULL;
    }
    if (vector != &first_vector) {
        heap_give(vector);
    }
}

/* Calls a module's TLS callbacks. */
void tls_call(struct module *module, DWORD reason, void *reserved)
{
    if (!module->tls || !module->tls->AddressOfCallBacks) {
        return;
    }
    PIMAGE_TLS_CALLBACK const *callback =
        (PIMAGE_TLS_CALLBACK const *)(uintptr_t)module->tls->AddressOfCallBacks;
    for (; *callback; callback++) {
        (*callback)(module->entry.base, reason, reserved);
    }
}
