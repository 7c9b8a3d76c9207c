/*
 * sys/section.c: section objects, and the system calls on sections and views.
 *
 * The usage counter is the object's: a handle and a view count alike, so a view that
 * is left keeps the name alive. mm tells of each view through the operations registered here.
 *
 * Every call decodes all its arguments first, takes the references it needs, and then lets mm
 * perform; user memory is written last, and what was done is undone when that fails.
 */
#include "sys/section.h"

#include "abi/constants.h"
#include "abi/quire.h"
#include "fs/file.h"
#include "kernel/usercopy.h"
#include "mm/image.h"
#include "mm/view.h"
#include "quire/assert.h"
#include "sys/answer.h"
#include "sys/calls.h"
#include "sys/file.h"
#include "sys/pagefile.h"
#include "sys/process.h"

#define VIEW_SHARE 1u /* InheritDisposition: views are never inherited (INH04), both are taken */
#define VIEW_UNMAP 2u

static void section_destroy(struct object *object);

struct object_type section_type = {
    .name = "Section",
    .nbytes = sizeof(struct section_object),
    .generic_read = READ_CONTROL | SECTION_QUERY | SECTION_MAP_READ,
    .generic_write = READ_CONTROL | SECTION_MAP_WRITE,
    .generic_execute = READ_CONTROL | SECTION_MAP_EXECUTE,
    .valid_access = SECTION_ALL_ACCESS,
    .is_named = true,
    .destroy = section_destroy,
};

static struct section_object *object_of(struct section *section)
{
    return container_of(section, struct section_object, section);
}

static void view_mapped(struct section *section)
{
    status_t status = ob_add_view(&object_of(section)->object);
    VERIFY(is_success(status)); /* 2^32 views do not fit into memory */
    __atomic_add_fetch(&section->views, 1, __ATOMIC_RELAXED);
}

static void view_unmapped(struct section *section)
{
    __atomic_sub_fetch(&section->views, 1, __ATOMIC_RELAXED);
    ob_drop_view(&object_of(section)->object);
}

void section_start(void)
{
    static const struct section_owner_operations operations = {view_mapped, view_unmapped};
    ob_register_type(&section_type);
    (void)mm_register_section_owner(&operations);
}

static status_t allocate(struct section_object **section)
{
    struct object *object;
    status_t status = ob_create(&section_type, &object);
    if (is_success(status)) {
        *section = container_of(object, struct section_object, object);
    }
    return status;
}

/* When the section could not be made (STATUS), its object goes again. */
static status_t finish(struct section_object *section, status_t status)
{
    if (is_error(status)) {
        section->section.segment = NULL;
        section->section.claim = NULL;
        ob_unref(&section->object);
    }
    return status;
}

status_t section_create_memory(uint64_t nbytes, uint32_t protection, uint32_t attributes,
                               struct section_object **section)
{
    status_t status = allocate(section);
    if (is_error(status)) {
        return status;
    }
    return finish(*section,
                  mm_section_create_memory(&(*section)->section, nbytes, protection, attributes));
}

status_t section_create_file(struct open_file *open, uint64_t nbytes, uint32_t protection,
                             uint32_t attributes, char *problem, struct section_object **section)
{
    status_t status = allocate(section);
    if (is_error(status)) {
        return status;
    }
    return finish(*section, fs_create_section(open, &(*section)->section, nbytes, protection,
                                              attributes, problem));
}

static void section_destroy(struct object *object)
{
    struct section *section = &container_of(object, struct section_object, object)->section;
    struct file_claim *claim = section->claim;
    if (section->segment != NULL) {
        mm_section_destroy(section);
    }
    if (claim != NULL) {
        fs_release_claim(claim);
    }
}

/* ---- NtCreateSection --------------------------------------------------------------------------
 */

/* What a section of PROTECTION needs of its file's handle (FPA06 to FPA11). */
static uint32_t file_access_of(uint32_t protection)
{
    switch (protection & 0xFFu) {
    case PAGE_READONLY:
    case PAGE_WRITECOPY:
        return FILE_READ_DATA;
    case PAGE_READWRITE:
        return FILE_READ_DATA | FILE_WRITE_DATA;
    case PAGE_EXECUTE:
        return FILE_EXECUTE;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY:
        return FILE_EXECUTE | FILE_READ_DATA;
    default:
        return FILE_EXECUTE | FILE_READ_DATA | FILE_WRITE_DATA;
    }
}

