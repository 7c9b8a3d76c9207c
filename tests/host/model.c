/*
 * tests/host/model.c: the reference model: see model.h.
 *
 * A word that a writer stores says who, where and when: 14 bits number of the store (counted for
 * each writer over the whole run), 3 bits writer, 6 bits content, 9 bits page. What was copied on
 * write keeps the words of the section it came from, and gets those of the region's own content.
 */
#include "model.h"

#include <string.h>

#include "abi/constants.h"

#define VERSION_MAX 0x3FFFu

static uint16_t last_version[MODEL_THREADS];

void model_content_init(struct content *content, uint32_t id, uint32_t npages)
{
    memset(content, 0, sizeof(*content));
    content->id = id;
    content->npages = npages;
}

void model_region_init(struct model_region *region, uint32_t id, uint32_t base, uint32_t npages,
                       uint32_t prot, enum page_state_model state)
{
    memset(region, 0, sizeof(*region));
    model_content_init(&region->own, id, npages);
    region->base = base;
    region->npages = npages;
    region->allocated = prot;
    for (uint32_t i = 0; i < npages; i++) {
        region->pages[i] = (struct model_page){.state = (uint8_t)state, .prot = prot};
    }
}

uint32_t model_file_word(uint64_t offset, uint64_t file_bytes)
{
    return offset >= file_bytes ? 0 : (uint32_t)(offset * 2654435761u + 17u) | 1u;
}

/* ---- words ---- */

static uint32_t make_word(const struct content *content, uint32_t page, uint32_t thread,
                          uint16_t version)
{
    return version | thread << 14 | (content->id & 63u) << 17 | (page & 511u) << 23;
}

/* The word at byte OFFSET of a page before anybody stores to it. */
static uint32_t first_word(const struct content *content, uint32_t page, uint32_t offset)
{
    uint64_t place = ((uint64_t)page << PAGE_SHIFT) + offset;

    return content->words != NULL     ? content->words[place / 4]
           : content->file_bytes != 0 ? model_file_word(place, content->file_bytes)
                                      : 0;
}

/* Whether VALUE may be the word of THREAD in a page of CONTENT, by a store in [floor, begun]. */
static bool allows(const struct content *content, uint32_t page, uint32_t thread, uint32_t value,
                   uint32_t floor, uint32_t begun)
{
    if (value == first_word(content, page, model_offset(thread))) {
        return floor == 0;
    }
    uint16_t version = value & VERSION_MAX;
    return value == make_word(content, page, thread, version) && version >= floor &&
           version <= begun && version != 0;
}

bool model_may_hold(const struct content *content, uint32_t page, uint32_t thread, uint32_t value,
                    uint32_t floor)
{
    return allows(content, page, thread, value, floor, content->cells[page][thread].begun);
}

static uint32_t shared_page(const struct model_region *region, uint32_t page)
{
    return region->shared_page + page;
}

/* The cell that an access of PAGE means now. */
static struct cell *cell_of(struct model_region *region, uint32_t page, uint32_t thread)
{
    if (region->shared == NULL || region->pages[page].copied) {
        return &region->own.cells[page][thread];
    }
    return &region->shared->cells[shared_page(region, page)][thread];
}

/* A copied page holds words of the section, too. */
static bool region_allows(const struct model_region *region, uint32_t page, uint32_t thread,
                          uint32_t value, uint32_t floor, uint32_t begun)
{
    bool copied = region->pages[page].copied;

    if (region->shared == NULL || copied) {
        if (allows(&region->own, page, thread, value, floor, begun) &&
            !(copied && region->shared->file_bytes != 0 && value == 0)) {
            return true;
        }
        if (!copied) {
            return false;
        }
    }
    return allows(region->shared, shared_page(region, page), thread, value, floor, begun);
}

/* ---- what is so ---- */

static bool is_writecopy(uint32_t prot)
{
    return (prot & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY)) != 0;
}

