/*
 * user/ntdll/image.c: reading an image that is mapped: headers, directories, exports, relocation.
 *
 * Every offset that comes from the file is checked against the image's size before it is used: a
 * damaged export or import table gives an error, never a fault in the loader.
 */
#include "user/ntdll/loader.h"

/* The NT headers of an image mapped at BASE; NULL when there is none. */
IMAGE_NT_HEADERS *NTAPI RtlImageNtHeader(void *base)
{
    IMAGE_DOS_HEADER *dos = base;

    if (!base || dos->e_magic != IMAGE_DOS_SIGNATURE || dos->e_lfanew < (LONG)sizeof(*dos) ||
        dos->e_lfanew > 0x10000) {
        return NULL;
    }
    IMAGE_NT_HEADERS *headers = (void *)((char *)base + dos->e_lfanew);
    return headers->Signature == IMAGE_NT_SIGNATURE ? headers : NULL;
}

/* => STATUS_INVALID_IMAGE_NOT_MZ, STATUS_INVALID_IMAGE_FORMAT, STATUS_INVALID_IMAGE_WIN_64 */
NTSTATUS image_check(void *base, IMAGE_NT_HEADERS **headers)
{
    IMAGE_NT_HEADERS *found = RtlImageNtHeader(base);

    if (!found) {
        return STATUS_INVALID_IMAGE_NOT_MZ;
    }
    if (found->FileHeader.Machine == IMAGE_FILE_MACHINE_AMD64) {
        return STATUS_INVALID_IMAGE_WIN_64;
    }
    if (found->FileHeader.Machine != IMAGE_FILE_MACHINE_I386 ||
        found->OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR32_MAGIC) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    *headers = found;
    return STATUS_SUCCESS;
}

static void *directory_of(void *base, const IMAGE_NT_HEADERS *headers, unsigned directory,
                          uint32_t *size)
{
    const IMAGE_OPTIONAL_HEADER *optional = &headers->OptionalHeader;

    *size = 0;
    if (directory >= optional->NumberOfRvaAndSizes ||
        directory >= IMAGE_NUMBEROF_DIRECTORY_ENTRIES) {
        return NULL;
    }
    const IMAGE_DATA_DIRECTORY *entry = &optional->DataDirectory[directory];
    if (!entry->VirtualAddress || !entry->Size || entry->VirtualAddress >= optional->SizeOfImage ||
        entry->Size > optional->SizeOfImage - entry->VirtualAddress) {
        return NULL;
    }
    *size = entry->Size;
    return (char *)base + entry->VirtualAddress;
}

/* NULL when the image has none, or it lies outside the image. */
void *image_directory(const struct module *module, unsigned directory, uint32_t *size)
{
    return directory_of(module->entry.base, module->headers, directory, size);
}

/* Only images that are mapped as images (MAPPED) are known here. */
void *NTAPI RtlImageDirectoryEntryToData(void *base, BOOLEAN mapped, USHORT directory, ULONG *size)
{
    uint32_t nbytes = 0;
    void *image = (void *)((uintptr_t)base & ~(uintptr_t)3);
    IMAGE_NT_HEADERS *headers = RtlImageNtHeader(image);
    void *data = NULL;

    if (headers && mapped && ((uintptr_t)base & 3) == 0) {
        data = directory_of(image, headers, directory, &nbytes);
    }
    *size = nbytes;
    return data;
}

/*
 * Exports
 */

static bool is_inside(const struct module *module, uint32_t rva, uint32_t nbytes)
{
    return rva < module->entry.size && nbytes <= module->entry.size - rva;
}

static bool are_tables_inside(const struct module *module, const IMAGE_EXPORT_DIRECTORY *exports)
{
    uint32_t limit = module->entry.size / 4;

    return exports->NumberOfFunctions < limit && exports->NumberOfNames < limit &&
           is_inside(module, exports->AddressOfFunctions, exports->NumberOfFunctions * 4) &&
           is_inside(module, exports->AddressOfNames, exports->NumberOfNames * 4) &&
           is_inside(module, exports->AddressOfNameOrdinals, exports->NumberOfNames * 2);
}

/*
 * A hash table of the names, which tools/bind.py adds to our own DLLs: most of a program's start
 * goes into looking names up. Found at the RVA in the export directory's Characteristics.
 */
struct name_table {
    uint32_t magic;
    uint32_t count;   /* of slots, a power of two */
    uint32_t slots[]; /* 0, or the upper half of the name's hash | index of the name + 1 */
};
#define NAME_TABLE_MAGIC 0x4D414E51u /* "QNAM" */

