/*
 * tests/host/worlds_check.c: a small world against its model: after every call the counters, then,
 * at rest, the audit, the TLBs, and every mapped byte as its process sees it.
 */
#include "worlds.h"

#include "mm/audit.h"
#include "mm/space.h"
#include "mm/vad.h"
#include "sim.h"
#include "sys/process.h"
#include "sys/section.h"

/* A section lives, and is found by its name, while it is used; its counters say by how many. */
static const char *check_section(const struct world_model *model, uint32_t name)
{
    uint32_t handles = world_handles_of(model, name);
    uint32_t views = world_views_of(model, name);
    const struct section_object *section = world_find_section(name);

    if (handles + views == 0) {
        return section == NULL ? NULL : "a name is there without handles and views";
    }
    if (section == NULL) {
        return "a name has gone, though there are handles or views";
    }
    if (section->object.usage != handles + views || section->object.handles != handles ||
        section->section.views != views) {
        return "a section's usage counter, handles or views are wrong";
    }
    return section->object.references == 1 ? NULL : "a section has a reference too many or few";
}

static const char *check_handles(const struct world_model *model, uint32_t number)
{
    const struct world_process *process = &model->processes[number];
    struct handle_table *table = &world_process(number)->handles;

    if (table->count != process->nhandles + 1) { /* and the one to the other process */
        return "a process has a handle too many or few";
    }
    for (uint32_t i = 0; i < process->nhandles; i++) {
        struct handle_information information;
        if (is_error(handle_query(table, process->handles[i], &information))) {
            return "a process has lost a handle";
        }
        bool right = information.object == &world_find_section(process->names[i])->object;
        ob_unref(information.object);
        if (!right) {
            return "a handle names the wrong section";
        }
    }
    return NULL;
}

static const char *check_views(const struct world_model *model, uint32_t number)
{
    const struct world_process *process = &model->processes[number];
    struct tree *vads = &world_process(number)->space->vads;
    uint32_t count = 0;

    for (struct tree_node *node = tree_first(vads); node != NULL; node = tree_next(node)) {
        count += container_of(node, struct vad, node)->kind == VAD_VIEW;
    }
    if (count != process->nviews) {
        return "a process has a view too many or few";
    }
    for (uint32_t i = 0; i < process->nviews; i++) {
        const struct vad *vad = world_find_view(number, process->views[i].address);
        if (vad == NULL || vad_npages(vad) != WORLD_PAGES) {
            return "a process has lost a view";
        }
        if (vad->section != &world_find_section(process->views[i].name)->section) {
            return "a view shows the wrong section";
        }
    }
    return NULL;
}

const char *world_check_counters(const struct world_model *model)
{
    const char *wrong = NULL;
    uint32_t live = 0;

    world_stop_time(true);
    for (uint32_t i = 0; i < WORLD_NAMES && wrong == NULL; i++) {
        wrong = check_section(model, i);
        live += world_find_section(i) != NULL;
    }
    if (wrong == NULL && section_type.objects != live) {
        wrong = "a section lives without a name";
    }
    for (uint32_t i = 0; i < WORLD_PROCESSES && wrong == NULL; i++) {
        if (model->processes[i].alive) {
            wrong = check_handles(model, i);
            wrong = wrong == NULL ? check_views(model, i) : wrong;
        }
    }
    world_stop_time(false);
    return wrong;
}

/* ---- bytes ---- */

static const char *check_bytes(const struct world_model *model, uint32_t number)
{
    const struct world_process *process = &model->processes[number];

    for (uint32_t i = 0; i < process->nviews; i++) {
        for (uint32_t page = 0; page < WORLD_PAGES; page++) {
            const struct world_call call = {.kind = WORLD_READ,
                                            .process = (uint8_t)number,
                                            .object = (uint8_t)i,
                                            .detail = (uint8_t)page};
            status_t status = world_perform(model, &call, 0).status;
            if (is_error(status)) {
                return status == STATUS_DATA_ERROR ? "a page holds other bytes"
                                                   : "a page cannot be read";
            }
        }
    }
    return NULL;
}

const char *world_check_contents(const struct world_model *model)
{
    if (mm_audit() != 0) {
        return "the audit finds something";
    }
    if (sim_check_tlbs() != 0) {
        return "a TLB holds a stale translation";
    }
    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        const char *wrong = model->processes[i].alive ? check_bytes(model, i) : NULL;
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}
