/*
 * mm/pe.c: reading PE32 files (Microsoft PE and COFF Specification, revision 11).
 *
 * Nothing that a file says is trusted: all ranges are checked here, once, before a segment is made,
 * and a damaged file is refused with what is wrong. Relocations that make no sense are none: the
 * image keeps its preferred base then.
 */
#include "mm/pe.h"

#include "kernel/string.h"
#include "mm/cache.h"
#include "mm/pool.h"

#define RELOCATION_MAX 65536u

#define MACHINE_I386             0x014Cu
#define MACHINE_AMD64            0x8664u
#define MAGIC_PE32               0x010Bu
#define MAGIC_PE32_PLUS          0x020Bu
#define FILE_DLL                 0x2000u
#define FILE_RELOCS_GONE         0x0001u
#define FILE_EXECUTABLE          0x0002u
#define IMPORT_DESCRIPTOR_NBYTES 20u
#define DIRECTORY_IMPORT         1u
#define DIRECTORY_RELOC          5u
#define SECTION_EXECUTE          0x20000000u
#define SECTION_READ             0x40000000u
#define SECTION_WRITE            0x80000000u

struct pe_section {
    char name[8];
    uint32_t virtual_nbytes;
    uint32_t rva;
    uint32_t raw_nbytes;
    uint32_t raw_offset;
    uint32_t relocations, line_numbers;
    uint16_t nrelocations, nline_numbers;
    uint32_t characteristics;
};
STATIC_ASSERT(sizeof(struct pe_section) == 40);

static status_t refuse(struct parse *parse, status_t status, const char *problem)
{
    parse->problem = problem;
    return status;
}

static status_t read_headers(struct parse *parse)
{
    uint8_t dos[64];
    if (parse->file_bytes == 0) {
        return refuse(parse, STATUS_INVALID_FILE_FOR_SECTION, "the file is empty");
    }
    if (parse->file_bytes < sizeof(dos)) {
        return refuse(parse, STATUS_INVALID_IMAGE_NOT_MZ, "too short to be a program");
    }
    status_t status = mm_cache_read(parse->file, 0, dos, sizeof(dos));
    if (is_error(status)) {
        return status;
    }
    if (dos[0] != 'M' || dos[1] != 'Z') {
        return refuse(parse, STATUS_INVALID_IMAGE_NOT_MZ, "no MZ signature: not a program");
    }
    memcpy(&parse->header_offset, &dos[60], sizeof(uint32_t));
    if (parse->header_offset % 4 != 0 || parse->header_offset > parse->file_bytes ||
        parse->file_bytes - parse->header_offset < sizeof(struct pe_headers)) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "the PE header lies outside the file");
    }
    return mm_cache_read(parse->file, parse->header_offset, &parse->headers,
                         sizeof(parse->headers));
}

static bool is_power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1u)) == 0;
}

static status_t check_headers(struct parse *parse)
{
    const struct pe_headers *pe = &parse->headers;
    if (pe->signature != 0x4550u) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "no PE signature");
    }
    if (pe->machine == MACHINE_AMD64 || pe->magic == MAGIC_PE32_PLUS) {
        return refuse(parse, STATUS_INVALID_IMAGE_WIN_64, "a 64-bit program");
    }
    if (pe->machine != MACHINE_I386) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "made for another processor");
    }
    if (pe->magic != MAGIC_PE32 || (pe->characteristics & FILE_EXECUTABLE) == 0) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "not an executable PE32 image");
    }
    if (pe->optional_nbytes < offsetof(struct pe_headers, directories) - 24u ||
        pe->ndirectories > 16 ||
        pe->optional_nbytes <
            offsetof(struct pe_headers, directories) - 24u + 8u * pe->ndirectories) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "the optional header is damaged");
    }
    if (pe->section_alignment < PAGE_BYTES || !is_power_of_two(pe->section_alignment) ||
        pe->file_alignment < 512 || !is_power_of_two(pe->file_alignment)) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "sections are not page-aligned");
    }
    if (pe->image_nbytes == 0 || pe->image_nbytes > 0x40000000u || pe->nsections == 0 ||
        pe->nsections > SECTIONS_MAX || pe->headers_nbytes == 0 ||
        pe->headers_nbytes > pe->image_nbytes || pe->headers_nbytes > parse->file_bytes) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "sizes in the header are damaged");
    }
    if (pe->image_base % 0x10000u != 0 || pe->entry >= pe->image_nbytes) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "base or entry point is damaged");
    }
    return STATUS_SUCCESS;
}

