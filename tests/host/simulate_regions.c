/*
 * tests/host/simulate_regions.c: the calls of the simulation that make, change and give up regions:
 * views and private memory.
 *
 * Regions are claimed by whoever changes them, so several threads change different regions of one
 * process at once; accesses need no claim. A range of addresses is used again only when no access
 * to its old region is under way: so a store cannot land in the next region. Where the memory
 * manager chose the place, it may choose it again at once: there the accesses end first.
 */
#include "simulate.h"

#include <string.h>

#include "abi/constants.h"
#include "mm/view.h"
#include "mm/virtual.h"

/* ---- regions ---- */

static struct model_region *free_region(struct sim_process *process)
{
    for (uint32_t i = 0; i < simulation.nregions; i++) {
        if (!process->regions[i].used) {
            return &process->regions[i];
        }
    }
    return NULL;
}

static uint32_t region_number(const struct sim_process *process, const struct model_region *region)
{
    return (uint32_t)(region - process->regions);
}

static uint32_t content_id(const struct sim_process *process, const struct model_region *region)
{
    return (uint32_t)(process - simulation.processes) * REGIONS + region_number(process, region);
}

/* A region that nobody changes, claimed; NULL when those that were picked are none. */
struct model_region *sim_claim(struct sim_process *process)
{
    for (uint32_t attempt = 0; attempt < 4; attempt++) {
        struct model_region *region = &process->regions[sim_random(simulation.nregions)];

        if (region->used && !region->claimed) {
            region->claimed = true;
            return region;
        }
    }
    return NULL;
}

/* Claims units of the area for NPAGES at a place congruent to PAGE modulo 2 MiB, or any. */
static uint32_t claim_place(struct sim_process *process, struct model_region *region,
                            uint32_t npages, uint32_t page, bool congruent)
{
    uint32_t count = (npages + 15) / 16;

    for (uint32_t attempt = 0; attempt < 4; attempt++) {
        uint32_t unit = sim_random(AREA_UNITS);
        if (congruent) {
            unit = unit / 32 * 32 + page / 16 % 32;
        }
        uint32_t i = 0;
        while (i < count && unit + i < AREA_UNITS && process->units[unit + i] == 0) {
            i++;
        }
        if (i == count) {
            memset(&process->units[unit], (int)region_number(process, region) + 1, count);
            return AREA_FIRST + unit * UNIT_BYTES;
        }
    }
    return 0;
}

static bool is_floating(const struct model_region *region)
{
    return region->base - AREA_FIRST >= AREA_UNITS * UNIT_BYTES;
}

/* No access to the region is under way, and none begins. */
static void exclude(struct model_region *region)
{
    region->exclusive = true;
    while (region->users != 0) {
        sim_pause();
    }
}

void sim_forget_region(struct sim_process *process, struct model_region *region)
{
    uint32_t number = region_number(process, region);

    while (region->users != 0) {
        sim_pause();
    }
    for (uint32_t i = 0; i < AREA_UNITS; i++) {
        if (process->units[i] == number + 1) {
            process->units[i] = 0;
        }
    }
    region->used = false;
    region->claimed = false;
    process->sections[number] = NULL;
}

/* ---- views ---- */

static uint32_t rights_of(uint32_t prot)
{
    switch (prot & 0xFFu) {
    case PAGE_NOACCESS:
        return 0;
    case PAGE_READONLY:
    case PAGE_WRITECOPY:
        return 1;
    case PAGE_READWRITE:
        return 3;
    case PAGE_EXECUTE:
        return 4;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY:
        return 5;
    default:
        return 7;
    }
}

static bool is_writecopy(uint32_t prot)
{
    return (prot & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY)) != 0;
}

static const uint32_t view_prots[] = {
    PAGE_READWRITE,    PAGE_READWRITE, PAGE_READONLY,
    PAGE_WRITECOPY,    PAGE_WRITECOPY, PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_READ, PAGE_NOACCESS,  PAGE_READWRITE | PAGE_GUARD};

