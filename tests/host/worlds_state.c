/*
 * tests/host/worlds_state.c: the state of a small world as two numbers that do not know its names.
 *
 * What is told: for each process its handles by section, its views in order of address with how
 * each chunk is mapped, and of each page the entry's form, rights and bits, its frame's state and
 * counts, and what the process's TLB holds; for each section its counters and its prototype
 * entries; the order in which pages lie on the lists and spaces wait for the clock; and what is
 * under way. What is left out, since two worlds that differ there behave alike: the numbers of
 * frames, slots, handles, addresses, identifiers and generations, and the values that pages hold:
 * of these it is told whether a page was ever stored to, and whether its frame and its slot hold
 * what they should, so that a page whose last store was forgotten is not taken for a clean one. Of
 * the four ways of naming processes and sections the one with the least number is taken.
 */
#include "worlds.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "machine.h"
#include "mm/link.h"
#include "mm/space.h"
#include "mm/space_list.h"
#include "sys/process.h"
#include "sys/section.h"

#define TEXT_BYTES 4096u

struct telling {
    const struct world_model *model;
    uint32_t processes[WORLD_PROCESSES]; /* the process that is told I-th */
    uint32_t names[WORLD_NAMES];
    char text[TEXT_BYTES];
    uint32_t length;
};

static void tell(struct telling *telling, const char *format, ...) PRINTF(2, 3);
static void tell(struct telling *telling, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int count =
        vsnprintf(telling->text + telling->length, TEXT_BYTES - telling->length, format, arguments);
    va_end(arguments);
    VERIFY(count >= 0 && telling->length + (uint32_t)count < TEXT_BYTES);
    telling->length += (uint32_t)count;
}

/* The new name of an old one. */
static uint32_t renamed(const uint32_t *order, uint32_t count, uint32_t old)
{
    for (uint32_t i = 0; i < count; i++) {
        if (order[i] == old) {
            return i;
        }
    }
    return count;
}

/* ---- pages ---- */

static void tell_frame(struct telling *telling, pfn_t frame)
{
    const struct pfn *record = mi_pfn(frame);
    bool counted = record->state == FRAME_ACTIVE || record->state == FRAME_TRANSITION;

    tell(telling, "%u.%u.%u.%u%s", record->state, record->kind, counted ? record->use.shares : 0,
         counted ? record->use.pins : 0, record->original != 0 ? "s" : "");
}

/* The form of an entry, its protection, the hardware's bits, and its frame. */
static void tell_entry(struct telling *telling, pte_t value)
{
    if (pte_is_empty(value)) {
        tell(telling, " -");
        return;
    }
    tell(telling, " %c%u", pte_is_valid(value) ? 'v' : (char)('a' + (uint32_t)pte_form(value)),
         pte_prot(value));
    if (pte_is_valid(value)) {
        tell(telling, "%s%s%s", (value.v & PTE_WRITE) != 0 ? "w" : "",
             (value.v & PTE_ACCESSED) != 0 ? "A" : "", (value.v & PTE_DIRTY) != 0 ? "D" : "");
    }
    if (pte_has_frame(value)) {
        tell_frame(telling, pte_frame(value));
    }
}

static uint32_t first_word(const void *memory)
{
    return *(const uint32_t *)memory;
}

/* Whether the frame, and the slot beside it, hold what they should; else a mark. */
static void tell_bytes(struct telling *telling, pte_t value, uint32_t expected)
{
    if (pte_has_form(value, PTE_PAGEFILE)) {
        tell(telling, "%s", first_word(world_slot(pte_slot(value))) == expected ? "" : "#");
    } else if (pte_has_frame(value)) {
        const void *memory = frame_address(pte_frame(value));
        pte_t original = {mi_pfn(pte_frame(value))->original};
        bool has_slot = pte_form(original) == PTE_PAGEFILE;
        tell(telling, "%s%s", first_word(memory) == expected ? "" : "#",
             has_slot && memcmp(memory, world_slot(pte_slot(original)), PAGE_BYTES) != 0 ? "~"
                                                                                         : "");
    }
}

/* The entries of the table that WHERE, a directory entry or chunk->table, names; NULL: none. */
static const pte_t *entries_of(pte_t where)
{
    if (pte_is_empty(where) || pde_is_linked(where)) {
        return NULL;
    }
    return pte_has_frame(where) ? frame_address(pte_frame(where)) : world_slot(pte_slot(where));
}

