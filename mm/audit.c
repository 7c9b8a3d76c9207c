/*
 * mm/audit.c: the invariants, checked from the ground up: everything is counted afresh and compared
 * with what the structures say.
 *
 * Four walks: the frame lists; every segment with its mappers; every address space with its tables;
 * the whole PFN database. What one walk counts, another must confirm: the aliases found from the
 * segments through their mappers (M2) are all the aliases that the spaces hold.
 */
#include "mm/audit.h"

#include "kernel/log.h"
#include "mm/commit.h"
#include "mm/dirty.h"
#include "mm/link.h"
#include "mm/locked.h"
#include "mm/query.h"
#include "mm/section.h"
#include "mm/slots.h"
#include "mm/space_list.h"
#include "mm/stack_cache.h"
#include "mm/table.h"
#include "mm/trim.h"
#include "mm/working_sets.h"
#include "mm/writer.h"
#include "mm/zero.h"

struct audit {
    uint32_t violations;
    uint32_t mapped_aliases; /* found from segments */
    uint32_t held_aliases;   /* found in spaces */
    uint32_t segment_frames;
    uint32_t segment_dirty;
    uint32_t segment_pins;
    uint32_t dirty; /* of all files */
    uint32_t stuck; /* of these: of files that cannot be written */
    uint32_t private_frames;
    uint32_t private_pages; /* valid ones of the space */
    uint32_t space_locks;   /* locked entries of the space that are valid */
    uint32_t locks;         /* locked pages of all spaces */
    uint32_t slots;         /* of the paging file */
    uint32_t tables;
    uint32_t prototype_tables;
    uint32_t spaces;
    uint32_t charged; /* commit that walks can account for */
    uint32_t listed;
    uint32_t committed;  /* pages of the SEC_RESERVE segment */
    uint32_t tables_out; /* of its prototype tables: what they say is not seen */
    struct segment *segment;
    struct space *space;
};

/* Prints what is broken; RULE names the M rule or the structure. */
static void violation(struct audit *audit, const char *rule, const char *what, uint32_t where)
{
    audit->violations++;
    if (audit->violations <= 20) {
        log_print("audit: %s: %s at %x (segment %u, space %u)\n", rule, what, where,
                  audit->segment == NULL ? 0 : audit->segment->id,
                  audit->space == NULL ? 0 : audit->space->id);
    }
}

static void check(struct audit *audit, bool holds, const char *rule, const char *what,
                  uint32_t where)
{
    if (!holds) {
        violation(audit, rule, what, where);
    }
}

static void walk_list(struct audit *audit, enum frame_state state, enum frame_zone zone)
{
    uint32_t count = 0;
    uint32_t previous = UINT32_MAX;
    for (uint32_t n = mi_frame_list_head(state, zone); n != UINT32_MAX;) {
        const struct pfn *record = mi_pfn((pfn_t){n});
        if (record->state != state || record->list.prev != previous || count > mi_pfn_limit()) {
            violation(audit, "PFN", "list is broken", n);
            return;
        }
        count++;
        previous = n;
        n = record->list.next;
    }
    check(audit, count == mi_frame_list_length(state, zone), "PFN", "list length", state);
    audit->listed += state != FRAME_BAD ? count : 0; /* nobody has those */
}

static void audit_lists(struct audit *audit)
{
    for (uint32_t zone = 0; zone < ZONE_COUNT; zone++) {
        walk_list(audit, FRAME_FREE, (enum frame_zone)zone);
        walk_list(audit, FRAME_ZEROED, (enum frame_zone)zone);
        walk_list(audit, FRAME_STANDBY, (enum frame_zone)zone);
        walk_list(audit, FRAME_MODIFIED, (enum frame_zone)zone);
        walk_list(audit, FRAME_MODIFIED_NO_WRITE, (enum frame_zone)zone);
        walk_list(audit, FRAME_BAD, (enum frame_zone)zone);
        check(audit,
              !mi_pagefile_is_open() ||
                  mi_frame_list_length(FRAME_MODIFIED_NO_WRITE, (enum frame_zone)zone) == 0,
              "PFN", "frames are not written though they can be", zone);
    }
}