status_t mi_pe_read_headers(struct parse *parse)
{
    status_t status = read_headers(parse);
    return is_success(status) ? check_headers(parse) : status;
}

static prot_t section_prot(uint32_t characteristics)
{
    bool write = (characteristics & SECTION_WRITE) != 0;
    if ((characteristics & SECTION_EXECUTE) != 0) {
        return write ? PROT_EXECUTE_WRITECOPY
                     : ((characteristics & SECTION_READ) != 0 ? PROT_EXECUTE_READ : PROT_EXECUTE);
    }
    if (write) {
        return PROT_WRITECOPY;
    }
    return (characteristics & SECTION_READ) != 0 ? PROT_READONLY : PROT_NOACCESS;
}

/* Appends one PE section to the parts, which stay ascending and apart. */
static status_t add_section(struct parse *parse, const struct pe_section *pe)
{
    struct image *image = parse->image;
    const struct image_part *before = &image->parts[image->nparts - 1];
    uint32_t nbytes = pe->virtual_nbytes != 0 ? pe->virtual_nbytes : pe->raw_nbytes;
    uint32_t limit = parse->headers.image_nbytes;
    if (pe->rva % PAGE_BYTES != 0 || pe->rva >> PAGE_SHIFT < before->first_page + before->npages ||
        pe->rva > limit || nbytes > ((limit + PAGE_MASK) & ~PAGE_MASK) - pe->rva) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "a section lies outside the image");
    }
    if (nbytes == 0) {
        return STATUS_SUCCESS;
    }
    struct image_part *part = &image->parts[image->nparts];
    part->first_page = pe->rva >> PAGE_SHIFT;
    part->npages = pages_of(nbytes);
    part->prot = section_prot(pe->characteristics);
    part->raw_offset = pe->raw_offset & ~511u;
    part->raw_nbytes = min_u32(pe->raw_nbytes, part->npages << PAGE_SHIFT);
    if (pe->raw_offset == 0) {
        part->raw_nbytes = 0;
    }
    if (part->raw_nbytes != 0 && (part->raw_offset > parse->file_bytes ||
                                  part->raw_nbytes > parse->file_bytes - part->raw_offset)) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "a section reaches past the file's end");
    }
    if (prot_is_writecopy(part->prot)) {
        image->copy_pages += part->npages;
    }
    image->nparts++;
    return STATUS_SUCCESS;
}

static void fill_information(struct parse *parse)
{
    const struct pe_headers *pe = &parse->headers;
    struct image_information *information = &parse->image->information;
    information->preferred_base = pe->image_base;
    information->base = pe->image_base;
    information->nbytes = pages_of(pe->image_nbytes) << PAGE_SHIFT;
    information->entry = pe->entry;
    information->stack_reserve = pe->stack_reserve;
    information->stack_commit = pe->stack_commit;
    information->machine = pe->machine;
    information->characteristics = pe->characteristics;
    information->subsystem = pe->subsystem;
    information->subsystem_major = pe->subsystem_major;
    information->subsystem_minor = pe->subsystem_minor;
    information->dll_characteristics = pe->dll_characteristics;
    information->checksum = pe->checksum;
    information->is_dll = (pe->characteristics & FILE_DLL) != 0;
    /* GNU ld gives every image an import directory: without imports, its closing entry alone. */
    information->has_imports = pe->ndirectories > DIRECTORY_IMPORT &&
                               pe->directories[DIRECTORY_IMPORT].rva != 0 &&
                               pe->directories[DIRECTORY_IMPORT].nbytes > IMPORT_DESCRIPTOR_NBYTES;
}

