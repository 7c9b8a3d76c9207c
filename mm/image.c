/*
 * mm/image.c: PE32 images as segments (Microsoft PE and COFF Specification, revision 11).
 *
 * An image segment has one prototype entry for each page of SizeOfImage; until its page is brought
 * an entry carries the protection that the PE section asks for. The pager reads the file through
 * its data segment and relocates pages as they come, to the one base that was chosen for the image
 * when it was made: so relocated pages are shared too. Nothing read from the file is trusted: all
 * ranges are checked when the segment is made, and a damaged file is refused with what is wrong.
 */
#include "mm/image.h"

#include "abi/constants.h"
#include "kernel/format.h"
#include "kernel/string.h"
#include "mm/cache.h"
#include "mm/commit.h"
#include "mm/placement.h"
#include "mm/pool.h"
#include "mm/segment.h"
#include "mm/vad.h"

#define SECTIONS_MAX   96u
#define RELOCATION_MAX 65536u

/* Where images go that cannot have their preferred base. */
#define MOVED_FIRST 0x60000000u
#define MOVED_END   0x70000000u

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
#define FIXUP_ABSOLUTE           0u
#define FIXUP_HIGHLOW            3u
#define SECTION_EXECUTE          0x20000000u
#define SECTION_READ             0x40000000u
#define SECTION_WRITE            0x80000000u

struct pe_headers { /* from "PE\0\0" on */
    uint32_t signature;
    uint16_t machine;
    uint16_t nsections;
    uint32_t time_stamp;
    uint32_t symbols;
    uint32_t nsymbols;
    uint16_t optional_nbytes;
    uint16_t characteristics;
    uint16_t magic;
    uint16_t linker_version;
    uint32_t code_nbytes, data_nbytes, bss_nbytes;
    uint32_t entry;
    uint32_t code_base, data_base;
    uint32_t image_base;
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint16_t os_major, os_minor, image_major, image_minor;
    uint16_t subsystem_major, subsystem_minor;
    uint32_t win32_version;
    uint32_t image_nbytes;
    uint32_t headers_nbytes;
    uint32_t checksum;
    uint16_t subsystem;
    uint16_t dll_characteristics;
    uint32_t stack_reserve, stack_commit, heap_reserve, heap_commit;
    uint32_t loader_flags;
    uint32_t ndirectories;
    struct {
        uint32_t rva;
        uint32_t nbytes;
    } directories[16];
};
STATIC_ASSERT(offsetof(struct pe_headers, image_base) == 0x34);
STATIC_ASSERT(sizeof(struct pe_headers) == 0xF8);

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

/* A run of pages with one protection and one place in the file. */
struct image_part {
    uint32_t first_page;
    uint32_t npages;
    uint32_t raw_offset;
    uint32_t raw_nbytes; /* what the file holds of it; the rest is zero */
    prot_t prot;
};

struct image {
    struct image_information information;
    struct list link;         /* [images lock] */
    struct segment *file;     /* [c] the data segment, referenced */
    uint64_t file_bytes;      /* [c] */
    uint32_t header_offset;   /* [c] of "PE\0\0" */
    uint32_t nparts;          /* [c] headers, then sections */
    struct image_part *parts; /* [c] ascending */
    uint32_t copy_pages;      /* [c] */
    uint32_t delta;           /* [c] base minus preferred base */
    uint8_t *relocations;     /* [c] the relocation directory, when delta is not 0 */
    uint32_t relocation_nbytes;
    struct mutex lock; /* RANK_IMAGE: the bounce page */
    void *bounce;      /* [image lock] for frames outside the direct map */
};

static struct spinlock images_lock = SPINLOCK_INIT(RANK_SEGMENTS);
static struct list images = {&images, &images}; /* [images lock] */
static uint32_t next_base = MOVED_FIRST;        /* [images lock] */

/* What is being parsed. */
struct parse {
    struct segment *file;
    uint64_t file_bytes;
    const char *problem;
    uint32_t header_offset;
    struct pe_headers headers;
    struct image *image;
};

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

static status_t read_sections(struct parse *parse)
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