/* Whether a page's contents, or a table's, are in a slot besides. */
static bool holds_slot(const struct pfn *record)
{
    return pte_form((pte_t){record->original}) == PTE_PAGEFILE;
}

/* The valid aliases of one chunk page that its mappers lead to; *LOCKS: how many are locked. */
static uint32_t count_aliases(struct audit *audit, const struct chunk *chunk, uint32_t index,
                              pte_t proto, uint32_t *locks)
{
    pfn_t frame = pte_frame(proto);
    *locks = 0;
    uint32_t aliases = 0;
    list_for_each(link, &chunk->mappers) {
        const struct mapper *mapper = list_entry(link, struct mapper, link);
        const struct vad *vad = mapper->vad;
        uint32_t page = mapper->first_page + index;
        if (mapper->kind != MAPPER_FILLED || page - vad->first > vad->last - vad->first) {
            continue;
        }
        const pte_t *table = mi_private_table(vad->space, page / CHUNK_PAGES);
        pte_t value = table == NULL ? pte_empty() : pte_read(&table[page % CHUNK_PAGES]);
        if (!pte_is_valid(value)) {
            continue;
        }
        if (pfn_equal(pte_frame(value), frame)) {
            aliases++;
            check(audit,
                  !mi_notices_stores(audit->segment) || (value.v & ~proto.v & PTE_WRITE) == 0, "M5",
                  "alias of a file's clean page is writable", page);
            *locks += mi_page_is_locked(vad->space, page);
        } else {
            check(audit, mi_pfn(pte_frame(value))->kind == FRAME_PRIVATE, "M2",
                  "alias shows another frame", page);
        }
    }
    return aliases;
}

static void audit_resident(struct audit *audit, const struct chunk *chunk, uint32_t index,
                           pte_t value)
{
    pfn_t frame = pte_frame(value);
    const struct pfn *record = mi_pfn(frame);
    uint32_t locks;
    uint32_t aliases = count_aliases(audit, chunk, index, value, &locks);
    if (audit->segment->kind == SEGMENT_DEVICE) {
        locks = record->use.pins >= PINS_LOCK;
        audit->segment_pins += locks;
        check(audit, mi_frame_is_low(frame), "PFN", "device's page outside the direct map",
              frame.n);
    }
    check(audit, record->use.pins / PINS_LOCK == locks, "M6", "pins differ from the locks found",
          frame.n);
    check(audit, record->state == FRAME_ACTIVE && record->kind == FRAME_SEGMENT, "M1",
          "resident page's frame is not an active segment frame", frame.n);
    check(audit, record->table == pte_frame(chunk->table).n && record->entry == index, "M1",
          "frame does not know its prototype entry", frame.n);
    check(audit, record->use.shares == 1 + aliases, "M2", "shares differ from entries found",
          frame.n);
    audit->slots += holds_slot(record);
    check(audit,
          (value.v & PTE_NX) == 0 && (value.v & PTE_USER) != 0 && (value.v & PTE_GLOBAL) == 0, "M3",
          "prototype entry is not user, executable, not global", index);
    check(audit, audit->segment->kind != SEGMENT_IMAGE || (value.v & PTE_WRITE) == 0, "M5",
          "an image's page is writable", index);
    audit->segment_frames++;
    audit->mapped_aliases += aliases;
}

