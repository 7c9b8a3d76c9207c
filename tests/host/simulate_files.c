/*
 * tests/host/simulate_files.c: the files of the simulation: two that are only read, and one that is
 * written, through views and as WriteFile does, behind pagers that are late, and fail.
 *
 * The store of the file that is written is what would be on its disk. Pages of one request move
 * there at any time before it ends, and a request that fails leaves some of them there. After a
 * flush, or when a view was unmapped, every store that had ended before must be in the store or
 * overwritten; and at quiet points each page that counts as clean must be as the store has it.
 *
 * The end of that file, which no section shows, comes and goes. What a longer file had stays in the
 * store past the end of the last page, and must not be seen when the file grows again.
 */
#include "simulate.h"

#include <stdlib.h>
#include <string.h>

#include "abi/constants.h"
#include "kernel/clock.h"
#include "mm/cache.h"
#include "mm/segment.h"
#include "quire/assert.h"

#define WRITTEN      2u   /* which file is */
#define MAPPED_PAGES 500u /* of it, that sections show: it never gets shorter */
#define PAGES_MAX    540u /* of it, when it is longest */
#define WRITE_TRIES  1000u

static struct model_region io; /* of no process: the file that is written, as WriteFile sees it */

static struct sim_file *written_file(void)
{
    return &simulation.files[WRITTEN];
}

/* ---- pagers ---- */

uint32_t sim_file_word(const struct sim_file *file, uint64_t offset)
{
    const uint8_t *bytes = file->store != NULL ? file->store : file->bytes;
    uint32_t word = 0;

    if (bytes == NULL) {
        return model_file_word(offset, file->nbytes);
    }
    if (offset < file->nbytes) {
        memcpy(&word, bytes + offset, min_u32(4, (uint32_t)(file->nbytes - offset)));
    }
    return word;
}

static bool errs(void)
{
    return simulation.error_one_in != 0 && sim_random(simulation.error_one_in) == 0;
}

static void work_a_while(void)
{
    if (sim_random(3) != 0) {
        thread_sleep_until(clock_now() + 1000 + sim_random(2000000), false, NULL);
    }
}

static status_t page_in(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct sim_file *file = context;
    bool fails = errs();

    work_a_while();
    for (uint32_t i = 0; i < npages; i++) {
        sim_check_new_frame(frames[i]);
        uint32_t *words = window_open(frames[i]);
        for (uint32_t word = 0; word < PAGE_BYTES / 4; word++) {
            uint64_t offset = ((uint64_t)(first + i) << PAGE_SHIFT) + word * 4u;
            words[word] = fails ? 0xDEADDEADu : sim_file_word(file, offset);
        }
        window_close(words);
    }
    file->errors += fails;
    return fails ? STATUS_DATA_ERROR : STATUS_SUCCESS;
}

/* Some neighbours are ready, too. */
static status_t reserve(void *context, uint32_t first, uint32_t wanted, uint32_t *ready)
{
    struct sim_file *file = context;

    work_a_while();
    if (errs()) {
        file->errors++;
        return STATUS_DISK_FULL;
    }
    *ready = 1u << (wanted - first) | (sim_random(2) == 0 ? sim_random(UINT32_MAX) : 0);
    for (uint32_t i = 0; i < PAGER_RESERVE_PAGES && first + i < MODEL_PAGES; i++) {
        file->reserved[first + i] = file->reserved[first + i] || (*ready >> i & 1u) != 0;
    }
    return STATUS_SUCCESS;
}

static void put_page(struct sim_file *file, uint32_t page, pfn_t frame)
{
    void *memory = window_open(frame);

    memcpy(file->store + (size_t)page * PAGE_BYTES, memory, PAGE_BYTES);
    window_close(memory);
}

static status_t page_out(void *context, uint32_t first, uint32_t npages, const pfn_t *frames)
{
    struct sim_file *file = context;
    bool fails = errs();
    bool moved[PAGER_WRITE_PAGES];

    for (uint32_t i = 0; i < npages; i++) {
        if (!file->reserved[first + i]) {
            sim_wrong("page %u of a file is written, and was not reserved", first + i);
        }
        moved[i] = sim_random(2) == 0;
        if (moved[i]) {
            put_page(file, first + i, frames[i]);
        }
    }
    work_a_while();
    for (uint32_t i = 0; i < npages && !fails; i++) {
        if (!moved[i]) {
            put_page(file, first + i, frames[i]);
        }
    }
    file->write_errors += fails;
    return fails ? STATUS_IO_DEVICE_ERROR : STATUS_SUCCESS;
}