static void enter_view(struct sim_process *process, struct model_region *region,
                       struct sim_section *section, const struct view_request *request,
                       uint32_t commit)
{
    uint32_t npages = request->nbytes >> PAGE_SHIFT;

    model_region_init(region, content_id(process, region), request->base.v, npages,
                      request->protection, PAGE_COMMITTED);
    region->shared = section->contents;
    region->shared_page = (uint32_t)(request->offset >> PAGE_SHIFT);
    region->copy_charged = section->image == NULL && is_writecopy(request->protection);
    if (section->image != NULL) {
        sim_enter_image(section, region);
    }
    for (uint32_t i = 0; i < commit; i++) {
        section->contents->committed[region->shared_page + i] = true;
    }
    process->sections[region_number(process, region)] = section;
    region->used = true;
}

/* What to map: a part or the whole. */
static void choose_part(const struct sim_section *section, struct view_request *request)
{
    uint32_t units = (uint32_t)((section->section.nbytes + UNIT_BYTES - 1) / UNIT_BYTES);

    if (sim_random(4) == 0) {
        request->offset = (uint64_t)sim_random(units) * UNIT_BYTES;
    }
    uint64_t left = section->section.nbytes - request->offset;
    if (sim_random(section->image != NULL ? 16 : 4) == 0) {
        uint32_t npages = (uint32_t)((left + PAGE_MASK) >> PAGE_SHIFT);
        uint64_t nbytes = (uint64_t)(1 + sim_random(npages)) * PAGE_BYTES;
        request->nbytes = (uint32_t)(nbytes < left ? nbytes : left);
    }
}

/*
 * A commit of CONTENT's pages has ended, or nothing has. Where the disk could not give a page
 * table, the view's or the section's own, nobody can tell which pages are committed: it never ends.
 */
static void end_commit(struct content *content, status_t status, bool commits)
{
    if (!commits || !content->reserve || !sim_is_disk_error(status)) {
        content->busy--;
    }
    content->changes++;
}

static void map(struct actor *actor, struct sim_process *process, struct sim_section *section,
                struct model_region *region)
{
    struct view_request request = {.protection = sim_pick(view_prots, ARRAY_SIZE(view_prots))};

    choose_part(section, &request);
    uint64_t nbytes =
        request.nbytes != 0 ? request.nbytes : section->section.nbytes - request.offset;
    uint32_t npages = (uint32_t)((nbytes + PAGE_MASK) >> PAGE_SHIFT);
    uint32_t commit = section->contents->reserve && sim_random(2) == 0 ? sim_random(npages) : 0;
    request.commit_nbytes = commit * PAGE_BYTES;
    request.allocation_type = sim_random(8) == 0 ? MEM_TOP_DOWN : 0;
    if (sim_random(section->image != NULL ? 3 : 4) != 0) {
        uint32_t page = (uint32_t)(request.offset >> PAGE_SHIFT);
        request.base.v = claim_place(process, region, npages, page, sim_random(3) != 0);
    }
    status_t expected = STATUS_SUCCESS;
    if (section->image == NULL &&
        (rights_of(request.protection) & ~rights_of(section->section.protection)) != 0) {
        expected = STATUS_SECTION_PROTECTION;
    }
    section->contents->busy++;
    section->contents->changes++;
    status_t status = mm_map_view(process->space, &section->section, &request);
    end_commit(section->contents, status, commit != 0);
    sim_say(actor, "maps section %u page %u + %u at 0x%08x prot 0x%x: 0x%08x", section->number,
            (unsigned)(request.offset >> PAGE_SHIFT), npages, request.base.v, request.protection,
            (unsigned)status);
    if (section->image != NULL) {
        status = sim_image_status(section, &request, status);
    }
    if (sim_expect("mm_map_view", status, expected)) {
        enter_view(process, region, section, &request, commit);
        region->claimed = false;
        return;
    }
    sim_forget_region(process, region);
}