status_t mi_pe_read_sections(struct parse *parse)
{
    struct image *image = parse->image;
    const struct pe_headers *pe = &parse->headers;
    uint64_t place = (uint64_t)parse->header_offset + 24 + pe->optional_nbytes;
    uint32_t nheader_pages = pages_of(pe->headers_nbytes);
    image->parts[0] = (struct image_part){
        .npages = nheader_pages, .raw_nbytes = pe->headers_nbytes, .prot = PROT_READONLY};
    image->nparts = 1;
    if (place + (uint64_t)pe->nsections * sizeof(struct pe_section) > parse->file_bytes) {
        return refuse(parse, STATUS_INVALID_IMAGE_FORMAT, "the section table is cut off");
    }
    for (uint32_t i = 0; i < pe->nsections; i++) {
        struct pe_section section;
        status_t status = mm_cache_read(parse->file, place + (uint64_t)i * sizeof(section),
                                        &section, sizeof(section));
        if (is_success(status)) {
            status = add_section(parse, &section);
        }
        if (is_error(status)) {
            return status;
        }
    }
    fill_information(parse);
    return STATUS_SUCCESS;
}

/* The relocation directory in the file: offset, or 0 when there is none that can be used. */
static uint32_t find_relocations(const struct parse *parse, uint32_t *nbytes)
{
    const struct pe_headers *pe = &parse->headers;
    if (pe->ndirectories <= DIRECTORY_RELOC || (pe->characteristics & FILE_RELOCS_GONE) != 0) {
        return 0;
    }
    uint32_t rva = pe->directories[DIRECTORY_RELOC].rva;
    *nbytes = pe->directories[DIRECTORY_RELOC].nbytes;
    for (uint32_t i = 1; i < parse->image->nparts; i++) {
        const struct image_part *part = &parse->image->parts[i];
        uint32_t start = part->first_page << PAGE_SHIFT;
        if (rva >= start && rva - start < part->raw_nbytes &&
            *nbytes <= part->raw_nbytes - (rva - start) && *nbytes <= RELOCATION_MAX &&
            *nbytes != 0) {
            return part->raw_offset + (rva - start);
        }
    }
    return 0;
}

/* Checks the copied relocation blocks: sizes, pages inside the image, known kinds. */
static bool relocations_are_sound(const struct image *image)
{
    uint32_t place = 0;
    while (image->relocation_nbytes - place >= 8) {
        uint32_t rva;
        uint32_t nbytes;
        memcpy(&rva, image->relocations + place, 4);
        memcpy(&nbytes, image->relocations + place + 4, 4);
        if (nbytes == 0) {
            break;
        }
        if (nbytes < 8 || nbytes % 2 != 0 || nbytes > image->relocation_nbytes - place ||
            rva % PAGE_BYTES != 0 || rva >= image->information.nbytes) {
            return false;
        }
        for (uint32_t i = place + 8; i < place + nbytes; i += 2) {
            uint16_t fixup;
            memcpy(&fixup, image->relocations + i, 2);
            if (fixup >> 12 != FIXUP_ABSOLUTE && fixup >> 12 != FIXUP_HIGHLOW) {
                return false;
            }
        }
        place += nbytes;
    }
    return true;
}

status_t mi_pe_load_relocations(struct parse *parse)
{
    struct image *image = parse->image;
    uint32_t nbytes = 0;
    uint32_t offset = find_relocations(parse, &nbytes);
    if (offset == 0) {
        return STATUS_SUCCESS;
    }
    image->relocations = mm_allocate(nbytes);
    if (image->relocations == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    image->relocation_nbytes = nbytes;
    status_t status = mm_cache_read(parse->file, offset, image->relocations, nbytes);
    if (is_error(status) || relocations_are_sound(image)) {
        return status;
    }
    mm_free(image->relocations, nbytes);
    image->relocations = NULL;
    image->relocation_nbytes = 0;
    return STATUS_SUCCESS;
}