static uint32_t after_copy(uint32_t prot)
{
    return is_writecopy(prot) ? (prot & ~0xFFu) | (prot & 0xFFu) >> 1 : prot;
}

bool model_is_committed(const struct model_region *region, uint32_t page)
{
    const struct model_page *here = &region->pages[page];

    if (region->shared != NULL && region->shared->reserve && !here->copied) {
        return region->shared->committed[shared_page(region, page)];
    }
    return here->state == PAGE_COMMITTED;
}

uint32_t model_prot(const struct model_region *region, uint32_t page)
{
    const struct model_page *here = &region->pages[page];

    return here->copied ? after_copy(here->prot) : here->prot;
}

static enum fault_result expect(const struct model_region *region, uint32_t page,
                                enum access_kind kind)
{
    uint32_t prot = region->pages[page].prot;
    const uint32_t writable =
        PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;

    if (!model_is_committed(region, page) || (prot & PAGE_NOACCESS) != 0) {
        return FAULT_VIOLATION;
    }
    if ((prot & PAGE_GUARD) != 0) {
        return FAULT_GUARD;
    }
    if ((kind == ACCESS_WRITE && (prot & writable) == 0) ||
        (kind == ACCESS_EXECUTE && (prot & 0xF0u) == 0)) {
        return FAULT_VIOLATION;
    }
    return FAULT_DONE;
}

static void change(struct model_page *page, bool begin)
{
    page->busy = (uint16_t)(begin ? page->busy + 1 : page->busy - 1);
    page->changes++;
}

/* The access changes its page when it takes a guard away or copies. */
static bool is_change(const struct model_access *access)
{
    const struct model_page *page = &access->region->pages[access->page];

    return access->expected == FAULT_GUARD ||
           (access->expected == FAULT_DONE && access->kind == ACCESS_WRITE && !page->copied &&
            is_writecopy(page->prot));
}

/* ---- one access ---- */

/* The cell that a store goes to: of the copy that it makes, or where the words are. */
static struct cell *target_of(const struct model_access *access)
{
    struct model_region *region = access->region;

    if (region->shared != NULL && is_writecopy(region->pages[access->page].prot)) {
        return &region->own.cells[access->page][access->cell];
    }
    return cell_of(region, access->page, access->cell);
}

static void begin_store(struct model_access *access)
{
    struct model_region *region = access->region;
    struct cell *target = target_of(access);
    bool own = target == &region->own.cells[access->page][access->cell];

    if (last_version[access->cell] == VERSION_MAX) {
        access->kind = ACCESS_READ;
        return;
    }
    access->version = ++last_version[access->cell];
    access->value = own ? make_word(&region->own, access->page, access->cell, access->version)
                        : make_word(region->shared, shared_page(region, access->page), access->cell,
                                    access->version);
    target->pending = access->version;
    target->begun = access->version;
}

void model_begin(struct model_access *access)
{
    struct model_region *region = access->region;
    struct model_page *page = &region->pages[access->page];

    region->users++;
    if (access->kind == ACCESS_WRITE) {
        begin_store(access);
    }
    access->expected = expect(region, access->page, access->kind);
    access->calm = page->busy == 0 && !page->loose && !region->unsure &&
                   (region->shared == NULL || region->shared->busy == 0);
    access->may_copy = access->kind == ACCESS_WRITE && region->shared != NULL && !page->copied;
    for (uint32_t i = 0; i < MODEL_THREADS; i++) {
        access->floors[i] = cell_of(region, access->page, i)->floor;
        if (access->may_copy && page->copiers == 0) {
            region->own.cells[access->page][i].floor = access->floors[i];
        }
    }
    page->copiers = (uint16_t)(page->copiers + access->may_copy);
    if (is_change(access)) {
        change(page, true);
        access->version |= 0x8000u;
    }
    access->changes = page->changes;
    access->content_changes = region->shared != NULL ? region->shared->changes : 0;
}