/* A section of memory, or of the file behind FILE_HANDLE. => flags and protection are checked */
static status_t create_section(uint64_t nbytes, uint32_t protection, uint32_t attributes,
                               uint32_t file_handle, struct section_object **section)
{
    if (file_handle == 0) {
        return section_create_memory(nbytes, protection, attributes, section);
    }
    struct file_object *file;
    status_t status = file_reference(file_handle, file_access_of(protection), &file);
    if (is_error(status)) {
        return status;
    }
    status = file->open == NULL
                 ? STATUS_INVALID_FILE_FOR_SECTION
                 : section_create_file(file->open, nbytes, protection, attributes, NULL, section);
    ob_unref(&file->object);
    return status;
}

/* SectionHandle, DesiredAccess, ObjectAttributes, MaximumSize, PageProtection, Attributes, File */
static status_t perform_create_section(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    uaddr_t target = {arguments[0]};
    struct object_attributes attributes = {0, NULL};
    uint64_t nbytes = 0;
    status_t status = ob_clear_target(target);
    if (is_success(status) && arguments[3] != 0) {
        status = copy_from_user(&nbytes, (uaddr_t){arguments[3]}, sizeof(nbytes));
    }
    if (is_success(status)) {
        status = mm_section_check(arguments[4], arguments[5], arguments[6] != 0);
    }
    if (is_success(status)) {
        status = capture_attributes((uaddr_t){arguments[2]}, NAME_CREATE, &attributes);
    }
    if (is_error(status)) {
        return status;
    }
    struct section_object *section = NULL;
    status = create_section(nbytes, arguments[4], arguments[5], arguments[6], &section);
    if (is_success(status)) {
        return ob_publish(&section->object, &attributes, arguments[1], target);
    }
    object_name_free(attributes.name);
    return status;
}

status_t sys_NtCreateSection(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(perform_create_section, arguments, frame);
}

/* SectionHandle, DesiredAccess, ObjectAttributes */
status_t sys_NtOpenSection(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    return ob_open_by_name(&section_type, (uaddr_t){arguments[0]}, arguments[1],
                           (uaddr_t){arguments[2]});
}

/* ---- views ------------------------------------------------------------------------------------
 */

status_t section_access_of(uint32_t protection, uint32_t *access)
{
    switch (protection & 0xFFu) {
    case PAGE_NOACCESS:
    case PAGE_READONLY:
    case PAGE_WRITECOPY:
        *access = SECTION_MAP_READ;
        return STATUS_SUCCESS;
    case PAGE_READWRITE:
        *access = SECTION_MAP_WRITE;
        return STATUS_SUCCESS;
    case PAGE_EXECUTE:
        *access = SECTION_MAP_EXECUTE;
        return STATUS_SUCCESS;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY:
        *access = SECTION_MAP_EXECUTE | SECTION_MAP_READ;
        return STATUS_SUCCESS;
    case PAGE_EXECUTE_READWRITE:
        *access = SECTION_MAP_EXECUTE | SECTION_MAP_WRITE;
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_PAGE_PROTECTION;
    }
}

/* The arguments of NtMapViewOfSection, in the order in which NT refuses them. */
static status_t decode_map(const uint32_t *arguments, struct view_request *request)
{
    *request = (struct view_request){.zero_bits = arguments[3],
                                     .commit_nbytes = arguments[4],
                                     .allocation_type = arguments[8],
                                     .protection = arguments[9]};
    status_t status = mm_check_view_flags(request);
    if (status != STATUS_INVALID_PARAMETER_4 && arguments[7] != VIEW_SHARE &&
        arguments[7] != VIEW_UNMAP) {
        status = STATUS_INVALID_PARAMETER_8;
    }
    if (is_error(status)) {
        return status;
    }
    status = user_read_u32((uaddr_t){arguments[2]}, &request->base.v);
    if (is_success(status)) {
        status = user_read_u32((uaddr_t){arguments[6]}, &request->nbytes);
    }
    if (is_success(status) && arguments[5] != 0) {
        status = copy_from_user(&request->offset, (uaddr_t){arguments[5]}, sizeof(request->offset));
    }
    return is_success(status) ? mm_check_view_range(request) : status;
}