static status_t sync(void *context, bool durable)
{
    struct sim_file *file = context;
    bool fails = errs();

    (void)durable;
    work_a_while();
    file->write_errors += fails;
    return fails ? STATUS_IO_DEVICE_ERROR : STATUS_SUCCESS;
}

static const struct pager_operations reader = {.kind = "simulated", .page_in = page_in};
static const struct pager_operations writer = {.kind = "simulated",
                                               .page_in = page_in,
                                               .reserve = reserve,
                                               .page_out = page_out,
                                               .sync = sync};

bool sim_is_write_error(status_t status)
{
    return status == STATUS_IO_DEVICE_ERROR && written_file()->write_errors != 0;
}

/* ---- from start to end ---- */

void sim_start_file(struct sim_file *file, const uint8_t *bytes, uint64_t nbytes)
{
    file->nbytes = nbytes;
    file->bytes = bytes;
    VERIFY(is_success(
        mm_segment_create(&file->segment, nbytes, file->store != NULL ? &writer : &reader, file)));
}

static void fill_store(struct sim_file *file, uint64_t nbytes)
{
    uint32_t *words = calloc(PAGES_MAX, PAGE_BYTES);

    VERIFY(words != NULL);
    for (uint32_t i = 0; i < PAGES_MAX * (PAGE_BYTES / 4); i++) {
        words[i] = model_file_word(i * 4ull, nbytes);
    }
    file->store = (uint8_t *)words;
}

void sim_start_files(void)
{
    static const uint32_t npages[FILES] = {37, 530, MAPPED_PAGES};

    for (uint32_t i = 0; i < FILES; i++) {
        struct sim_file *file = &simulation.files[i];
        uint64_t nbytes = (uint64_t)npages[i] * PAGE_BYTES - 1236u;

        if (i == WRITTEN) {
            fill_store(file, nbytes);
        }
        sim_start_file(file, NULL, nbytes);
        model_content_init(&file->contents, PROCESSES * REGIONS + SECTIONS + i, npages[i]);
        file->contents.file_bytes = nbytes;
    }
    written_file()->contents.npages = PAGES_MAX;
    model_region_init(&io, 0, 0, PAGES_MAX, PAGE_READWRITE, PAGE_COMMITTED);
    io.npages = MAPPED_PAGES;
    io.shared = &written_file()->contents;
    io.used = true;
    sim_start_images();
}

void sim_end_files(void)
{
    struct sim_file *file = written_file();

    simulation.error_one_in = 0;
    status_t status = mm_segment_flush(file->segment, 0, 0);
    if (is_error(status) && sim_is_write_error(status)) {
        status = mm_segment_flush(file->segment, 0, 0); /* the first told of an earlier error */
    }
    if (is_error(status) || mm_segment_is_dirty(file->segment)) {
        sim_wrong("the last flush of a file gave 0x%08x", (unsigned)status);
    }
    memset(file->store + file->nbytes, 0, PAGES_MAX * PAGE_BYTES - (size_t)file->nbytes);
    for (uint32_t page = 0; page < io.npages; page++) {
        const char *wrong = model_check_page(&io, page, file->store + (size_t)page * PAGE_BYTES);
        if (wrong != NULL) {
            sim_wrong("%s: page %u of the file, as it was written at the end", wrong, page);
        }
    }
    sim_end_images();
    while (file->segment->refs != 1) { /* the file writer is not through with it */
        sim_pause();
    }
    for (uint32_t i = 0; i < FILES + IMAGES; i++) {
        mm_segment_unref(simulation.files[i].segment);
    }
}

/* ---- quiet points ---- */

bool sim_files_rest(void)
{
    return written_file()->segment == NULL || written_file()->segment->dirty.nwritten == 0;
}

/* A page that is in memory and clean is in the store as it is there. */
static bool is_as_written(const struct sim_file *file, uint32_t page)
{
    static uint8_t memory[PAGE_BYTES];
    uint64_t left = file->nbytes - ((uint64_t)page << PAGE_SHIFT);
    pte_t value;

    if (!sim_segment_entry(file->segment, page, &value) || !pte_has_frame(value) ||
        (pte_is_valid(value) && (value.v & PTE_WRITE) != 0) ||
        !sim_page_contents(value, false, memory)) {
        return true;
    }
    return memcmp(memory, file->store + (size_t)page * PAGE_BYTES,
                  left < PAGE_BYTES ? (size_t)left : PAGE_BYTES) == 0;
}