static pte_t directory_entry(uint32_t process, uint32_t page)
{
    return pte_read(mi_directory_entry(world_process(process)->space, page / CHUNK_PAGES));
}

static pte_t chunk_table(uint32_t name)
{
    const struct section_object *object = world_find_section(name);
    const struct chunk *chunk = object == NULL ? NULL : mi_chunk(object->section.segment, 0);

    return chunk == NULL ? pte_empty() : chunk->table;
}

/* A table that is in memory is told by its use; one that is not like a page. */
static void tell_table(struct telling *telling, pte_t where)
{
    if (pte_is_valid(where)) {
        tell(telling, " %s%s", pde_is_linked(where) ? "linked" : "table",
             (where.v & PTE_ACCESSED) != 0 ? "A" : "");
    } else {
        tell_entry(telling, where);
        if (pte_has_frame(where)) {
            tell_bytes(telling, where, first_word(frame_address(pte_frame(where))));
        }
    }
}

/* What a page-in of PAGE would bring with it. */
static void tell_window(struct telling *telling, const struct read_streams *streams, uint32_t page)
{
    struct read_window window = mi_read_window(streams, page, SLOT_READ_PAGES);

    if (window.low != window.high) {
        tell(telling, "r%u+%u", page - window.low, window.high - page);
    }
}

static void tell_view(struct telling *telling, uint32_t number, const struct world_view *view)
{
    const struct space *space = world_process(number)->space;
    uint32_t first = view->address >> PAGE_SHIFT;
    pte_t pde = directory_entry(number, first);
    const pte_t *table = entries_of(pde);

    tell(telling, "\n  view of %u, %u, mapper %u,",
         renamed(telling->names, WORLD_NAMES, view->name), view->map,
         world_find_view(number, view->address)->mappers[0].kind);
    tell_table(telling, pde);
    for (uint32_t i = 0; i < WORLD_PAGES; i++) {
        uaddr_t address = {view->address + i * PAGE_BYTES};
        tell_entry(telling,
                   table == NULL ? pte_empty() : pte_read(&table[first % CHUNK_PAGES + i]));
        tell(telling, "/%llx%s", (unsigned long long)sim_tlb_rights(number, address),
             view->copied[i] ? "c" : "");
        tell_window(telling, &space->streams, first + i);
    }
}

static void tell_process(struct telling *telling, uint32_t number)
{
    const struct world_process *process = &telling->model->processes[number];
    uint32_t handles[WORLD_NAMES] = {0};

    tell(telling, "process %s", process->alive ? "" : "ended");
    for (uint32_t i = 0; i < process->nhandles; i++) {
        handles[renamed(telling->names, WORLD_NAMES, process->names[i])]++;
    }
    for (uint32_t i = 0; i < WORLD_NAMES; i++) {
        tell(telling, " %u", handles[i]);
    }
    for (uint32_t i = 0; i < process->nviews; i++) {
        tell_view(telling, number, &process->views[i]);
    }
    tell(telling, "\n");
}

/* ---- sections ---- */

static void tell_section(struct telling *telling, uint32_t name)
{
    const struct section_object *object = world_find_section(name);
    pte_t where = chunk_table(name);
    const pte_t *table = entries_of(where);

    if (object == NULL) {
        tell(telling, "no section\n");
        return;
    }
    const struct segment *segment = object->section.segment;
    tell(telling, "section %u %u %u %u:", object->object.usage, object->object.handles,
         object->object.references, segment->refs);
    tell_table(telling, where);
    for (uint32_t i = 0; i < WORLD_PAGES; i++) {
        pte_t value = table == NULL ? pte_empty() : pte_read(&table[i]);
        tell_entry(telling, value);
        tell_bytes(telling, value, telling->model->values[name][i]);
        tell(telling, "%s", telling->model->values[name][i] == 0 ? "" : "!");
        tell_window(telling, &segment->streams, i);
    }
    tell(telling, "\n");
}

/* ---- order ---- */

static bool names_frame(pte_t where, uint32_t frame)
{
    return pte_has_frame(where) && pte_frame(where).n == frame;
}

