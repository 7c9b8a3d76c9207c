/*
 * sys/start.c: a process from an image file.
 *
 *   image section -> process -> view of the image -> ntdll, when the image imports anything
 *   -> one block of memory: PEB, process parameters, first TEB -> first thread
 *
 * Each step undoes nothing itself: whatever fails, the process is abandoned and releases all it
 * has. The parameters are copied from the caller's memory in small pieces, each byte once; the
 * new block is laid out from lengths that were captured before.
 */
#include "sys/start.h"

#include "abi/constants.h"
#include "fs/file.h"
#include "kernel/cpu.h"
#include "kernel/string.h"
#include "kernel/usercopy.h"
#include "mm/image.h"
#include "mm/pool.h"
#include "mm/space.h"
#include "mm/trace.h"
#include "mm/view.h"
#include "mm/virtual.h"
#include "sys/file.h"
#include "sys/image.h"
#include "sys/section.h"

#define TEB_NBYTES       0x1000u
#define PARAMETERS_AT    ((uint32_t)sizeof(struct nt_peb))
#define PIECE_NBYTES     768u
#define TEXT_NBYTES_MAX  0xFFFEu
#define SUBSYSTEM_GUI    2u
#define SUBSYSTEM_CUI    3u
#define OS_MAJOR_VERSION 6u
#define OS_MINOR_VERSION 1u
#define OS_BUILD         7601u
#define OS_PLATFORM_NT   2u

/* ---- writing into the new process -------------------------------------------------------------
 */

static status_t put(struct process *process, uint32_t address, const void *source, uint32_t nbytes)
{
    uint32_t copied;
    return mm_write_space(process->space, (uaddr_t){address}, source, nbytes, &copied);
}

/* Gathers what goes to ascending addresses, and writes it in large pieces. */
struct writer {
    struct process *process;
    uint32_t address; /* of the first byte in the buffer */
    uint32_t used;
    uint8_t buffer[PIECE_NBYTES];
};

static status_t writer_flush(struct writer *writer)
{
    status_t status = STATUS_SUCCESS;
    if (writer->used != 0) {
        status = put(writer->process, writer->address, writer->buffer, writer->used);
        writer->address += writer->used;
        writer->used = 0;
    }
    return status;
}

/* NBYTES from the kernel (KERNEL) or from the caller's memory (at USER, when KERNEL is NULL). */
static status_t writer_put(struct writer *writer, const void *kernel, uint32_t user,
                           uint32_t nbytes)
{
    uint32_t done = 0;
    while (done < nbytes) {
        uint32_t n = min_u32(nbytes - done, PIECE_NBYTES - writer->used);
        uint8_t *target = writer->buffer + writer->used;
        status_t status = STATUS_SUCCESS;
        if (kernel != NULL) {
            memcpy(target, (const uint8_t *)kernel + done, n);
        } else {
            status = copy_from_user(target, (uaddr_t){user + done}, n);
        }
        writer->used += n;
        done += n;
        if (is_success(status) && writer->used == PIECE_NBYTES) {
            status = writer_flush(writer);
        }
        if (is_error(status)) {
            return status;
        }
    }
    return STATUS_SUCCESS;
}

/* ---- the parameters ---------------------------------------------------------------------------
 */

/* Bytes that a text takes in the block: with a zero, on a multiple of 4. */
static uint32_t room_for(const struct start_text *text)
{
    return (text->nbytes + 2u + 3u) & ~3u;
}

static uint32_t block_nbytes(const struct program_start *it)
{
    uint32_t nbytes = (uint32_t)sizeof(struct nt_process_parameters);
    for (uint32_t i = 0; i < START_TEXTS; i++) {
        nbytes += room_for(&it->texts[i]);
    }
    return nbytes;
}

/* The field of the parameters that ROLE's text fills; NULL for the environment. */
static struct nt_unicode_string *field_of(struct nt_process_parameters *parameters,
                                          enum start_text_role role)
{
    switch (role) {
    case START_CURRENT_DIRECTORY:
        return &parameters->current_directory;
    case START_DLL_PATH:
        return &parameters->dll_path;
    case START_IMAGE_PATH:
        return &parameters->image_path_name;
    case START_COMMAND_LINE:
        return &parameters->command_line;
    case START_WINDOW_TITLE:
        return &parameters->window_title;
    case START_DESKTOP:
        return &parameters->desktop_info;
    case START_SHELL:
        return &parameters->shell_info;
    case START_RUNTIME_DATA:
        return &parameters->runtime_data;
    case START_ENVIRONMENT:
    case START_TEXTS:
        break;
    }
    return NULL;
}