void sim_check_files(void)
{
    const struct sim_file *file = written_file();

    for (uint32_t page = 0; page < io.npages; page++) {
        bool good = mi_chunk(file->segment, page / CHUNK_PAGES) == NULL;
        for (uint32_t i = 0; !good && i < WRITE_TRIES; i++) {
            good = is_as_written(file, page);
            if (!good) { /* the file writer goes on: it may be writing this page */
                thread_sleep_until(clock_now() + NS_PER_MS, false, NULL);
            }
        }
        if (!good) {
            sim_wrong("page %u of the file counts as clean, and was written otherwise", page);
        }
    }
}

/* ---- stores that must be written ---- */

static void note_floors(struct sim_floors *floors, uint32_t first, uint32_t count)
{
    floors->file = written_file();
    floors->first = first;
    floors->count = count;
    floors->write_errors = floors->file->write_errors;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < MODEL_THREADS; j++) {
            floors->floors[i][j] = floors->file->contents.cells[first + i][j].floor;
        }
    }
}

void sim_note_floors(struct sim_floors *floors, const struct model_region *region)
{
    const uint32_t writable = PAGE_READWRITE | PAGE_EXECUTE_READWRITE;

    floors->file = NULL;
    if (region->shared == io.shared && (region->allocated & writable) != 0) {
        note_floors(floors, region->shared_page, region->npages);
    }
}

void sim_check_floors(const struct sim_floors *floors)
{
    const struct sim_file *file = floors->file;

    if (file == NULL || file->write_errors != floors->write_errors) {
        return;
    }
    for (uint32_t i = 0; i < floors->count; i++) {
        for (uint32_t j = 0; j < MODEL_THREADS; j++) {
            uint32_t page = floors->first + i;
            uint64_t place = (uint64_t)page * PAGE_BYTES + model_offset(j);
            uint32_t word;

            memcpy(&word, file->store + place, sizeof(word));
            if (place < file->nbytes &&
                !model_may_hold(&file->contents, page, j, word, floors->floors[i][j])) {
                sim_wrong("page %u of the file was flushed, and the word of writer %u is 0x%08x, "
                          "older than store %u",
                          page, j, word, floors->floors[i][j]);
            }
        }
    }
}

/* ---- calls ---- */

/* What may become of ReadFile and WriteFile when something fails below. */
static bool may_fail(status_t status, uint32_t errors)
{
    const struct sim_file *file = written_file();

    return (file->errors != errors &&
            (status == STATUS_DATA_ERROR || status == STATUS_DISK_FULL)) ||
           sim_is_write_error(status) || sim_was_refused(status);
}

static uint32_t choose_page(void)
{
    switch (sim_random(3)) {
    case 0:
        return sim_random(8);
    case 1:
        return io.npages - 1 - sim_random(io.npages - MAPPED_PAGES + 1);
    default:
        return sim_random(io.npages);
    }
}

void sim_call_file_io(struct actor *actor)
{
    struct sim_file *file = written_file();

    for (uint32_t i = sim_random(4); i < 4 && !io.exclusive; i++) {
        struct model_access access = {.region = &io,
                                      .page = choose_page(),
                                      .kind = sim_random(3) != 0 ? ACCESS_WRITE : ACCESS_READ};
        uint32_t value = 0;
        uint32_t errors = file->errors;

        access.cell = access.kind == ACCESS_WRITE ? actor->number : sim_random(MODEL_THREADS);
        uint64_t offset = ((uint64_t)access.page << PAGE_SHIFT) + model_offset(access.cell);
        if (offset + 4 > file->nbytes) {
            continue;
        }
        model_begin(&access);
        status_t status = access.kind == ACCESS_WRITE
                              ? mm_cache_write(file->segment, offset, &access.value, 4)
                              : mm_cache_read(file->segment, offset, &value, 4);
        sim_say(actor, "%s page %u of the file cell %u: 0x%08x, 0x%08x",
                access.kind == ACCESS_WRITE ? "writes" : "reads", access.page, access.cell,
                (unsigned)status, access.kind == ACCESS_WRITE ? access.value : value);
        if (is_error(status) && !may_fail(status, errors)) {
            sim_wrong("mm_cache_read or mm_cache_write gave 0x%08x", (unsigned)status);
        }
        const char *wrong =
            model_end(&access, is_success(status) ? FAULT_DONE : FAULT_IN_PAGE_ERROR, value);
        if (wrong != NULL) {
            sim_wrong("%s: page %u of the file, word of writer %u: 0x%08x", wrong, access.page,
                      access.cell, value);
        }
    }
}