/* The frame as a page or the table of a view, which is told by process and view. */
static bool tell_of_view(struct telling *telling, uint32_t frame)
{
    const struct pfn *record = mi_pfn((pfn_t){frame});

    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        const struct world_process *process = &telling->model->processes[telling->processes[i]];
        for (uint32_t j = 0; j < process->nviews; j++) {
            uint32_t first = process->views[j].address >> PAGE_SHIFT;
            pte_t pde = directory_entry(telling->processes[i], first);
            uint32_t page = record->entry - first % CHUNK_PAGES;
            if (names_frame(pde, frame) && !pde_is_linked(pde)) {
                tell(telling, " table of p%u.%u", i, j);
                return true;
            }
            if (names_frame(pde, record->table) && page < WORLD_PAGES && !pde_is_linked(pde)) {
                tell(telling, " p%u.%u.%u", i, j, page);
                return true;
            }
        }
    }
    return false;
}

static void tell_owner(struct telling *telling, uint32_t frame)
{
    const struct pfn *record = mi_pfn((pfn_t){frame});

    if (tell_of_view(telling, frame)) {
        return;
    }
    for (uint32_t i = 0; i < WORLD_NAMES; i++) {
        pte_t where = chunk_table(telling->names[i]);
        if (names_frame(where, frame)) {
            tell(telling, " table of s%u", i);
            return;
        }
        if (names_frame(where, record->table)) {
            tell(telling, " s%u.%u", i, record->entry);
            return;
        }
    }
    tell(telling, " ?");
}

static void tell_list(struct telling *telling, enum frame_state state)
{
    tell(telling, "%s:", mi_frame_state_name(state));
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        for (uint32_t n = mi_frame_list_head(state, (enum frame_zone)zone); n != UINT32_MAX;) {
            tell_owner(telling, n);
            n = mi_pfn((pfn_t){n})->list.next;
        }
    }
    tell(telling, "\n");
}

/* Where the clock's hand stands: in which process first, and how far its pages lie behind it. */
static void tell_space(struct space *space, void *context)
{
    struct telling *telling = context;

    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        const struct world_process *process = &telling->model->processes[telling->processes[i]];
        uint32_t passed = 0;
        if (!process->alive || world_process(telling->processes[i])->space != space) {
            continue;
        }
        for (uint32_t j = 0; j < process->nviews * WORLD_PAGES; j++) {
            uint32_t first = process->views[j / WORLD_PAGES].address >> PAGE_SHIFT;
            passed += first + j % WORLD_PAGES < space->trim_page;
        }
        tell(telling, " %u at %u", i, passed);
    }
}

/* The same of the sections. */
static void tell_segment(struct segment *segment, void *context)
{
    struct telling *telling = context;

    for (uint32_t i = 0; i < WORLD_NAMES; i++) {
        const struct section_object *object = world_find_section(telling->names[i]);
        if (object != NULL && object->section.segment == segment) {
            tell(telling, " s%u at %u", i, segment->trim_page);
        }
    }
}

static void tell_all(struct telling *telling)
{
    telling->length = 0;
    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        tell_process(telling, telling->processes[i]);
    }
    for (uint32_t i = 0; i < WORLD_NAMES; i++) {
        tell_section(telling, telling->names[i]);
    }
    tell_list(telling, FRAME_STANDBY);
    tell_list(telling, FRAME_MODIFIED);
    tell(telling, "clock:");
    mi_space_for_each(tell_space, telling);
    mi_segment_for_each(tell_segment, telling);
    tell(telling, "\n%s, %u available\n",
         sim_disk_next() == WAIT_FOREVER ? "the disk rests" : "the disk works",
         mi_frames_available());
}

static struct world_state state_of(const struct telling *telling)
{
    struct world_state state = {{14695981039346656037ull, 0x9E3779B97F4A7C15ull}};

    for (uint32_t i = 0; i < telling->length; i++) {
        uint64_t byte = (uint8_t)telling->text[i];
        state.words[0] = (state.words[0] ^ byte) * 1099511628211ull;
        state.words[1] = (state.words[1] + byte) * 0xD1342543DE82EF95ull;
        state.words[1] ^= state.words[1] >> 29;
    }
    return state;
}

struct world_state world_read_state(const struct world_model *model, bool say)
{
    static struct telling telling, least;

    world_stop_time(true);
    for (uint32_t way = 0; way < WORLD_PROCESSES * WORLD_NAMES; way++) {
        telling.model = model;
        for (uint32_t i = 0; i < 2; i++) {
            telling.processes[i] = way % 2 == 0 ? i : 1 - i;
            telling.names[i] = way / 2 == 0 ? i : 1 - i;
        }
        tell_all(&telling);
        if (way == 0 || strcmp(telling.text, least.text) < 0) {
            least = telling;
        }
    }
    world_stop_time(false);
    if (say) {
        fputs(least.text, stderr);
    }
    return state_of(&least);
}