/* Whether a live image has its base in the range. => images lock held. */
static bool base_is_taken_locked(uint32_t base, uint32_t nbytes)
{
    list_for_each(link, &images) {
        const struct image_information *other = &list_entry(link, struct image, link)->information;
        if (base < other->base + other->nbytes && other->base < base + nbytes) {
            return true;
        }
    }
    return false;
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

/*
 * Copies the relocations, so that the image can have another base. => also STATUS_SUCCESS when it
 * has none that can be used: then it keeps its base.
 */
static status_t load_relocations(struct parse *parse)
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

/* A base where no live image is, in the area of moved ones; 0: there is none. */
static uint32_t free_base_locked(uint32_t nbytes)
{
    uint32_t room = (nbytes + 0xFFFFu) & ~0xFFFFu;
    for (uint32_t tries = 0; room <= MOVED_END - MOVED_FIRST && tries < 4096; tries++) {
        uint32_t base = room <= MOVED_END - next_base ? next_base : MOVED_FIRST;
        next_base = base + room;
        if (!base_is_taken_locked(base, room)) {
            return base;
        }
    }
    return 0;
}

/* Whether the preferred base will not do. => images lock held. */
static bool must_move_locked(const struct image_information *information)
{
    bool outside = information->preferred_base < USER_FIRST ||
                   information->preferred_base >= USER_SHARED ||
                   information->nbytes > USER_SHARED - information->preferred_base;
    return outside || (information->is_dll &&
                       base_is_taken_locked(information->preferred_base, information->nbytes));
}

/* Chooses the base, and enters the image in the list of live ones, as one step for all others. */
static status_t choose_base(struct parse *parse)
{
    struct image *image = parse->image;
    struct image_information *information = &image->information;
    spin_lock(&images_lock);
    bool move = must_move_locked(information);
    if (move) {
        spin_unlock(&images_lock);
        status_t status = load_relocations(parse);
        if (is_error(status)) {
            return status;
        }
        spin_lock(&images_lock);
        uint32_t base = image->relocations == NULL ? 0 : free_base_locked(information->nbytes);
        information->base = base != 0 ? base : information->preferred_base;
    }
    image->delta = information->base - information->preferred_base;
    list_insert_tail(&images, &image->link);
    spin_unlock(&images_lock);
    if (information->entry != 0) {
        information->entry += information->base;
    }
    return STATUS_SUCCESS;
}

static const struct image_part *part_of(const struct image *image, uint32_t page)
{
    for (uint32_t i = 0; i < image->nparts; i++) {
        if (page - image->parts[i].first_page < image->parts[i].npages) {
            return &image->parts[i];
        }
    }
    return NULL;
}

/* The image's bytes at RVA as the file has them, zeroes beyond; inside one page. */
static status_t read_page_bytes(const struct image *image, uint32_t rva, void *target,
                                uint32_t nbytes)
{
    memset(target, 0, nbytes);
    const struct image_part *part = part_of(image, rva >> PAGE_SHIFT);
    if (part == NULL) {
        return STATUS_SUCCESS;
    }
    uint32_t offset = rva - (part->first_page << PAGE_SHIFT);
    if (offset >= part->raw_nbytes) {
        return STATUS_SUCCESS;
    }
    return mm_cache_read(image->file, (uint64_t)part->raw_offset + offset, target,
                         min_u32(nbytes, part->raw_nbytes - offset));
}

/* Relocates the word at RVA as far as it lies in the page at PAGE_RVA, whose bytes are in PAGE. */
static status_t fix_word(const struct image *image, uint32_t rva, uint32_t page_rva, uint8_t *page)
{
    uint8_t word[4];
    uint32_t here = min_u32(4, PAGE_BYTES - (rva & PAGE_MASK));
    status_t status = read_page_bytes(image, rva, word, here);
    if (is_success(status) && here < 4) {
        status = read_page_bytes(image, rva + here, word + here, 4 - here);
    }
    if (is_error(status)) {
        return status;
    }
    uint32_t value;
    memcpy(&value, word, 4);
    value += image->delta;
    memcpy(word, &value, 4);
    for (uint32_t i = 0; i < 4; i++) {
        if (rva + i - page_rva < PAGE_BYTES) {
            page[rva + i - page_rva] = word[i];
        }
    }
    return STATUS_SUCCESS;
}

/* Applies one block's fixups that touch the page. */
static status_t apply_block(const struct image *image, const uint8_t *block, uint32_t nbytes,
                            uint32_t page_rva, uint8_t *page)
{
    uint32_t rva;
    memcpy(&rva, block, 4);
    for (uint32_t i = 8; i < nbytes; i += 2) {
        uint16_t fixup;
        memcpy(&fixup, block + i, 2);
        uint32_t place = rva + (fixup & 0xFFFu);
        if (fixup >> 12 != FIXUP_HIGHLOW || place + 4 <= page_rva ||
            place >= page_rva + PAGE_BYTES) {
            continue;
        }
        uint32_t value;
        if (place >= page_rva && place + 4 <= page_rva + PAGE_BYTES) {
            memcpy(&value, page + (place - page_rva), 4);
            value += image->delta;
            memcpy(page + (place - page_rva), &value, 4);
            continue;
        }
        status_t status = fix_word(image, place, page_rva, page);
        if (is_error(status)) {
            return status;
        }
    }
    return STATUS_SUCCESS;
}

static status_t relocate_page(const struct image *image, uint32_t page_rva, uint8_t *page)
{
    uint32_t field = image->header_offset + (uint32_t)offsetof(struct pe_headers, image_base);
    if (field + 4 <= image->parts[0].raw_nbytes && field - page_rva <= PAGE_BYTES - 4) {
        memcpy(page + (field - page_rva), &image->information.base, 4);
    }
    for (uint32_t place = 0; image->relocation_nbytes - place >= 8;) {
        uint32_t rva;
        uint32_t nbytes;
        memcpy(&rva, image->relocations + place, 4);
        memcpy(&nbytes, image->relocations + place + 4, 4);
        if (nbytes == 0) {
            break;
        }
        if (rva == page_rva || rva + PAGE_BYTES == page_rva) {
            status_t status =
                apply_block(image, image->relocations + place, nbytes, page_rva, page);
            if (is_error(status)) {
                return status;
            }
        }
        place += nbytes;
    }
    return STATUS_SUCCESS;
}

static status_t fill_page(const struct image *image, uint32_t page, uint8_t *target)
{
    status_t status = read_page_bytes(image, page << PAGE_SHIFT, target, PAGE_BYTES);
    if (is_success(status) && image->delta != 0) {
        status = relocate_page(image, page << PAGE_SHIFT, target);
    }
    return status;
}

static status_t image_page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct image *image = context;
    status_t status = STATUS_SUCCESS;
    for (uint32_t i = 0; i < npages && is_success(status); i++) {
        if (frames[i].n < paging_direct_end()) {
            status = fill_page(image, first + i, frame_address(frames[i]));
            continue;
        }
        mutex_lock(&image->lock);
        status = fill_page(image, first + i, image->bounce);
        frame_copy(frames[i], frame_of(image->bounce));
        mutex_unlock(&image->lock);
    }
    return status;
}