void sim_call_map(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    uint32_t number = sim_random(simulation.nsections);

    if (process == NULL || process->handles[number] == 0) {
        return;
    }
    struct model_region *region = free_region(process);
    if (region == NULL) {
        return;
    }
    struct sim_section *section = &simulation.sections[number];
    region->used = true;
    region->claimed = true;
    region->npages = 0; /* not to be accessed yet */
    section->usage++;
    process->users++;
    map(actor, process, section, region);
    process->users--;
    sim_release_section(section);
}

/* All pages change while the region goes; then its addresses may be used again. */
static void unmap(struct actor *actor, struct sim_process *process, struct model_region *region)
{
    struct model_change change = {region, 0, region->npages, 0};
    uaddr_t address = {region->base + sim_random(region->npages) * PAGE_BYTES + sim_random(4096)};

    sim_say(actor, "unmaps 0x%08x", region->base);
    if (is_floating(region)) {
        exclude(region);
    }
    struct sim_floors floors;
    sim_note_floors(&floors, region);
    model_change_begin(&change);
    status_t status = mm_unmap_view(process->space, address);
    if (status != STATUS_SUCCESS) {
        sim_wrong("mm_unmap_view gave 0x%08x", (unsigned)status);
    }
    sim_check_floors(&floors);
    sim_forget_region(process, region);
}

void sim_call_unmap(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : sim_claim(process);

    if (region == NULL) {
        return;
    }
    process->users++;
    if (region->shared != NULL) {
        unmap(actor, process, region);
    } else {
        region->claimed = false;
    }
    process->users--;
}

/* ---- private memory ---- */

static const uint32_t private_prots[] = {PAGE_READWRITE,
                                         PAGE_READWRITE,
                                         PAGE_READWRITE,
                                         PAGE_READONLY,
                                         PAGE_NOACCESS,
                                         PAGE_EXECUTE_READWRITE,
                                         PAGE_READWRITE | PAGE_GUARD};

static void allocate(struct actor *actor, struct sim_process *process, struct model_region *region)
{
    uint32_t large = sim_pages() ? MODEL_PAGES : 600;
    uint32_t npages = 1 + sim_random(sim_random(sim_pages() ? 2 : 4) == 0 ? large : 60);
    uint32_t nbytes = npages * PAGE_BYTES;
    uint32_t prot = sim_pick(private_prots, ARRAY_SIZE(private_prots));
    uint32_t type = MEM_RESERVE | (sim_random(4) != 0 ? MEM_COMMIT : 0);
    uaddr_t base = {0};

    if (sim_random(4) != 0) {
        base.v = claim_place(process, region, npages, 0, sim_random(8) == 0);
    }
    status_t status = mm_allocate_virtual(process->space, &base, &nbytes, 0, type, prot);
    sim_say(actor, "allocates %u pages at 0x%08x type 0x%x prot 0x%x: 0x%08x", npages, base.v, type,
            prot, (unsigned)status);
    if (!sim_expect("mm_allocate_virtual", status, STATUS_SUCCESS)) {
        sim_forget_region(process, region);
        return;
    }
    model_region_init(region, content_id(process, region), base.v, npages, prot,
                      (type & MEM_COMMIT) != 0 ? PAGE_COMMITTED : PAGE_RESERVED);
    region->used = true;
}

void sim_call_allocate(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : free_region(process);

    if (region == NULL) {
        return;
    }
    region->used = true;
    region->claimed = true;
    region->npages = 0;
    process->users++;
    allocate(actor, process, region);
    process->users--;
}

/* A part of the region without gaps. */
static bool choose_range(struct model_change *change)
{
    struct model_region *region = change->region;

    change->first = sim_random(2) == 0 ? 0 : sim_random(region->npages);
    uint32_t wanted = sim_random(3) == 0 ? region->npages : 1 + sim_random(20);
    change->count = 0;
    while (change->count < wanted && change->first + change->count < region->npages &&
           region->pages[change->first + change->count].state != PAGE_GONE) {
        change->count++;
    }
    return change->count != 0;
}