/* Where the view is goes to the caller; when it cannot, the view goes again. */
static status_t report_view(const uint32_t *arguments, struct space *space,
                            const struct view_request *request, status_t mapped)
{
    status_t status = user_write_u32((uaddr_t){arguments[2]}, request->base.v);
    if (is_success(status)) {
        status = user_write_u32((uaddr_t){arguments[6]}, request->nbytes);
    }
    if (is_success(status)) {
        return mapped;
    }
    status_t undone = mm_unmap_view(space, request->base);
    return is_error(undone) ? undone : status;
}

static status_t map_view(const uint32_t *arguments, struct process *process,
                         struct section_object *section, struct view_request *request)
{
    struct space *space;
    status_t status = ps_take_space(process, &space);
    if (is_error(status)) {
        return status;
    }
    if ((request->allocation_type & MEM_RESERVE) != 0) {
        status = fs_reserve_section(&section->section, request->offset, request->nbytes);
    }
    if (is_success(status)) {
        status = mm_map_view(space, &section->section, request);
    }
    if (is_success(status)) {
        status = report_view(arguments, space, request, status);
    }
    ps_release_space(process, space);
    return status;
}

/*
 * SectionHandle, ProcessHandle, BaseAddress*, ZeroBits, CommitSize, SectionOffset*, ViewSize*,
 * InheritDisposition, AllocationType, Protection
 */
static status_t perform_map_view(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct view_request request;
    struct object *process = NULL;
    struct object *section;
    uint32_t access;
    status_t status = decode_map(arguments, &request);
    if (is_success(status)) {
        status = section_access_of(request.protection, &access);
    }
    if (is_success(status)) {
        status = ob_reference(arguments[1], &process_type, PROCESS_VM_OPERATION, &process);
    }
    if (is_error(status)) {
        return status;
    }
    status = ob_reference(arguments[0], &section_type, access, &section);
    if (is_success(status)) {
        status = map_view(arguments, container_of(process, struct process, object),
                          container_of(section, struct section_object, object), &request);
        ob_unref(section);
    }
    ob_unref(process);
    return status;
}

status_t sys_NtMapViewOfSection(const uint32_t *arguments, struct trap_frame *frame)
{
    return commit_and_grow(perform_map_view, arguments, frame);
}

/* ProcessHandle, BaseAddress */
status_t sys_NtUnmapViewOfSection(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object *object;
    struct space *space;
    status_t status = ob_reference(arguments[0], &process_type, PROCESS_VM_OPERATION, &object);
    if (is_error(status)) {
        return status;
    }
    struct process *process = container_of(object, struct process, object);
    status = ps_take_space(process, &space);
    if (is_success(status)) {
        status = mm_unmap_view(space, (uaddr_t){arguments[1]});
        ps_release_space(process, space);
    }
    ob_unref(object);
    return status;
}

/* ProcessHandle, BaseAddress*, RegionSize*, IoStatusBlock* */
status_t sys_NtFlushVirtualMemory(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    uaddr_t address;
    uint32_t nbytes;
    struct object *object;
    struct space *space;
    status_t status = user_read_u32((uaddr_t){arguments[1]}, &address.v);
    if (is_success(status)) {
        status = user_read_u32((uaddr_t){arguments[2]}, &nbytes);
    }
    if (is_success(status)) {
        status = ob_reference(arguments[0], &process_type, PROCESS_VM_OPERATION, &object);
    }
    if (is_error(status)) {
        return status;
    }
    struct process *process = container_of(object, struct process, object);
    status = ps_take_space(process, &space);
    if (is_success(status)) {
        status = mm_flush_view(space, &address, &nbytes);
        ps_release_space(process, space);
    }
    ob_unref(object);
    const struct nt_io_status_block block = {(uint32_t)status, is_success(status) ? nbytes : 0};
    status_t stored = STATUS_SUCCESS;
    if (is_success(status)) {
        stored = user_write_u32((uaddr_t){arguments[1]}, address.v);
    }
    if (is_success(status) && is_success(stored)) {
        stored = user_write_u32((uaddr_t){arguments[2]}, nbytes);
    }
    if (is_success(stored)) {
        stored = copy_to_user((uaddr_t){arguments[3]}, &block, sizeof(block));
    }
    return is_error(status) ? status : stored;
}