static const struct name_table *find_name_table(const struct module *module)
{
    uint32_t rva = module->exports->Characteristics;
    const struct name_table *table = (const void *)((const char *)module->entry.base + rva);

    if (rva == 0 || rva % 4 || !is_inside(module, rva, sizeof(*table)) ||
        table->magic != NAME_TABLE_MAGIC || table->count & (table->count - 1) ||
        !is_inside(module, rva, sizeof(*table) + table->count * 4)) {
        return NULL;
    }
    return table;
}

/* Whether the export name at RVA is NAME, of NBYTES with its zero. */
static bool is_name_at(const struct module *module, uint32_t rva, const char *name, uint32_t nbytes)
{
    const char *other = (const char *)module->entry.base + rva;

    if (!is_inside(module, rva, nbytes)) {
        return false;
    }
    for (; nbytes >= 4; nbytes -= 4, name += 4, other += 4) {
        if (*(const uint32_t *)(const void *)name != *(const uint32_t *)(const void *)other) {
            return false;
        }
    }
    while (nbytes > 0 && *name == *other) {
        nbytes--;
        name++;
        other++;
    }
    return nbytes == 0;
}

/* The index of NAME in the table of names by the hash table; -1 when there is none. */
static int find_hashed(const struct module *module, const char *name)
{
    const struct name_table *table = module->hash_table;
    uint32_t hash = 0x811C9DC5u; /* FNV-1a */
    const char *end = name;

    for (; *end; end++) {
        hash = (hash ^ (uint8_t)*end) * 0x01000193u;
    }
    uint32_t count = table->count;
    uint32_t at = hash;
    for (uint32_t left = count; left > 0; left--, at++) {
        uint32_t slot = table->slots[at & (count - 1)];
        uint32_t index = (slot & 0xFFFF) - 1;
        if (slot == 0) {
            break;
        }
        if ((slot ^ hash) >> 16 == 0 && index < module->exports->NumberOfNames &&
            is_name_at(module, module->names[index], name, (uint32_t)(end - name) + 1)) {
            return (int)index;
        }
    }
    return -1;
}

