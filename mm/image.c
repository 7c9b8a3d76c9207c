/*
 * mm/image.c: PE32 images as segments.
 *
 * An image segment has one prototype entry for each page of SizeOfImage, with the protection that
 * the PE section asks for: so a table of it can be dropped, and is filled again when it is made.
 * The pager reads the file through its data segment and relocates pages as they come, to the one
 * base that was chosen for the image when it was made: so relocated pages are shared too. What the
 * file says was checked by mm/pe.c.
 */
#include "mm/image.h"

#include "abi/constants.h"
#include "kernel/format.h"
#include "kernel/string.h"
#include "mm/cache.h"
#include "mm/commit.h"
#include "mm/image_parts.h"
#include "mm/pe.h"
#include "mm/placement.h"
#include "mm/pool.h"
#include "mm/segment.h"
#include "mm/vad.h"

/* Where images go that cannot have their preferred base. */
#define MOVED_FIRST 0x60000000u
#define MOVED_END   0x70000000u

static struct spinlock images_lock = SPINLOCK_INIT(RANK_SEGMENTS);
static struct list images = {&images, &images}; /* [images lock] */
static uint32_t next_base = MOVED_FIRST;        /* [images lock] */

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
        status_t status = mi_pe_load_relocations(parse);
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
    *result = segment;
    return STATUS_SUCCESS;
}

static status_t create_segment(struct parse *parse, struct segment **result)
{
    status_t status = mi_pe_read_headers(parse);
    if (is_success(status)) {
        status = allocate_image(parse);
    }
    if (is_success(status)) {
        status = mi_pe_read_sections(parse);
    }
    if (is_success(status)) {
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

prot_t mi_image_prot(const struct segment *segment, uint32_t page)
{
    const struct image_part *part = part_of(segment->context, page);
    return part == NULL ? PROT_NOACCESS : part->prot;
}

void mi_image_fill_table(const struct segment *segment, uint32_t index, pte_t *table)
{
    uint32_t first = index * CHUNK_PAGES;
    uint32_t npages = mi_chunk_pages(segment, index);
    for (uint32_t i = 0; i < npages; i++) {
        pte_write(&table[i], pte_make_soft(PTE_PAGER, mi_image_prot(segment, first + i)));
    }
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