static void touch(struct model_access *access, bool certain)
{
    struct model_region *region = access->region;
    uint8_t how = certain ? TOUCHED : MAYBE_TOUCHED;
    uint8_t *own = &region->own.touched[access->page];

    if (region->shared == NULL || region->pages[access->page].copied) {
        *own = how > *own ? how : *own;
    }
    if (region->shared != NULL && (!region->pages[access->page].copied || !certain)) {
        uint8_t *place = &region->shared->touched[shared_page(region, access->page)];
        *place = how > *place ? how : *place;
    }
}

/* The page is private now: its words are the section's since the first of those stores began of
 * which one has copied it; model_begin has noted the floors. */
static void make_copy(struct model_access *access)
{
    struct model_region *region = access->region;
    uint32_t source = shared_page(region, access->page);

    region->pages[access->page].copied = true;
    region->own.touched[access->page] = TOUCHED;
    region->shared->touched[source] = TOUCHED;
    for (uint32_t i = 0; i < MODEL_THREADS; i++) {
        struct cell *cell = &region->own.cells[access->page][i];
        uint16_t begun = region->shared->cells[source][i].begun;

        cell->begun = cell->pending > begun ? cell->pending : begun;
    }
}

static void end_store(struct model_access *access, uint16_t version, bool done)
{
    struct model_region *region = access->region;
    struct model_page *page = &region->pages[access->page];
    struct cell *target = target_of(access);

    if (done && region->shared != NULL && is_writecopy(page->prot) && !page->copied) {
        make_copy(access);
    }
    target->pending = 0;
    if (access->calm && done) {
        target->floor = version;
        target->begun = version;
    }
}

static const char *judge(const struct model_access *access, enum fault_result result,
                         uint32_t value)
{
    struct model_region *region = access->region;

    if (!access->calm) {
        return NULL;
    }
    if (result != access->expected) {
        return "the access ended otherwise than it should";
    }
    if (result == FAULT_DONE && access->kind == ACCESS_READ &&
        !region_allows(region, access->page, access->cell, value, access->floors[access->cell],
                       cell_of(region, access->page, access->cell)->begun)) {
        return "a word is wrong";
    }
    return NULL;
}

const char *model_end(struct model_access *access, enum fault_result result, uint32_t value)
{
    struct model_region *region = access->region;
    struct model_page *page = &region->pages[access->page];
    bool changes = (access->version & 0x8000u) != 0;
    uint16_t version = access->version & VERSION_MAX;

    access->calm = access->calm && page->changes == access->changes &&
                   page->busy == (changes ? 1 : 0) &&
                   (region->shared == NULL || access->content_changes == region->shared->changes);
    const char *wrong = result == FAULT_IN_PAGE_ERROR ? NULL : judge(access, result, value);
    if (version != 0) {
        end_store(access, version, result == FAULT_DONE);
    }
    if (result == FAULT_DONE || !access->calm) {
        touch(access, access->calm);
    }
    if (result == FAULT_GUARD) {
        page->prot &= ~PAGE_GUARD;
        page->loose = page->loose || !access->calm;
        region->hits++;
        page->changes++;
    }
    if (changes) {
        change(page, false);
    }
    page->copiers = (uint16_t)(page->copiers - access->may_copy);
    region->users--;
    return wrong;
}

/* ---- changes ---- */

void model_change_begin(struct model_change *this)
{
    this->hits = this->region->hits;
    for (uint32_t i = 0; i < this->count; i++) {
        change(&this->region->pages[this->first + i], true);
    }
}

void model_change_end(struct model_change *this)
{
    for (uint32_t i = 0; i < this->count; i++) {
        change(&this->region->pages[this->first + i], false);
    }
}

/* What becomes of a guard is not known when somebody may have met it meanwhile. */
static void set_prot(const struct model_change *this, struct model_page *page, uint32_t prot)
{
    page->prot = page->copied ? after_copy(prot) : prot;
    page->loose =
        (prot & PAGE_GUARD) != 0 && (this->region->users != 0 || this->region->hits != this->hits);
}