/* A prototype entry that is not valid: nothing maps its page (M1, M2). */
static void audit_absent(struct audit *audit, const struct chunk *chunk, uint32_t index,
                         pte_t value)
{
    audit->slots += pte_has_form(value, PTE_PAGEFILE);
    check(audit, !pte_has_form(value, PTE_PAGEFILE) || audit->segment->pager == NULL, "PFN",
          "a pager's page in the paging file", index);
    if (!pte_has_form(value, PTE_TRANSITION)) {
        return;
    }
    pfn_t frame = pte_frame(value);
    const struct pfn *record = mi_pfn(frame);
    audit->segment_frames++;
    audit->slots += holds_slot(record);
    check(audit, record->kind == FRAME_SEGMENT && record->state != FRAME_ACTIVE, "M6",
          "state of a segment's frame out of reach", frame.n);
    check(audit, record->table == pte_frame(chunk->table).n && record->entry == index, "M1",
          "frame does not know its prototype entry", frame.n);
    check(audit, record->state != FRAME_STANDBY || record->original != 0, "PFN",
          "standby page that cannot be found again", frame.n);
    uint32_t locks;
    check(audit, count_aliases(audit, chunk, index, value, &locks) == 0, "M6",
          "alias of a page out of reach", index);
}

static void audit_mappers(struct audit *audit, const struct chunk *chunk, uint32_t index)
{
    list_for_each(link, &chunk->mappers) {
        const struct mapper *mapper = list_entry(link, struct mapper, link);
        const struct vad *vad = mapper->vad;
        check(audit, mapper->kind != MAPPER_NONE && vad->segment == audit->segment, "M2",
              "mapper is on the wrong list", index);
        check(audit, mapper->first_page == vad->first - vad->segment_page + index * CHUNK_PAGES,
              "M2", "mapper has the wrong address", index);
        if (mapper->kind == MAPPER_LINKED) {
            pte_t pde = pte_read(mi_directory_entry(vad->space, mapper->first_page / CHUNK_PAGES));
            check(audit, pde_is_linked(pde) && pfn_equal(pte_frame(pde), pte_frame(chunk->table)),
                  "M2", "linked mapper without its directory entry", mapper->first_page);
        }
    }
}

static void audit_chunk(struct audit *audit, const struct chunk *chunk, uint32_t index)
{
    audit_mappers(audit, chunk, index);
    audit->slots += pte_has_form(chunk->table, PTE_PAGEFILE);
    audit->tables_out += !pte_is_valid(chunk->table) && !pte_is_empty(chunk->table);
    if (pte_has_frame(chunk->table)) {
        pfn_t frame = pte_frame(chunk->table);
        audit->prototype_tables++;
        audit->slots += holds_slot(mi_pfn(frame));
        check(audit, mi_pfn(frame)->kind == FRAME_PROTOTYPE && mi_entry_of(frame) == &chunk->table,
              "PFN", "prototype table's record", frame.n);
    }
    if (!pte_is_valid(chunk->table)) {
        check(audit, chunk->resident == 0, "M1", "chunk without a table has pages", index);
        return;
    }
    const struct pfn *record = mi_pfn(pte_frame(chunk->table));
    uint32_t resident = 0;
    uint32_t dirty = 0;
    uint32_t pins = audit->segment_pins;
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        pte_t value = pte_read(mi_proto_entry_locked(chunk, i));
        audit->committed += !pte_is_empty(value);
        if (pte_is_valid(value)) {
            resident++;
            if (mi_notices_stores(audit->segment) && (value.v & PTE_WRITE) != 0) {
                dirty++;
                check(audit, i >= chunk->first_dirty && i < chunk->end_dirty, "M5",
                      "dirty page outside the chunk's bounds", index * CHUNK_PAGES + i);
            }
            audit_resident(audit, chunk, i, value);
        } else {
            audit_absent(audit, chunk, i, value);
        }
    }
    check(audit, resident == chunk->resident && record->use.shares == resident, "M1",
          "count of resident pages", index);
    check(audit,
          audit->segment->kind != SEGMENT_DEVICE || audit->segment_pins - pins == chunk->pins,
          "device", "count of a chunk's pinned pages", index);
    check(audit, dirty == chunk->dirty, "M5", "count of dirty pages", index);
    audit->segment_dirty += dirty;
}