/* The same by halving, HINT first. */
static int find_sorted(const struct module *module, const char *name, uint32_t hint)
{
    const char *base = module->entry.base;
    uint32_t low = 0;
    uint32_t high = module->exports->NumberOfNames;
    uint32_t middle = hint < high ? hint : high / 2;

    while (low < high) {
        if (module->names[middle] >= module->entry.size) {
            return -1;
        }
        int order = strcmp(name, base + module->names[middle]);
        if (order == 0) {
            return (int)middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
        middle = (low + high) / 2;
    }
    return -1;
}

/* Looks at MODULE's export directory before it is first used. => false: it is damaged */
static bool check_exports(struct module *module)
{
    const IMAGE_EXPORT_DIRECTORY *exports = module->exports;
    const char *base = module->entry.base;

    if (!are_tables_inside(module, exports)) {
        return false;
    }
    module->exports_checked = true;
    module->functions = (const void *)(base + exports->AddressOfFunctions);
    module->names = (const void *)(base + exports->AddressOfNames);
    module->ordinals = (const void *)(base + exports->AddressOfNameOrdinals);
    module->hash_table = find_name_table(module);
    return true;
}

/* The index of an export into the table of functions; UINT32_MAX: there is none of that name. */
static uint32_t find_function(const struct module *module, const char *name,
                              uint32_t hint_or_ordinal)
{
    if (!name) {
        return hint_or_ordinal - module->exports->Base;
    }
    int index =
        module->hash_table ? find_hashed(module, name) : find_sorted(module, name, hint_or_ordinal);
    return index < 0 ? UINT32_MAX : module->ordinals[index];
}

/*
 * An export by NAME (the second argument a hint) or, with NAME NULL, by ordinal.
 * => *FORWARDER: NULL, or the text "module.name" that stands in its place (*ADDRESS is not set).
 *    STATUS_ENTRYPOINT_NOT_FOUND, STATUS_ORDINAL_NOT_FOUND, STATUS_INVALID_IMAGE_FORMAT.
 */
NTSTATUS image_export(struct module *module, const char *name, uint32_t hint_or_ordinal,
                      void **address, const char **forwarder)
{
    *forwarder = NULL;
    if (module->exports && !module->exports_checked && !check_exports(module)) {
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    uint32_t index = module->exports ? find_function(module, name, hint_or_ordinal) : UINT32_MAX;
    uint32_t rva = index != UINT32_MAX && index < module->exports->NumberOfFunctions
                       ? module->functions[index]
                       : 0;
    if (rva == 0 || rva >= module->entry.size) {
        return name ? STATUS_ENTRYPOINT_NOT_FOUND : STATUS_ORDINAL_NOT_FOUND;
    }
    char *found = (char *)module->entry.base + rva;
    if ((uintptr_t)found - (uintptr_t)module->exports < module->exports_size) {
        *forwarder = found;
    } else {
        *address = found;
    }
    return STATUS_SUCCESS;
}

/*
 * Relocation
 */

static NTSTATUS relocate_block(const struct module *module, const IMAGE_BASE_RELOCATION *block,
                               uint32_t delta)
{
    const uint16_t *entries = (const void *)(block + 1);
    uint32_t count = (block->SizeOfBlock - sizeof(*block)) / 2;
    char *page = (char *)module->entry.base + block->VirtualAddress;

    for (uint32_t i = 0; i < count; i++) {
        unsigned type = entries[i] >> 12;
        unsigned offset = entries[i] & 0xFFF;
        if (type == IMAGE_REL_BASED_ABSOLUTE) {
            continue;
        }
        if (type != IMAGE_REL_BASED_HIGHLOW ||
            !is_inside(module, block->VirtualAddress + offset, 4)) {
            return STATUS_INVALID_IMAGE_FORMAT;
        }
        uint32_t value;
        memcpy(&value, page + offset, 4);
        value += delta;
        memcpy(page + offset, &value, 4);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS relocate_pages(const struct module *module, const IMAGE_BASE_RELOCATION *block,
                               uint32_t size, uint32_t delta)
{
    NTSTATUS status = STATUS_SUCCESS;

    while (size >= sizeof(*block) && NT_SUCCESS(status)) {
        if (block->SizeOfBlock < sizeof(*block) || block->SizeOfBlock > size) {
            return STATUS_INVALID_IMAGE_FORMAT;
        }
        void *start = (char *)module->entry.base + block->VirtualAddress;
        SIZE_T nbytes = 0x1000 + 4; /* an entry may reach into the next page */
        ULONG old;
        if (!is_inside(module, block->VirtualAddress, 1)) {
            return STATUS_INVALID_IMAGE_FORMAT;
        }
        if (block->VirtualAddress + nbytes > module->entry.size) {
            nbytes = module->entry.size - block->VirtualAddress;
        }
        status =
            NtProtectVirtualMemory(THIS_PROCESS, &start, &nbytes, PAGE_EXECUTE_READWRITE, &old);
        if (NT_SUCCESS(status)) {
            status = relocate_block(module, block, delta);
        }
        size -= block->SizeOfBlock;
        block = (const void *)((const char *)block + block->SizeOfBlock);
    }
    return status;
}

/* Gives each section the protection that its flags ask for, after relocation opened them all. */
static void restore_protections(const struct module *module)
{
    static const ULONG protections[8] = {
        PAGE_NOACCESS, PAGE_READONLY,     PAGE_READWRITE,         PAGE_READWRITE,
        PAGE_EXECUTE,  PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_READWRITE,
    };
    const IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(module->headers);

    for (unsigned i = 0; i < module->headers->FileHeader.NumberOfSections; i++, section++) {
        unsigned index = (section->Characteristics & IMAGE_SCN_MEM_READ ? 1 : 0) |
                         (section->Characteristics & IMAGE_SCN_MEM_WRITE ? 2 : 0) |
                         (section->Characteristics & IMAGE_SCN_MEM_EXECUTE ? 4 : 0);
        void *start = (char *)module->entry.base + section->VirtualAddress;
        SIZE_T nbytes = section->Misc.VirtualSize;
        ULONG old;
        if (nbytes && is_inside(module, section->VirtualAddress, (uint32_t)nbytes)) {
            NtProtectVirtualMemory(THIS_PROCESS, &start, &nbytes, protections[index], &old);
        }
    }
}

/*
 * Relocates an image that does not lie at the base that its pages were made for: the ImageBase
 * field of its headers, which the kernel sets to the base it chose for the image's shared pages.
 * The pages changed here become this process's own.
 */
NTSTATUS image_relocate(struct module *module)
{
    uint32_t delta =
        (uint32_t)(uintptr_t)module->entry.base - module->headers->OptionalHeader.ImageBase;
    uint32_t size;

    if (delta == 0) {
        return STATUS_SUCCESS;
    }
    module->entry.flags |= LDR_IMAGE_NOT_AT_BASE;
    const IMAGE_BASE_RELOCATION *block =
        image_directory(module, IMAGE_DIRECTORY_ENTRY_BASERELOC, &size);
    if (!block) {
        return module->headers->FileHeader.Characteristics & IMAGE_FILE_RELOCS_STRIPPED
                   ? STATUS_CONFLICTING_ADDRESSES
                   : STATUS_SUCCESS;
    }
    NTSTATUS status = relocate_pages(module, block, size, delta);
    if (NT_SUCCESS(status)) {
        restore_protections(module);
    }
    return status;
}
