/*
 * tests/host/simulate_access.c: the calls of the simulation that look at memory and store to it:
 * accesses by threads of the process and from outside, ReadFile's way, queries.
 */
#include "simulate.h"

#include "abi/constants.h"
#include "mm/cache.h"
#include "mm/virtual.h"

/* ---- looking ---- */

/* Whether the query says of the pages from FIRST on what the model does. */
static void compare_query(const struct model_region *region, uint32_t first,
                          const struct memory_region *told)
{
    const struct model_page *page = &region->pages[first];
    uint32_t state = page->state == PAGE_GONE            ? MEM_FREE
                     : model_is_committed(region, first) ? MEM_COMMIT
                                                         : MEM_RESERVE;
    uint32_t prot = state == MEM_COMMIT ? model_prot(region, first)
                    : state == MEM_FREE ? PAGE_NOACCESS
                                        : 0;

    if (told->base.v != region->base + first * PAGE_BYTES || told->state != state ||
        told->protection != prot) {
        sim_wrong("query of page %u of 0x%08x: state 0x%x prot 0x%x, expected 0x%x 0x%x", first,
                  region->base, told->state, told->protection, state, prot);
    }
    uint32_t type = region->image ? MEM_IMAGE : region->shared != NULL ? MEM_MAPPED : MEM_PRIVATE;
    if (state != MEM_FREE && told->type != type) {
        sim_wrong("query of 0x%08x: type 0x%x", region->base, told->type);
    }
}

void sim_call_query(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : sim_claim(process);

    (void)actor;
    if (region == NULL) {
        return;
    }
    process->users++;
    uint32_t page = sim_random(region->npages);
    uint32_t changes = region->pages[page].changes;
    uint32_t shared = region->shared != NULL ? region->shared->changes : 0;
    struct memory_region told;
    bool calm = model_is_calm(region, page, 1);
    status_t status = mm_query_virtual(
        process->space, (uaddr_t){region->base + page * PAGE_BYTES + sim_random(4096)}, &told);
    calm = calm && model_is_calm(region, page, 1) && changes == region->pages[page].changes &&
           (region->shared == NULL || shared == region->shared->changes);
    if (status != STATUS_SUCCESS && !sim_is_disk_error(status)) {
        sim_wrong("mm_query_virtual gave 0x%08x", (unsigned)status);
    }
    if (calm && status == STATUS_SUCCESS && !region->unsure) {
        compare_query(region, page, &told);
    }
    region->claimed = false;
    process->users--;
}

/* ---- accesses ---- */

static uint32_t choose_page(const struct model_region *region)
{
    const uint32_t hot[] = {0, 512, 1, region->npages - 1, 15, 16, 511, 2};
    uint32_t page =
        sim_random(8) == 0 ? sim_random(region->npages) : hot[sim_random(simulation.nhot)];

    return page < region->npages ? page : sim_random(region->npages);
}

static bool may_be_accessed(const struct model_region *region)
{
    return region->used && region->npages != 0 && !region->exclusive;
}

static struct model_region *any_region(struct sim_process *process)
{
    struct model_region *region = &process->regions[sim_random(simulation.nregions)];

    for (uint32_t attempt = 0; attempt < 3 && !may_be_accessed(region); attempt++) {
        region = &process->regions[sim_random(simulation.nregions)];
    }
    return region;
}

/* The access itself, from the process's own thread or through another's space. */
static enum fault_result perform(const struct model_access *access, struct space *other,
                                 uint32_t *value, struct fault_report *report)
{
    uaddr_t address = {access->region->base + access->page * PAGE_BYTES +
                       model_offset(access->cell)};
    uint32_t copied = 0;

    if (other != NULL) {
        status_t status = access->kind == ACCESS_WRITE
                              ? mm_write_space(other, address, &access->value, 4, &copied)
                              : mm_read_space(other, address, value, 4, &copied);
        return status == STATUS_SUCCESS                ? FAULT_DONE
               : status == STATUS_GUARD_PAGE_VIOLATION ? FAULT_GUARD
               : status == STATUS_IN_PAGE_ERROR        ? FAULT_IN_PAGE_ERROR
                                                       : FAULT_VIOLATION;
    }
    switch (access->kind) {
    case ACCESS_READ:
        return sim_read(address, value, 4, report);
    case ACCESS_WRITE:
        return sim_write(address, &access->value, 4, report);
    case ACCESS_EXECUTE:
        return sim_execute(address, report);
    }
    return FAULT_VIOLATION;
}

/* What has gone wrong below so far; and, of an access, whether its page comes from a file. */
struct errors {
    uint32_t files, disk;
    bool file;
    bool lost; /* or its table is lost */
};

static struct errors read_errors(void)
{
    struct errors errors = {.disk = sim_disk_errors()};

    for (uint32_t i = 0; i < FILES + IMAGES; i++) {
        errors.files += simulation.files[i].errors;
    }
    return errors;
}

/* An in-page error has a reason, the file's or the disk's; that memory is short is none. */
static void check_in_page_error(struct errors before, const struct fault_report *report)
{
    struct errors now = read_errors();
    bool known = report->status == STATUS_IN_PAGE_ERROR;

    if (before.file && sim_is_write_error(known ? report->cause : STATUS_IO_DEVICE_ERROR)) {
        return; /* the file's dirty pages cannot be written now */
    }
    if (known && report->cause != STATUS_DATA_ERROR && report->cause != STATUS_IO_DEVICE_ERROR &&
        !(before.file && report->cause == STATUS_DISK_FULL)) {
        sim_wrong("an in-page error with status 0x%08x", (unsigned)report->cause);
    }
    if (now.disk == before.disk && !before.lost && !(before.file && now.files != before.files)) {
        sim_wrong("an in-page error without a reason: 0x%08x", (unsigned)report->cause);
    }
}