/* Fills in where the strings will lie, when the block is at ADDRESS. */
static void place_texts(struct program_start *it, uint32_t address)
{
    struct nt_process_parameters *parameters = &it->parameters;
    uint32_t at = address + (uint32_t)sizeof(*parameters);
    for (uint32_t i = 0; i < START_TEXTS; i++) {
        const struct start_text *text = &it->texts[i];
        struct nt_unicode_string *field = field_of(parameters, (enum start_text_role)i);
        if (field != NULL) {
            /* The longest text has no room for its zero in 16 bits; the zero is there. */
            *field = (struct nt_unicode_string){
                (uint16_t)text->nbytes, (uint16_t)min_u32(text->nbytes + 2u, TEXT_NBYTES_MAX), at};
        } else {
            parameters->environment = at;
            parameters->environment_size = text->nbytes;
        }
        at += room_for(text);
    }
    parameters->maximum_length = at - address;
    parameters->length = at - address;
    parameters->flags |= NT_PARAMETERS_NORMALIZED;
    parameters->current_directory_handle = 0;
}

/* The structure, then each text and its zero. */
static status_t write_parameters(const struct program_start *it, struct process *process)
{
    static const uint8_t zeroes[8];
    struct writer writer;
    writer.process = process;
    writer.address = it->parameters_address;
    writer.used = 0;
    status_t status = writer_put(&writer, &it->parameters, 0, sizeof(it->parameters));
    for (uint32_t i = 0; i < START_TEXTS && is_success(status); i++) {
        const struct start_text *text = &it->texts[i];
        if (text->nbytes != 0) {
            status = writer_put(&writer, text->kernel, text->user, text->nbytes);
        }
        if (is_success(status)) {
            status = writer_put(&writer, zeroes, 0, room_for(text) - text->nbytes);
        }
    }
    return is_success(status) ? writer_flush(&writer) : status;
}

/* The standard handles that the child gets anew. */
static status_t give_standard_handles(struct program_start *it, struct process *process)
{
    uint32_t *const fields[START_STANDARD_HANDLES] = {&it->parameters.standard_input,
                                                      &it->parameters.standard_output,
                                                      &it->parameters.standard_error};
    for (uint32_t i = 0; i < START_STANDARD_HANDLES; i++) {
        if (it->standard[i] == NULL) {
            continue;
        }
        status_t status = handle_open(&process->handles, it->standard[i], it->standard_access[i],
                                      HANDLE_INHERIT, fields[i]);
        if (is_error(status)) {
            return status;
        }
    }
    process->standard_error = it->parameters.standard_error;
    return STATUS_SUCCESS;
}

/* ---- the PEB ----------------------------------------------------------------------------------
 */

static status_t write_peb(struct process *process, const struct image_information *image,
                          uint32_t parameters)
{
    const uint32_t peb = process->peb;
    const uint32_t head[] = {0, UINT32_MAX, process->image_base, 0, parameters};
    const struct {
        uint32_t major, minor;
        uint16_t build, service_pack;
        uint32_t platform, subsystem, subsystem_major, subsystem_minor, affinity;
    } tail = {OS_MAJOR_VERSION,
              OS_MINOR_VERSION,
              OS_BUILD,
              0x100,
              OS_PLATFORM_NT,
              image->subsystem,
              image->subsystem_major,
              image->subsystem_minor,
              1};
    const struct {
        uint32_t processors, flags, padding;
        int64_t timeout;
        uint32_t heap_reserve, heap_commit;
    } middle = {cpu_count(), 0, 0, -25920000000000ll, 0x100000, 0x2000};
    _Static_assert(offsetof(struct nt_peb, critical_section_timeout) ==
                       offsetof(struct nt_peb, number_of_processors) + 12,
                   "PEB");
    status_t status = put(process, peb, head, sizeof(head));
    if (is_success(status)) {
        status = put(process, peb + (uint32_t)offsetof(struct nt_peb, number_of_processors),
                     &middle, sizeof(middle));
    }
    if (is_success(status)) {
        status = put(process, peb + (uint32_t)offsetof(struct nt_peb, os_major_version), &tail,
                     sizeof(tail));
    }
    return status;
}

/*
 * One allocation, high up: the PEB, the parameters right behind it, and on a page of its own the
 * first thread's TEB.
 */