/* What the file system has pinned of a device, and what is charged for it. */
static void audit_pinning(struct audit *audit, const struct segment *segment)
{
    const struct pinning *pinning = &segment->pinning;
    check(audit, audit->segment_pins == pinning->npages, "device", "count of pinned pages",
          audit->segment_pins);
    check(audit, pinning->npages + pinning->detached <= pinning->limit, "device",
          "more pages are pinned than charged", pinning->npages);
    audit->charged -= pinning->detached; /* they count as the kernel's */
    audit->locks += pinning->npages;
}

static void audit_segment(struct segment *segment, void *context)
{
    struct audit *audit = context;
    audit->segment = segment;
    audit->committed = 0;
    audit->tables_out = 0;
    audit->charged += segment->commit + segment->tables;
    audit->segment_dirty = 0;
    audit->segment_pins = 0;
    uint32_t nchunks = segment->nchunks;
    for (uint32_t i = 0; i < nchunks; i++) {
        const struct chunk *chunk = mi_chunk(segment, i);
        if (chunk != NULL) {
            audit_chunk(audit, chunk, i);
        }
    }
    uint32_t dirty = mi_dirty_of(segment);
    check(audit, audit->segment_dirty + segment->dirty.nwritten == dirty, "M5",
          "count of a file's dirty pages", dirty);
    audit->dirty += dirty;
    audit->stuck += mi_is_stuck(segment) ? dirty : 0;
    audit_pinning(audit, segment);
    check(audit,
          !segment->reserve ||
              segment->commit - audit->committed <= audit->tables_out * CHUNK_PAGES,
          "commit", "committed pages of a reserved section", segment->commit);
    audit->segment = NULL;
}

/* One entry of a private table. */
static void audit_entry(struct audit *audit, const pte_t *entry, uint32_t page)
{
    pte_t value = pte_read(entry);
    uint32_t locks = mi_page_is_locked(audit->space, page);
    audit->slots += pte_has_form(value, PTE_PAGEFILE);
    audit->space_locks += pte_is_valid(value) ? locks : 0;
    if (!pte_has_frame(value) || page == USER_SHARED >> PAGE_SHIFT) {
        return;
    }
    const struct pfn *record = mi_pfn(pte_frame(value));
    check(audit,
          !pte_is_valid(value) || !prot_is_writecopy(pte_prot(value)) || (value.v & PTE_WRITE) == 0,
          "M7", "write-copy page is writable", page);
    if (record->kind == FRAME_SEGMENT) {
        check(audit, pte_is_valid(value), "M2", "alias in transition", page);
        audit->held_aliases++;
        return;
    }
    audit->private_frames++;
    audit->private_pages += pte_is_valid(value);
    audit->slots += holds_slot(record);
    check(audit, record->state != FRAME_STANDBY || record->original != 0, "PFN",
          "standby page without a slot", page);
    check(audit,
          record->kind == FRAME_PRIVATE && record->table == frame_of(entry).n &&
              record->entry == page % CHUNK_PAGES,
          "PFN", "private frame does not know its entry", page);
    check(audit,
          pte_is_valid(value) ? record->state == FRAME_ACTIVE && record->use.shares == 1
                              : record->state != FRAME_ACTIVE,
          "M6", "state of a private frame", page);
    check(audit, !pte_is_valid(value) || record->use.pins / PINS_LOCK == locks, "M6",
          "pins differ from the lock", page);
}

/* The VAD that begins at or below PAGE and reaches it; without touching the lookup's hint. */
static const struct vad *vad_at(const struct space *space, uint32_t page)
{
    for (struct tree_node *node = space->vads.root; node != NULL;) {
        const struct vad *vad = container_of(node, struct vad, node);
        if (page >= vad->first && page <= vad->last) {
            return vad;
        }
        node = page < vad->first ? node->left : node->right;
    }
    return NULL;
}

