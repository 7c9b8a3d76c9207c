/*
 * sys/image.c: ntdll as the kernel knows it, and the names of modules for reports.
 *
 * The other DLLs of the system are opened once, at start, as sections called \KnownDlls\<name>:
 * starting a program looks up no path for them.
 *
 * ntdll's section is made once and its two entry points are looked up in its export directory; the
 * file is read as any program's memory is, through a space that exists only for that. Everything
 * read from an image is checked: a damaged file yields "not found", never more.
 */
#include "sys/image.h"

#include "abi/constants.h"
#include "fs/file.h"
#include "fs/volume.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "mm/image.h"
#include "mm/space.h"
#include "mm/view.h"
#include "mm/virtual.h"
#include "sys/process.h"
#include "sys/section.h"

/* Offsets in a PE32 file (Microsoft PE and COFF Specification). */
#define DOS_NT_OFFSET      0x3Cu
#define NT_EXPORT_RVA      0x78u
#define EXPORT_NAME        0x0Cu
#define EXPORT_NFUNCTIONS  0x14u
#define EXPORT_NNAMES      0x18u
#define EXPORT_FUNCTIONS   0x1Cu
#define EXPORT_NAMES       0x20u
#define EXPORT_ORDINALS    0x24u
#define EXPORT_NAMES_MAX   65536u
#define EXPORT_NAME_LENGTH 48u

static struct section_object *ntdll; /* [c] after start; NULL: there is none */
static uint32_t ntdll_base;
static uint32_t ntdll_start;
static uint32_t ntdll_dispatcher;

uint32_t image_ntdll_start(void)
{
    return ntdll_start;
}

uint32_t image_ntdll_dispatcher(void)
{
    return ntdll_dispatcher;
}

/* ---- reading an image that is mapped ----------------------------------------------------------
 */

static bool read_bytes(struct space *space, uint32_t address, void *target, uint32_t nbytes)
{
    uint32_t copied;
    return is_success(mm_read_space(space, (uaddr_t){address}, target, nbytes, &copied));
}

static bool read_word(struct space *space, uint32_t address, uint32_t *word)
{
    return read_bytes(space, address, word, sizeof(*word));
}

/* A text of at most NBYTES - 1 characters; what cannot be read ends it. */
static void read_text(struct space *space, uint32_t address, char *text, uint32_t nbytes)
{
    uint32_t i = 0;
    while (i + 1 < nbytes && read_bytes(space, address + i, &text[i], 1) && text[i] != '\0') {
        i++;
    }
    text[i] = '\0';
}

/* The address of the export directory of the image at BASE. */
static bool find_exports(struct space *space, uint32_t base, uint32_t *exports)
{
    uint32_t nt;
    uint32_t rva;
    if (!read_word(space, base + DOS_NT_OFFSET, &nt) || nt > 0x1000u ||
        !read_word(space, base + nt + NT_EXPORT_RVA, &rva) || rva == 0) {
        return false;
    }
    *exports = base + rva;
    return true;
}

/* The address of the export NAME, 0: none. */
static uint32_t find_export(struct space *space, uint32_t base, const char *name)
{
    uint32_t exports;
    uint32_t count;
    uint32_t names;
    uint32_t ordinals;
    uint32_t functions;
    if (!find_exports(space, base, &exports) ||
        !read_word(space, exports + EXPORT_NNAMES, &count) ||
        !read_word(space, exports + EXPORT_NAMES, &names) ||
        !read_word(space, exports + EXPORT_ORDINALS, &ordinals) ||
        !read_word(space, exports + EXPORT_FUNCTIONS, &functions)) {
        return 0;
    }
    for (uint32_t i = 0; i < min_u32(count, EXPORT_NAMES_MAX); i++) {
        char text[EXPORT_NAME_LENGTH];
        uint32_t rva;
        uint16_t ordinal;
        if (!read_word(space, base + names + i * 4u, &rva)) {
            return 0;
        }
        read_text(space, base + rva, text, sizeof(text));
        if (strcmp(text, name) == 0 &&
            read_bytes(space, base + ordinals + i * 2u, &ordinal, sizeof(ordinal)) &&
            read_word(space, base + functions + ordinal * 4u, &rva)) {
            return base + rva;
        }
    }
    return 0;
}