static void free_image(struct image *image)
{
    mm_free(image->relocations, image->relocation_nbytes);
    mm_free(image->parts, (SECTIONS_MAX + 1) * (uint32_t)sizeof(struct image_part));
    mm_free(image->bounce, PAGE_BYTES);
    mm_free(image, sizeof(*image));
}

static void image_released(void *context)
{
    struct image *image = context;
    spin_lock(&images_lock);
    list_remove(&image->link);
    spin_unlock(&images_lock);
    mm_segment_unref(image->file);
    free_image(image);
}

static const struct pager_operations image_pager = {
    .kind = "image", .page_in = image_page_in, .released = image_released};

/* Writes every page's entry: the protection that its PE section asks for. */
static void write_entries(struct segment *segment, const struct image *image)
{
    for (uint32_t page = 0; page < segment->npages; page++) {
        const struct image_part *part = part_of(image, page);
        prot_t prot = part == NULL ? PROT_NOACCESS : part->prot;
        struct chunk *chunk = mi_chunk(segment, page / CHUNK_PAGES);
        spin_lock(&chunk->lock);
        pte_t *table = mi_chunk_table_locked(segment, chunk, page / CHUNK_PAGES);
        pte_write(&table[page % CHUNK_PAGES], pte_make_soft(PTE_PAGER, prot));
        spin_unlock(&chunk->lock);
    }
}