static void audit_private_table(struct audit *audit, const pte_t *table, uint32_t slot)
{
    const struct pfn *record = mi_pfn(frame_of(table));
    const struct vad *vad = NULL;
    uint32_t used = 0;
    for (uint32_t i = 0; i < CHUNK_PAGES; i++) {
        uint32_t page = slot * CHUNK_PAGES + i;
        if (pte_is_empty(pte_read(&table[i]))) {
            continue;
        }
        used++;
        audit_entry(audit, &table[i], page);
        if (vad == NULL || page > vad->last) {
            vad = vad_at(audit->space, page);
        }
        check(audit, vad == NULL || !vad_is_view(vad) || vad->in_tables, "M2",
              "entry of a view that says it has none", page);
    }
    check(audit,
          record->kind == FRAME_TABLE && record->use.shares == used &&
              mi_entry_of(frame_of(table)) == mi_directory_entry(audit->space, slot),
          "PFN", "page table's record", slot);
    audit->tables++;
}

static void audit_slot(struct audit *audit, uint32_t slot, uint32_t *table_pages)
{
    pte_t pde = pte_read(mi_directory_entry(audit->space, slot));
    audit->slots += pte_has_form(pde, PTE_PAGEFILE);
    if (pte_has_form(pde, PTE_TRANSITION)) {
        pfn_t frame = pte_frame(pde);
        audit->tables++;
        audit->slots += holds_slot(mi_pfn(frame));
        check(audit,
              mi_pfn(frame)->kind == FRAME_TABLE && mi_pfn(frame)->state != FRAME_ACTIVE &&
                  mi_entry_of(frame) == mi_directory_entry(audit->space, slot),
              "PFN", "record of a page table out of reach", slot);
    }
    if (!pte_is_valid(pde)) {
        return;
    }
    if (pde_is_linked(pde)) {
        const struct vad *vad = vad_at(audit->space, slot * CHUNK_PAGES);
        check(audit, vad != NULL && mi_can_link(vad, slot), "M3", "slot must not be linked", slot);
        check(audit, vad != NULL && vad->in_tables, "M2", "linked view that says it has no table",
              slot);
        check(audit,
              vad != NULL && mi_mapper_of(vad, mi_segment_page(vad, slot * CHUNK_PAGES))->kind ==
                                 MAPPER_LINKED,
              "M2", "linked slot without its mapper", slot);
        check(audit, mi_pfn(pte_frame(pde))->kind == FRAME_PROTOTYPE, "M4",
              "linked table is no prototype table", slot);
        return;
    }
    (*table_pages)++;
    audit_private_table(audit, frame_address(pte_frame(pde)), slot);
}

static uint32_t sum_vads(struct audit *audit, const struct space *space)
{
    uint32_t commit = 0;
    uint32_t reserved = 0;
    uint32_t end = 0;
    for (struct tree_node *node = tree_first(&space->vads); node != NULL; node = tree_next(node)) {
        const struct vad *vad = container_of(node, struct vad, node);
        check(audit, vad->first >= end && vad->last >= vad->first, "VAD", "regions overlap",
              vad->first);
        end = vad->last + 1;
        commit += vad->commit;
        reserved += vad_npages(vad);
    }
    check(audit, reserved == space->reserved_pages, "VAD", "count of reserved pages", reserved);
    return commit;
}