static bool is_all_committed(const struct model_change *change)
{
    for (uint32_t i = 0; i < change->count; i++) {
        if (!model_is_committed(change->region, change->first + i)) {
            return false;
        }
    }
    return true;
}

/* Whether the change has to do with write-copy: then no access may be under way. */
static bool is_about_copies(const struct model_change *change, uint32_t prot)
{
    for (uint32_t i = 0; i < change->count; i++) {
        if (is_writecopy(change->region->pages[change->first + i].prot)) {
            return true;
        }
    }
    return is_writecopy(prot);
}

/* What the pages of REGION get when PROT is asked for: stores to an image stay private. */
static uint32_t prot_in(const struct model_region *region, uint32_t prot)
{
    bool writable = (prot & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)) != 0;

    return region->image && writable ? (prot & ~0xFFu) | (prot & 0xFFu) << 1 : prot;
}

static status_t expected_protect(const struct model_region *region, uint32_t prot)
{
    if (region->image) {
        return STATUS_SUCCESS;
    }
    if (region->shared == NULL) {
        return is_writecopy(prot) ? STATUS_INVALID_PAGE_PROTECTION : STATUS_SUCCESS;
    }
    return (rights_of(prot) & ~rights_of(region->allocated)) != 0 ? STATUS_SECTION_PROTECTION
                                                                  : STATUS_SUCCESS;
}

/* Protects, or commits with PROT. */
static void protect(struct actor *actor, struct sim_process *process, struct model_change *change,
                    uint32_t prot, bool commit)
{
    struct model_region *region = change->region;
    uaddr_t base = {region->base + change->first * PAGE_BYTES};
    uint32_t nbytes = change->count * PAGE_BYTES;
    uint32_t old = 0;
    uint32_t was = model_prot(region, change->first);
    bool calm = !region->unsure && model_is_calm(region, change->first, 1) && region->users == 0;
    bool shared_change = commit && region->shared != NULL;
    uint32_t hits = region->hits;
    status_t expected = expected_protect(region, prot);
    bool committed = is_all_committed(change);
    uint32_t shared_changes = region->shared != NULL ? region->shared->changes : 0;
    uint32_t shared_busy = region->shared != NULL ? region->shared->busy : 0;

    if (shared_change) {
        region->shared->busy++;
        region->shared->changes++;
    }
    model_change_begin(change);
    status_t status = commit
                          ? mm_allocate_virtual(process->space, &base, &nbytes, 0, MEM_COMMIT, prot)
                          : mm_protect_virtual(process->space, &base, &nbytes, prot, &old);
    sim_say(actor, "%s 0x%08x + %u prot 0x%x: 0x%08x", commit ? "commits" : "protects",
            region->base + change->first * PAGE_BYTES, change->count, prot, (unsigned)status);
    if (status == STATUS_WAS_UNLOCKED && (prot & (PAGE_NOACCESS | PAGE_GUARD)) != 0) {
        status = STATUS_SUCCESS; /* some page was locked, and cannot stay so out of reach */
    }
    if (region->unsure) {
        expected = status;
    }
    if (!commit && !committed) {
        bool certain = region->shared == NULL || !region->shared->reserve ||
                       (shared_busy == 0 && shared_changes == region->shared->changes);
        expected = certain || status == STATUS_NOT_COMMITTED ? STATUS_NOT_COMMITTED : expected;
    }
    if (commit && region->shared != NULL && region->shared->file_bytes != 0) {
        expected = STATUS_ALREADY_COMMITTED;
    }
    if (sim_expect(commit ? "commit" : "protect", status, expected)) {
        if (!commit && calm && region->users == 0 && region->hits == hits && old != was) {
            sim_wrong("protect says the protection was 0x%x, it was 0x%x", old, was);
        }
        prot = prot_in(region, prot);
        if (region->shared != NULL && is_writecopy(prot)) {
            region->copy_charged = true;
        }
        if (commit) {
            model_commit(change, prot);
        } else {
            model_protect(change, prot);
        }
    }
    region->unsure = region->unsure || sim_is_disk_error(status);
    model_change_end(change);
    if (shared_change) {
        end_commit(region->shared, status, true);
    }
}