/* ---- ntdll ------------------------------------------------------------------------------------
 */

static status_t open_image(const char *path, struct section_object **result)
{
    struct open_file *open;
    status_t status = fs_open_kernel(path, &open);
    if (is_success(status)) {
        status = section_create_file(open, 0, PAGE_EXECUTE_READ, SEC_IMAGE, NULL, result);
        fs_close(open);
    }
    return status;
}

/* Maps SECTION in SPACE; at its own base, or not at all. */
static status_t map_at_base(struct section_object *section, struct space *space)
{
    struct view_request request = {.protection = PAGE_EXECUTE_WRITECOPY};
    status_t status = mm_map_view(space, &section->section, &request);
    if (status == STATUS_SUCCESS && request.base.v == section->section.image->base) {
        return status;
    }
    if (is_success(status)) {
        status = mm_unmap_view(space, request.base);
    }
    return is_error(status) ? status : STATUS_CONFLICTING_ADDRESSES;
}

static bool look_up_entries(struct space *space)
{
    ntdll_start = find_export(space, ntdll_base, "LdrInitializeThunk");
    ntdll_dispatcher = find_export(space, ntdll_base, "KiUserExceptionDispatcher");
    return ntdll_start != 0 && ntdll_dispatcher != 0;
}

/* Gives the image at PATH the name NAME, for good. */
static void add_known(const char *path, const char *name)
{
    struct section_object *section;
    struct object *used;
    if (is_error(open_image(path, &section))) {
        return; /* the loader then says what is missing, if a program wants it */
    }
    struct object_name *known = object_name_make(name);
    if (known != NULL && is_success(ob_add_named_handle(&section->object, &known, 0, &used))) {
        return;
    }
    object_name_free(known);
    ob_unref(&section->object);
}

void image_start(void)
{
    struct section_object *section;
    struct space *space;
    if (!fs_is_mounted()) {
        return;
    }
    status_t status = open_image(NTDLL_PATH, &section);
    if (is_error(status)) {
        log_print("sys: no %s (0x%08x): only programs without DLLs run\n", NTDLL_PATH,
                  (uint32_t)status);
        return;
    }
    ntdll_base = section->section.image->base;
    bool is_usable = false;
    if (is_success(mm_space_create(&space))) {
        is_usable = is_success(map_at_base(section, space)) && look_up_entries(space);
        mm_space_empty(space);
        mm_space_destroy(space);
    }
    if (is_usable) {
        ntdll = section;
        add_known(SYSTEM_PATH "kernel32.dll", "\\kernel32.dll");
        add_known(SYSTEM_PATH "msvcrt.dll", "\\msvcrt.dll");
        add_known(SYSTEM_PATH "advapi32.dll", "\\advapi32.dll");
    } else {
        log_print("sys: %s lacks its entry points\n", NTDLL_PATH);
        ob_unref(&section->object);
    }
}

status_t image_map_ntdll(struct space *space)
{
    return ntdll != NULL ? map_at_base(ntdll, space) : STATUS_DLL_NOT_FOUND;
}

/* ---- names ------------------------------------------------------------------------------------
 */

bool image_name_at(struct process *process, struct space *space, uint32_t address, char *name,
                   uint32_t nbytes, uint32_t *base)
{
    struct memory_region region;
    uint32_t exports;
    uint32_t rva;
    if (is_error(mm_query_virtual(space, (uaddr_t){address}, &region)) ||
        region.type != MEM_IMAGE) {
        return false;
    }
    *base = region.allocation_base.v;
    if (*base == process->image_base) {
        size_t length = strnlen(process->name, nbytes - 1u);
        memcpy(name, process->name, length);
        name[length] = '\0';
        return length != 0;
    }
    if (!find_exports(space, *base, &exports) || !read_word(space, exports + EXPORT_NAME, &rva)) {
        return false;
    }
    read_text(space, *base + rva, name, nbytes);
    return name[0] != '\0';
}
