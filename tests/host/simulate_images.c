/*
 * tests/host/simulate_images.c: the images of the simulation: two libraries that want the same
 * base, and a program that cannot move; each a file of its own behind the simulated pager.
 *
 * What an image's pages hold is worked out here from the parts that the file was made of: zeroes,
 * the raw data, and the words at the fixups moved by as much as the image's base was.
 */
#include "simulate.h"

#include <stdlib.h>
#include <string.h>

#include "abi/constants.h"
#include "mm/image.h"
#include "quire/assert.h"
#include "tests/host/pe_file.h"

#define BASES_MAX 64u

struct sim_image {
    struct pe_file pe;
    struct sim_file *file;
    const struct pe_part *parts;
    uint32_t nparts, npages, copy_pages, base;
    struct mutex lock;     /* as the file's in fs/ */
    struct segment *cache; /* [lock] */
    struct {
        uint32_t base;
        uint32_t *words;
    } known[BASES_MAX]; /* what its pages hold at a base */
};
static struct sim_image images[IMAGES];

static const struct pe_part library_parts[] = {
    {0x1000, 0x2000, 0x2000, PE_CODE | PE_EXECUTE | PE_READ},
    {0x3000, 0x3000, 0x600, PE_DATA | PE_READ | PE_WRITE},
    {0x7000, 0x800, 0x1000, PE_DATA | PE_READ},
    {0x8000, 0x200, 0x200, PE_DATA | PE_READ},
    {0x9000, 0x1800, 0x400, PE_CODE | PE_EXECUTE | PE_READ | PE_WRITE},
};
static const struct pe_part program_parts[] = {
    {0x1000, 0x1000, 0x400, PE_CODE | PE_EXECUTE | PE_READ},
    {0x2000, 0x1FE000, 0x600, PE_DATA | PE_READ | PE_WRITE},
    {0x200000, 0x3000, 0x2200, PE_DATA | PE_READ},
    {0x204000, 0x3000, 0x200, PE_DATA | PE_READ | PE_WRITE},
};
#define RELOCATIONS_PART 3u /* of a library */
static const uint32_t fixups[] = {0x1010, 0x1FFE, 0x2004, 0x3100, 0x7FFA, 0x9004};

static const struct pe_part *part_of(const struct sim_image *image, uint32_t rva)
{
    for (uint32_t i = 0; i < image->nparts; i++) {
        const struct pe_part *part = &image->parts[i];
        uint32_t end = (part->rva + part->nbytes + PAGE_MASK) & ~PAGE_MASK;

        if (rva >= part->rva && rva < end) {
            return part;
        }
    }
    return NULL;
}

static uint32_t prot_of(const struct sim_image *image, uint32_t page)
{
    const struct pe_part *part = part_of(image, page * PAGE_BYTES);

    if (page == 0) {
        return PAGE_READONLY;
    }
    if (part == NULL) {
        return PAGE_NOACCESS;
    }
    if ((part->flags & PE_WRITE) != 0) {
        return (part->flags & PE_EXECUTE) != 0 ? PAGE_EXECUTE_WRITECOPY : PAGE_WRITECOPY;
    }
    return (part->flags & PE_EXECUTE) != 0 ? PAGE_EXECUTE_READ : PAGE_READONLY;
}

static void add_to_word(uint8_t *place, uint32_t delta)
{
    uint32_t word;

    memcpy(&word, place, 4);
    word += delta;
    memcpy(place, &word, 4);
}

/* What the image's pages hold when it has been moved to BASE. */
static const uint32_t *words_at(struct sim_image *image, uint32_t base)
{
    uint32_t i = 0;

    while (image->known[i].words != NULL && image->known[i].base != base) {
        i++;
        VERIFY(i < BASES_MAX);
    }
    if (image->known[i].words != NULL) {
        return image->known[i].words;
    }
    uint8_t *memory = calloc(image->npages, PAGE_BYTES);
    VERIFY(memory != NULL);
    memcpy(memory, image->pe.bytes, 0x400);
    for (uint32_t j = 0; j < image->nparts; j++) {
        memcpy(memory + image->parts[j].rva, image->pe.bytes + image->pe.raw_offset[j],
               image->parts[j].raw_nbytes);
    }
    if (base != image->base) {
        memcpy(memory + PE_IMAGE_BASE, &base, 4);
        for (uint32_t j = 0; j < ARRAY_SIZE(fixups); j++) {
            add_to_word(memory + fixups[j], base - image->base);
        }
    }
    image->known[i].base = base;
    image->known[i].words = (uint32_t *)(void *)memory;
    return image->known[i].words;
}