static void audit_space(struct space *space, void *context)
{
    struct audit *audit = context;
    audit->space = space;
    audit->spaces++;
    uint32_t table_pages = 0;
    audit->private_pages = 0;
    audit->space_locks = 0;
    for (uint32_t slot = 0; slot < 2 * CHUNK_PAGES; slot++) {
        audit_slot(audit, slot, &table_pages);
    }
    check(audit, table_pages == space->table_pages, "space", "count of tables", table_pages);
    check(audit, table_pages <= space->table_slots, "commit", "tables were not charged",
          table_pages);
    check(audit, mi_count_table_slots(space) == space->table_slots, "commit",
          "charge for page tables", space->table_slots);
    check(audit, audit->private_pages == space->private_pages, "space", "count of private pages",
          space->private_pages);
    check(audit, sum_vads(audit, space) == space->commit, "commit", "charge of the regions",
          space->commit);
    check(audit, audit->space_locks == space->locked_pages, "M4", "locked pages that are not valid",
          audit->space_locks);
    check(audit, mi_count_locked(space, 0, USER_LAST_PAGE) == space->locked_pages, "space",
          "count of locked pages", space->locked_pages);
    audit->charged +=
        space->commit + space->table_slots + space->locked_pages + mi_working_set_charge(space);
    audit->locks += space->locked_pages;
    audit->space = NULL;
}

static void audit_database(struct audit *audit)
{
    uint32_t kinds[FRAME_POOL + 1] = {0};
    uint32_t active = 0;
    uint32_t locks = 0;
    for (uint32_t n = 0; n < mi_pfn_limit(); n++) {
        const struct pfn *record = mi_pfn((pfn_t){n});
        if (record->state == FRAME_ACTIVE || record->state == FRAME_TRANSITION) {
            active++;
            locks += record->use.pins / PINS_LOCK;
        }
        if (record->kind <= FRAME_POOL) {
            kinds[record->kind]++;
        } else {
            violation(audit, "PFN", "unknown kind", n);
        }
    }
    check(audit, kinds[FRAME_SEGMENT] == audit->segment_frames, "M1",
          "segment frames outside segments", kinds[FRAME_SEGMENT]);
    check(audit, kinds[FRAME_PRIVATE] == audit->private_frames, "PFN",
          "private frames outside spaces", kinds[FRAME_PRIVATE]);
    check(audit, kinds[FRAME_TABLE] == audit->tables, "PFN", "page tables outside spaces",
          kinds[FRAME_TABLE]);
    check(audit, kinds[FRAME_PROTOTYPE] == audit->prototype_tables, "PFN",
          "prototype tables outside segments", kinds[FRAME_PROTOTYPE]);
    check(audit, kinds[FRAME_DIRECTORY] == 3 * audit->spaces, "PFN", "directories outside spaces",
          kinds[FRAME_DIRECTORY]);
    check(audit, locks == audit->locks, "PFN", "locks on frames and locked pages differ", locks);
    check(audit, active + audit->listed == mi_frames_low() + mi_frames_high(), "PFN", "frames lost",
          active);
    audit->charged += kinds[FRAME_DIRECTORY] + kinds[FRAME_KERNEL] + kinds[FRAME_POOL];
    audit->charged += mi_stack_awaited_pages();
}

uint32_t mm_audit(void)
{
    struct audit audit = {0};
    struct mm_charges charges;
    mi_trim_lock();
    mi_zero_lock();
    mi_writer_lock();
    audit_lists(&audit);
    mi_segment_for_each(audit_segment, &audit);
    mi_space_for_each(audit_space, &audit);
    audit_database(&audit);
    check(&audit, audit.dirty == mi_dirty_pages(), "M5", "count of all dirty pages", audit.dirty);
    check(&audit, audit.stuck == mi_stuck_pages(), "M5", "count of stuck pages", audit.stuck);
    check(&audit, audit.held_aliases == audit.mapped_aliases, "M2",
          "aliases that no mapper leads to", audit.held_aliases);
    audit.slots += mi_slots_in_writes() + mi_slots_in_tables();
    check(&audit,
          audit.slots == mi_slots_used() || (mi_slots_are_lost() && audit.slots < mi_slots_used()),
          "pagefile", "slots used and found differ", mi_slots_used() - audit.slots);
    mm_read_charges(&charges);
    check(&audit, charges.commit == audit.charged, "commit", "charged and found differ",
          charges.commit - audit.charged);
    mi_writer_unlock();
    mi_zero_unlock();
    mi_trim_unlock();
    return audit.violations;
}