static void access_page(struct actor *actor, struct model_region *region, uint32_t page,
                        struct space *other)
{
    struct model_access access = {.region = region, .page = page};
    struct fault_report report = {.status = STATUS_SUCCESS};
    uint32_t roll = sim_random(16);
    uint32_t value = 0;
    struct errors errors = read_errors();

    const struct space *space = other != NULL ? other : actor->process->space;
    uint32_t number = region->base / PAGE_BYTES + page;
    errors.file = region->shared != NULL && region->shared->file_bytes != 0;
    access.kind = roll == 0 && other == NULL ? ACCESS_EXECUTE
                  : roll < 8                 ? ACCESS_WRITE
                                             : ACCESS_READ;
    access.cell = access.kind == ACCESS_WRITE ? actor->number : sim_random(MODEL_THREADS);
    model_begin(&access); /* nobody else has run since the region was found */
    errors.lost = sim_table_is_lost(space, number);
    enum fault_result result = perform(&access, other, &value, &report);
    if (simulation.verbose) {
        sim_say(actor, "%s page %u of 0x%08x%s cell %u: %d, 0x%08x",
                access.kind == ACCESS_READ    ? "reads"
                : access.kind == ACCESS_WRITE ? "writes"
                                              : "executes",
                access.page, region->base, other != NULL ? " from outside" : "", access.cell,
                (int)result, access.kind == ACCESS_WRITE ? access.value : value);
    }
    if (result == FAULT_IN_PAGE_ERROR) {
        errors.lost = errors.lost || sim_table_is_lost(space, number);
        check_in_page_error(errors, &report);
    }
    const char *wrong = model_end(&access, result, value);
    if (wrong != NULL) {
        const struct cell *cell =
            &(region->shared != NULL && !region->pages[access.page].copied ? region->shared
                                                                           : &region->own)
                 ->cells[access.page + (region->shared != NULL && !region->pages[access.page].copied
                                            ? region->shared_page
                                            : 0)][access.cell];
        sim_wrong("%s: kind %d of page %u of the region at 0x%08x, word of writer %u: result %d, "
                  "status 0x%08x, expected %d; 0x%08x, stores %u (then %u) to %u",
                  wrong, (int)access.kind, access.page, region->base, access.cell, (int)result,
                  (unsigned)report.status, (int)access.expected, value, access.floors[access.cell],
                  cell->floor, cell->begun);
    }
}

void sim_call_access(struct actor *actor)
{
    struct sim_process *process = actor->process;

    if (process == NULL) {
        return;
    }
    struct model_region *region = any_region(process);
    for (uint32_t i = sim_random(8); i < 8 && may_be_accessed(region); i++) {
        access_page(actor, region, choose_page(region), NULL);
    }
}

/* Many pages in a row, so that others must leave. */
void sim_call_sweep(struct actor *actor)
{
    if (actor->process == NULL || !sim_pages()) {
        return;
    }
    struct model_region *region = any_region(actor->process);
    struct model_region *other = any_region(actor->process);
    if (may_be_accessed(other) && (!may_be_accessed(region) || region->npages < other->npages)) {
        region = other;
    }
    uint32_t step = 1 + (sim_random(4) == 0 ? sim_random(40) : 0);
    uint32_t page = may_be_accessed(region) ? sim_random(region->npages) : 0;

    for (uint32_t i = 20 + sim_random(300); i != 0 && may_be_accessed(region); i--) {
        page = page < region->npages ? page : page % step;
        access_page(actor, region, page < region->npages ? page : 0, NULL);
        page += step;
    }
}

void sim_call_transfer(struct actor *actor)
{
    struct sim_process *process = sim_any_process();

    if (process == NULL) {
        return;
    }
    struct model_region *region = any_region(process);
    process->users++;
    for (uint32_t i = sim_random(8); i < 8 && may_be_accessed(region); i++) {
        access_page(actor, region, choose_page(region), process->space);
    }
    process->users--;
}

/* ReadFile's way: through a cache window, which shows what views do. */
void sim_call_read_file(struct actor *actor)
{
    struct sim_file *file = &simulation.files[sim_random(FILES + IMAGES)];
    if (file->store != NULL) {
        sim_call_file_io(actor);
        return;
    }
    uint64_t offset = sim_random((uint32_t)file->nbytes - 64) & ~3u;
    uint32_t words[16] = {0};
    struct errors before = read_errors();
    status_t status = mm_cache_read(file->segment, offset, words, sizeof(words));

    (void)actor;
    if (is_error(status)) {
        bool unread = status == STATUS_DATA_ERROR && read_errors().files != before.files;
        if (!unread && !sim_was_refused(status)) {
            sim_wrong("mm_cache_read gave 0x%08x", (unsigned)status);
        }
        return;
    }
    for (uint32_t i = 0; i < 16; i++) {
        if (words[i] != sim_file_word(file, offset + i * 4u)) {
            sim_wrong("a file's word at 0x%llx is wrong: 0x%08x",
                      (unsigned long long)(offset + i * 4u), words[i]);
        }
    }
}

/* What NtQuerySection tells: looks into the tables of all who map the section. */
void sim_call_usage(struct actor *actor)
{
    struct sim_section *section = &simulation.sections[sim_random(SECTIONS)];
    struct mm_segment_usage usage;

    (void)actor;
    if (!section->used || !section->made || section->usage == 0) {
        return;
    }
    section->usage++;
    mm_segment_read_usage(section->section.segment, &usage);
    if (usage.resident_pages > section->contents->npages ||
        usage.modified_pages > usage.resident_pages) {
        sim_wrong("section %u: %u pages resident, %u modified", section->number,
                  usage.resident_pages, usage.modified_pages);
    }
    sim_release_section(section);
}