/* A flush failed: now, or an earlier write that nobody waited for. */
static void check_flush(struct actor *actor, const struct sim_floors *floors, status_t status)
{
    sim_say(actor, "flushes %u pages of the file: 0x%08x", floors->file != NULL ? floors->count : 0,
            (unsigned)status);
    if (is_success(status)) {
        sim_check_floors(floors);
    } else if (!sim_is_write_error(status)) {
        sim_wrong("a flush gave 0x%08x", (unsigned)status);
    }
}

static void flush_file(struct actor *actor)
{
    struct sim_floors floors;
    uint32_t first = sim_random(2) == 0 ? 0 : sim_random(io.npages);
    uint32_t count = 1 + sim_random(io.npages - first);

    if (io.exclusive) {
        return;
    }
    io.users++;
    note_floors(&floors, first, count);
    check_flush(actor, &floors,
                mm_segment_flush(written_file()->segment, (uint64_t)first << PAGE_SHIFT,
                                 (uint64_t)count << PAGE_SHIFT));
    io.users--;
}

/* What lay past the new end is gone: from the store too, but for what is left in the last page. */
static void shrink(struct sim_file *file, uint64_t nbytes)
{
    uint32_t end = (uint32_t)((nbytes + PAGE_MASK) >> PAGE_SHIFT);

    file->nbytes = nbytes;
    mm_segment_truncate(file->segment, nbytes);
    memset(file->store + (size_t)end * PAGE_BYTES, 0, (size_t)(PAGES_MAX - end) * PAGE_BYTES);
    memset(&file->reserved[end], 0, PAGES_MAX - end);
    for (uint32_t page = (uint32_t)(nbytes >> PAGE_SHIFT); page < PAGES_MAX; page++) {
        for (uint32_t i = 0; i < MODEL_THREADS; i++) {
            if (((uint64_t)page << PAGE_SHIFT) + model_offset(i) >= nbytes) {
                file->contents.cells[page][i] = (struct cell){0};
            }
        }
    }
    io.npages = end;
}

/* The end of the file moves. Nobody else reads or writes there meanwhile, as fs/ sees to. */
void sim_call_resize(struct actor *actor)
{
    struct sim_file *file = written_file();
    uint64_t least = file->contents.file_bytes;
    uint64_t nbytes = (least + sim_random(PAGES_MAX * PAGE_BYTES - (uint32_t)least + 1)) & ~3ull;

    if (io.exclusive) {
        return;
    }
    io.exclusive = true;
    while (io.users != 0) {
        sim_pause();
    }
    uint32_t errors = file->errors;
    status_t status = STATUS_SUCCESS;
    if (nbytes < file->nbytes) {
        shrink(file, nbytes);
    } else {
        status = mm_segment_extend(file->segment, nbytes);
    }
    sim_say(actor, "the file of 0x%llx bytes gets 0x%llx: 0x%08x", (unsigned long long)file->nbytes,
            (unsigned long long)nbytes, (unsigned)status);
    if (is_success(status)) {
        file->nbytes = nbytes;
        io.npages = (uint32_t)((nbytes + PAGE_MASK) >> PAGE_SHIFT);
    } else if (!may_fail(status, errors)) {
        sim_wrong("mm_segment_extend gave 0x%08x", (unsigned)status);
    }
    io.exclusive = false;
}

void sim_call_flush(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : sim_claim(process);

    if (region == NULL || region->shared != io.shared) {
        if (region != NULL) {
            region->claimed = false;
        }
        flush_file(actor);
        return;
    }
    struct sim_floors floors;
    uaddr_t base = {region->base};
    uint32_t nbytes = 0;
    process->users++;
    sim_note_floors(&floors, region);
    check_flush(actor, &floors, mm_flush_view(process->space, &base, &nbytes));
    region->claimed = false;
    process->users--;
}