static status_t build_block(struct program_start *it, struct process *process,
                            const struct image_information *image, uint32_t *teb)
{
    uaddr_t base = {0};
    uint32_t teb_at = (PARAMETERS_AT + block_nbytes(it) + PAGE_MASK) & ~PAGE_MASK;
    uint32_t nbytes = teb_at + TEB_NBYTES;
    status_t status = mm_allocate_virtual(process->space, &base, &nbytes, 0,
                                          MEM_RESERVE | MEM_COMMIT | MEM_TOP_DOWN, PAGE_READWRITE);
    if (is_error(status)) {
        return status;
    }
    process->peb = base.v;
    *teb = base.v + teb_at;
    it->parameters_address = base.v + PARAMETERS_AT;
    status = give_standard_handles(it, process);
    if (is_success(status)) {
        place_texts(it, it->parameters_address);
        status = write_parameters(it, process);
    }
    return is_success(status) ? write_peb(process, image, it->parameters_address) : status;
}

/* ---- the image --------------------------------------------------------------------------------
 */

static status_t refuse(struct program_start *it, const char *why)
{
    size_t length = strnlen(why, sizeof(it->problem) - 1u);
    memcpy(it->problem, why, length);
    it->problem[length] = '\0';
    return STATUS_INVALID_IMAGE_FORMAT;
}

static status_t check_image(struct program_start *it, const struct image_information *image)
{
    if (image->is_dll) {
        return refuse(it, "it is a DLL, not a program");
    }
    if (image->entry == 0) {
        return refuse(it, "it has no entry point");
    }
    if (image->subsystem != SUBSYSTEM_CUI && image->subsystem != SUBSYSTEM_GUI) {
        return refuse(it, "it is for another subsystem than Win32");
    }
    return STATUS_SUCCESS;
}

/* The path of the image and its last part in ASCII, for reports. Without memory: no names. */
static void name_process(struct process *process, const struct open_file *image)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < image->path_length; i++) {
        first = image->path[i] == u'\\' ? i + 1u : first;
    }
    uint32_t length = min_u32(image->path_length - first, PROCESS_NAME_CHARACTERS - 1u);
    for (uint32_t i = 0; i < length; i++) {
        uint16_t character = image->path[first + i];
        process->name[i] = character >= ' ' && character < 127 ? (char)character : '?';
    }
    process->name[length] = '\0';
    process->path = mm_allocate((image->path_length + 2u) * 2u);
    if (process->path != NULL) {
        process->path_nbytes = (image->path_length + 2u) * 2u;
        process->path[0] = u'C';
        process->path[1] = u':';
        memcpy(process->path + 2, image->path, image->path_length * 2u);
    }
}

static status_t map_image(struct process *process, struct section_object *section)
{
    const struct image_information *image = section->section.image;
    struct view_request request = {.protection = PAGE_EXECUTE_WRITECOPY};
    status_t status = mm_map_view(process->space, &section->section, &request);
    if (is_error(status)) {
        return status;
    }
    if (request.base.v != image->base) {
        return STATUS_CONFLICTING_ADDRESSES; /* its pages are relocated to another base */
    }
    process->image_base = image->base;
    process->image_end = image->base + image->nbytes;
    process->image_entry = image->entry;
    process->stack_reserve = image->stack_reserve;
    process->stack_commit = image->stack_commit;
    if (image->has_imports) {
        status = image_map_ntdll(process->space);
        process->has_ntdll = is_success(status);
    }
    return is_error(status) ? status : STATUS_SUCCESS;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static status_t fill_process(struct program_start *it, struct process *process,
                             struct section_object *section, struct user_thread **thread)
{
    uint32_t teb = 0;
    name_process(process, it->image);
    mm_trace_process(process->space->id, process->id, process->name);
    status_t status = map_image(process, section);
    if (is_success(status)) {
        status = build_block(it, process, section->section.image, &teb);
    }
    if (is_error(status)) {
        return status;
    }
    const struct thread_start start = {.start = process->image_entry,
                                       .argument = process->peb,
                                       .teb = teb,
                                       .is_suspended = it->is_suspended};
    return ps_create_thread(process, &start, thread);
}

status_t program_create(struct program_start *it, struct process **result,
                        struct user_thread **thread)
{
    struct section_object *section;
    struct process *process;
    it->problem[0] = '\0';
    status_t status =
        section_create_file(it->image, 0, PAGE_EXECUTE, SEC_IMAGE, it->problem, &section);
    if (is_error(status)) {
        return status;
    }
    status = check_image(it, section->section.image);
    if (is_success(status)) {
        status = ps_create_process(it->parent, it->inherit, &process);
    }
    if (is_success(status)) {
        status = fill_process(it, process, section, thread);
        if (is_success(status)) {
            *result = process;
        } else {
            ps_abandon_process(process, status);
            ob_unref(&process->object);
        }
    }
    ob_unref(&section->object); /* its views keep it */
    return status;
}