static void make_image(struct sim_image *image, uint32_t base, bool library)
{
    image->base = base;
    image->parts = library ? library_parts : program_parts;
    image->nparts = library ? ARRAY_SIZE(library_parts) : ARRAY_SIZE(program_parts);
    pe_make(&image->pe, base, library ? PE_DLL : 0, image->parts, image->nparts);
    if (library) {
        pe_relocate(&image->pe, image->parts, RELOCATIONS_PART, fixups, ARRAY_SIZE(fixups));
    }
    image->npages = pe_get32(&image->pe, PE_IMAGE_SIZE) / PAGE_BYTES;
    VERIFY(image->npages <= MODEL_PAGES);
    for (uint32_t page = 0; page < image->npages; page++) {
        uint32_t prot = prot_of(image, page);
        image->copy_pages += prot == PAGE_WRITECOPY || prot == PAGE_EXECUTE_WRITECOPY;
    }
    mutex_init(&image->lock, RANK_FILE_MAIN);
}

void sim_start_images(void)
{
    for (uint32_t i = 0; i < IMAGES; i++) {
        struct sim_image *image = &images[i];

        make_image(image, i == 2 ? 0x00400000u : 0x10000000u, i != 2);
        image->file = &simulation.files[FILES + i];
        sim_start_file(image->file, image->pe.bytes, image->pe.nbytes);
    }
}

status_t sim_create_image(struct sim_section *section)
{
    struct sim_image *image = &images[sim_random(IMAGES)];
    uint32_t errors = image->file->errors;

    mutex_lock(&image->lock);
    status_t status =
        mm_section_create_image(&section->section, image->file->segment, image->pe.nbytes, 0,
                                PAGE_READONLY, SEC_IMAGE, &image->cache, NULL);
    mutex_unlock(&image->lock);
    if (status == STATUS_DATA_ERROR && image->file->errors == errors) {
        sim_wrong("an image cannot be read, without a reason");
    }
    if (is_success(status)) {
        section->image = image;
        section->contents = &section->own;
        model_content_init(&section->own, PROCESSES * REGIONS + section->number, image->npages);
        section->own.file_bytes = (uint64_t)image->npages * PAGE_BYTES;
        section->own.words = words_at(image, section->section.image->base);
    }
    return status;
}

void sim_enter_image(const struct sim_section *section, struct model_region *region)
{
    const struct sim_image *image = section->image;

    region->image = true;
    region->allocated = PAGE_EXECUTE_WRITECOPY;
    for (uint32_t i = 0; i < region->npages; i++) {
        region->pages[i].prot = prot_of(image, region->shared_page + i);
    }
    region->copy_pages = image->copy_pages;
}

status_t sim_image_status(const struct sim_section *section, const struct view_request *request,
                          status_t status)
{
    uint32_t own = section->section.image->base + (uint32_t)request->offset;

    if (status == STATUS_SUCCESS && request->base.v != own) {
        sim_wrong("an image of base 0x%08x is at 0x%08x, and mapping it says nothing", own,
                  request->base.v);
    }
    return status == STATUS_IMAGE_NOT_AT_BASE && request->base.v != own ? STATUS_SUCCESS : status;
}

void sim_call_forget_image(struct actor *actor)
{
    struct sim_image *image = &images[sim_random(IMAGES)];

    mutex_lock(&image->lock);
    struct segment *segment = image->cache;
    image->cache = NULL;
    mutex_unlock(&image->lock);
    sim_say(actor, "forgets image %u: %u", (unsigned)(image - images), segment != NULL);
    if (segment != NULL) {
        mm_segment_unref(segment);
    }
}

void sim_end_images(void)
{
    for (uint32_t i = 0; i < IMAGES; i++) {
        if (images[i].cache != NULL) {
            mm_segment_unref(images[i].cache);
        }
    }
}