/* ---- NtQuerySection, NtExtendSection ----------------------------------------------------------
 */

static status_t query_basic(const uint32_t *arguments, struct section_object *it)
{
    struct nt_section_basic_information answer = {0, it->section.attributes,
                                                  (int64_t)it->section.nbytes};
    return answer_at_least(arguments, &answer, sizeof(answer));
}

static status_t query_image(const uint32_t *arguments, struct section_object *it)
{
    const struct image_information *image = it->section.image;
    if (image == NULL) {
        return STATUS_SECTION_NOT_IMAGE;
    }
    struct nt_section_image_information answer = {
        .transfer_address = image->entry,
        .maximum_stack_size = image->stack_reserve,
        .committed_stack_size = image->stack_commit,
        .sub_system_type = image->subsystem,
        .sub_system_minor_version = image->subsystem_minor,
        .sub_system_major_version = image->subsystem_major,
        .image_characteristics = image->characteristics,
        .dll_characteristics = image->dll_characteristics,
        .machine = image->machine,
        .image_contains_code = 1,
        .image_file_size = image->nbytes,
        .checksum = image->checksum,
    };
    return answer_at_least(arguments, &answer, sizeof(answer));
}

static status_t query_usage(const uint32_t *arguments, struct section_object *it)
{
    struct object_counts counts;
    struct mm_segment_usage usage;
    ob_read_counts(&it->object, &counts);
    mm_segment_read_usage(it->section.segment, &usage);
    struct quire_section_usage answer = {
        .handles = counts.handles,
        .views = counts.usage - counts.handles,
        .references = counts.usage,
        .resident_pages = usage.resident_pages,
        .modified_pages = usage.modified_pages,
        .linked_chunks = usage.linked_chunks,
        .filled_chunks = usage.filled_chunks,
    };
    return answer_at_least(arguments, &answer, sizeof(answer));
}

/* Class and buffer are looked at before the handle. */
static status_t check_query(const uint32_t *arguments)
{
    uint32_t nbytes;
    switch (arguments[1]) {
    case 0:
        nbytes = sizeof(struct nt_section_basic_information);
        break;
    case 1:
        nbytes = sizeof(struct nt_section_image_information);
        break;
    case SECTION_QUIRE_USAGE:
        nbytes = sizeof(struct quire_section_usage);
        break;
    default:
        return STATUS_INVALID_INFO_CLASS;
    }
    if (arguments[3] < nbytes) {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    return user_probe_write((uaddr_t){arguments[2]}, nbytes);
}

/* SectionHandle, InformationClass, Information, Length, ReturnLength* */
status_t sys_NtQuerySection(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    struct object *object;
    status_t status = check_query(arguments);
    if (is_success(status)) {
        status = ob_reference(arguments[0], &section_type, SECTION_QUERY, &object);
    }
    if (is_error(status)) {
        return status;
    }
    struct section_object *it = container_of(object, struct section_object, object);
    switch (arguments[1]) {
    case 0:
        status = query_basic(arguments, it);
        break;
    case 1:
        status = query_image(arguments, it);
        break;
    case SECTION_QUIRE_USAGE:
        status = query_usage(arguments, it);
        break;
    default:
        status = STATUS_INVALID_INFO_CLASS;
        break;
    }
    ob_unref(object);
    return status;
}

/* SectionHandle, NewSize* */
status_t sys_NtExtendSection(const uint32_t *arguments, struct trap_frame *frame)
{
    (void)frame;
    uint64_t nbytes;
    struct object *object;
    status_t status = copy_from_user(&nbytes, (uaddr_t){arguments[1]}, sizeof(nbytes));
    if (is_success(status)) {
        status = ob_reference(arguments[0], &section_type, SECTION_EXTEND_SIZE, &object);
    }
    if (is_error(status)) {
        return status;
    }
    status =
        fs_extend_section(&container_of(object, struct section_object, object)->section, &nbytes);
    if (is_success(status)) {
        status = copy_to_user((uaddr_t){arguments[1]}, &nbytes, sizeof(nbytes));
    }
    ob_unref(object);
    return status;
}