/* Commits go to views of reserved sections above all: others may commit the same pages at once. */
static struct model_region *claim_to_change(struct sim_process *process, bool commit)
{
    struct model_region *region = sim_claim(process);

    for (uint32_t i = 0; i < 3 && commit && region != NULL; i++) {
        if (region->shared != NULL && region->shared->reserve) {
            break;
        }
        region->claimed = false;
        region = sim_claim(process);
    }
    return region;
}

static void change_protection(struct actor *actor, bool commit)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : claim_to_change(process, commit);

    if (region == NULL) {
        return;
    }
    struct model_change change = {.region = region};
    uint32_t prot = region->shared != NULL ? sim_pick(view_prots, ARRAY_SIZE(view_prots))
                                           : sim_pick(private_prots, ARRAY_SIZE(private_prots));
    process->users++;
    if (choose_range(&change)) {
        if (region->shared != NULL && is_about_copies(&change, prot_in(region, prot))) {
            exclude(region);
        }
        protect(actor, process, &change, prot, commit);
        region->exclusive = false;
    }
    region->claimed = false;
    process->users--;
}

void sim_call_protect(struct actor *actor)
{
    change_protection(actor, false);
}

void sim_call_commit(struct actor *actor)
{
    change_protection(actor, true);
}

/* Decommits, or releases, a part. */
static void give_up(struct actor *actor, struct sim_process *process, struct model_change *change,
                    bool release)
{
    uaddr_t base = {change->region->base + change->first * PAGE_BYTES};
    uint32_t nbytes = change->count * PAGE_BYTES;

    model_change_begin(change);
    status_t status =
        mm_free_virtual(process->space, &base, &nbytes, release ? MEM_RELEASE : MEM_DECOMMIT);
    sim_say(actor, "%s 0x%08x + %u: 0x%08x", release ? "releases" : "decommits", base.v,
            change->count, (unsigned)status);
    if (sim_expect("mm_free_virtual", status, STATUS_SUCCESS)) {
        model_decommit(change, release ? PAGE_GONE : PAGE_RESERVED);
    }
    change->region->unsure = change->region->unsure || sim_is_disk_error(status);
    model_change_end(change);
}

void sim_call_free(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : sim_claim(process);

    if (region == NULL) {
        return;
    }
    struct model_change change = {.region = region};
    process->users++;
    if (region->shared == NULL && choose_range(&change)) {
        give_up(actor, process, &change, !is_floating(region) && sim_random(3) == 0);
    }
    region->claimed = false;
    process->users--;
}

/* What is left of the region goes, run by run. */
void sim_call_release(struct actor *actor)
{
    struct sim_process *process = sim_any_process();
    struct model_region *region = process == NULL ? NULL : sim_claim(process);

    if (region == NULL) {
        return;
    }
    if (region->shared != NULL) {
        region->claimed = false;
        return;
    }
    struct model_change change = {.region = region};
    process->users++;
    if (is_floating(region)) {
        exclude(region);
    }
    for (uint32_t i = 0; i < region->npages; i = change.first + change.count + 1) {
        change.first = i;
        change.count = 0;
        while (i + change.count < region->npages &&
               region->pages[i + change.count].state != PAGE_GONE) {
            change.count++;
        }
        if (change.count != 0) {
            give_up(actor, process, &change, true);
        }
    }
    sim_forget_region(process, region);
    process->users--;
}