void model_protect(const struct model_change *this, uint32_t prot)
{
    for (uint32_t i = 0; i < this->count; i++) {
        uint8_t *touched = &this->region->own.touched[this->first + i];

        set_prot(this, &this->region->pages[this->first + i], prot);
        if ((prot & (PAGE_NOACCESS | PAGE_GUARD)) != 0 && *touched == TOUCHED) {
            *touched = MAYBE_TOUCHED; /* not valid before the next access */
        }
    }
}

void model_commit(const struct model_change *this, uint32_t prot)
{
    struct model_region *region = this->region;

    model_protect(this, prot);
    for (uint32_t i = 0; i < this->count; i++) {
        region->pages[this->first + i].state = PAGE_COMMITTED;
        if (region->shared != NULL) {
            region->shared->committed[shared_page(region, this->first + i)] = true;
        }
    }
}

void model_decommit(const struct model_change *this, enum page_state_model state)
{
    struct model_region *region = this->region;

    for (uint32_t i = 0; i < this->count; i++) {
        uint32_t page = this->first + i;

        region->pages[page].state = (uint8_t)state;
        region->own.touched[page] = UNTOUCHED;
        for (uint32_t j = 0; j < MODEL_THREADS; j++) {
            struct cell *cell = &region->own.cells[page][j];

            cell->floor = 0;
            cell->begun = cell->pending;
        }
    }
}

bool model_is_calm(const struct model_region *region, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (region->pages[i].busy != 0 || region->pages[i].loose) {
            return false;
        }
    }
    return region->shared == NULL || region->shared->busy == 0;
}

/* ---- counters ---- */

static struct bounds count(const uint8_t *touched, uint32_t npages)
{
    struct bounds result = {0, 0};

    for (uint32_t i = 0; i < npages; i++) {
        result.least += touched[i] == TOUCHED;
        result.most += touched[i] != UNTOUCHED;
    }
    return result;
}

struct bounds model_private_pages(const struct model_region *region)
{
    return count(region->own.touched, region->npages);
}

struct bounds model_resident(const struct content *content)
{
    return count(content->touched, content->npages);
}

struct bounds model_modified(const struct content *content)
{
    struct bounds result = {0, content->npages};

    for (uint32_t i = 0; i < content->npages; i++) {
        bool stored = false;

        for (uint32_t j = 0; j < MODEL_THREADS; j++) {
            stored = stored || content->cells[i][j].floor != 0;
        }
        result.least += stored;
    }
    return result;
}

uint32_t model_region_commit(const struct model_region *region)
{
    uint32_t committed = 0;

    if (region->shared != NULL) {
        return region->copy_charged && region->npages > region->copy_pages ? region->npages
                                                                           : region->copy_pages;
    }
    for (uint32_t i = 0; i < region->npages; i++) {
        committed += region->pages[i].state == PAGE_COMMITTED;
    }
    return committed;
}

/* ---- the whole page, when nothing else runs ---- */

/* The writer whose word lies at byte OFFSET of a page, or MODEL_THREADS. */
static uint32_t writer_at(uint32_t offset)
{
    uint32_t thread = 0;

    while (thread < MODEL_THREADS && model_offset(thread) != offset) {
        thread++;
    }
    return thread;
}

const char *model_check_page(const struct model_region *region, uint32_t page, const void *memory)
{
    const uint32_t *words = memory;
    struct model_region *mutable = (struct model_region *)(uintptr_t)region;

    for (uint32_t i = 0; i < PAGE_BYTES / 4; i++) {
        uint32_t thread = writer_at(i * 4);

        if (thread < MODEL_THREADS) {
            const struct cell *cell = cell_of(mutable, page, thread);
            if (!region_allows(region, page, thread, words[i], cell->floor, cell->begun)) {
                return "a writer's word is wrong";
            }
            continue;
        }
        if (words[i] != (region->shared == NULL
                             ? 0
                             : first_word(region->shared, shared_page(region, page), i * 4))) {
            return "a word that nobody writes has changed";
        }
    }
    return NULL;
}