static status_t allocate_image(struct parse *parse)
{
    struct image *image = mm_allocate(sizeof(*image));
    if (image == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    parse->image = image;
    list_init(&image->link);
    mutex_init(&image->lock, RANK_IMAGE);
    image->file = parse->file;
    image->file_bytes = parse->file_bytes;
    image->header_offset = parse->header_offset;
    image->parts = mm_allocate((SECTIONS_MAX + 1) * (uint32_t)sizeof(struct image_part));
    image->bounce = mm_allocate(PAGE_BYTES);
    return image->parts == NULL || image->bounce == NULL ? STATUS_INSUFFICIENT_RESOURCES
                                                         : STATUS_SUCCESS;
}

/* Makes what page-in will need of the file's data segment, so that only the disk can fail then. */
static status_t reserve_file(const struct image *image)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < image->nparts; i++) {
        const struct image_part *part = &image->parts[i];
        end = part->raw_nbytes == 0 ? end : max_u32(end, part->raw_offset + part->raw_nbytes);
    }
    return end == 0 ? STATUS_SUCCESS : mi_segment_reserve(image->file, 0, (end - 1) / CHUNK_BYTES);
}

/* The segment of a parsed image; on success the image belongs to it. */
static status_t make_segment(struct parse *parse, struct segment **result)
{
    struct image *image = parse->image;
    struct segment *segment;
    status_t status = mi_segment_create(&segment, SEGMENT_IMAGE, image->information.nbytes, false,
                                        &image_pager, image);
    if (is_error(status)) {
        return status;
    }
    mm_segment_ref(image->file);
    status = choose_base(parse);
    if (is_success(status)) {
        status = reserve_file(image);
    }
    if (is_success(status)) {
        status = mi_segment_reserve(segment, 0, (segment->npages - 1) / CHUNK_PAGES);
    }
    if (is_error(status)) {
        parse->image = NULL; /* the segment frees it */
        mm_segment_unref(segment);
        return status;
    }
    write_entries(segment, image);
    *result = segment;
    return STATUS_SUCCESS;
}

static status_t create_segment(struct parse *parse, struct segment **result)
{
    status_t status = read_headers(parse);
    if (is_success(status)) {
        status = check_headers(parse);
    }
    if (is_success(status)) {
        status = allocate_image(parse);
    }
    if (is_success(status)) {
        status = read_sections(parse);
    }
    if (is_success(status)) {
        fill_information(parse);
        status = make_segment(parse, result);
    }
    if (is_error(status) && parse->image != NULL) {
        free_image(parse->image);
    }
    return status;
}

uint32_t mi_image_copy_pages(const struct segment *segment)
{
    return ((const struct image *)segment->context)->copy_pages;
}

status_t mm_section_create_image(struct section *section, struct segment *file, uint64_t file_bytes,
                                 uint64_t nbytes, uint32_t protection, uint32_t attributes,
                                 struct segment **cache, char *problem)
{
    status_t status = mm_section_check(protection, attributes, true);
    struct parse parse = {.file = file, .file_bytes = file_bytes};
    if (is_success(status) && *cache == NULL) {
        status = create_segment(&parse, cache);
    }
    if (problem != NULL) {
        kformat(problem, IMAGE_PROBLEM_BYTES, "%s", parse.problem == NULL ? "" : parse.problem);
    }
    if (is_error(status)) {
        return status;
    }
    mm_segment_ref(*cache);
    struct image *image = (*cache)->context;
    *section = (struct section){.segment = *cache,
                                .nbytes = nbytes != 0 ? nbytes : image->information.nbytes,
                                .protection = protection,
                                .attributes = SEC_FILE | SEC_IMAGE,
                                .image = &image->information};
    return STATUS_SUCCESS;
}
