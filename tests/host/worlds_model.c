/*
 * tests/host/worlds_model.c: what small worlds must be: a few arrays, and no line in common with
 * mm/ or sys/.
 *
 * A section lives, and its name can be found, while it has a handle or a view. A handle's value is
 * the lowest free multiple of 4 (4 itself names the other process). Where a write-copy view lies is
 * the kernel's choice; that it lies at 64 KiB and touches no other is checked. The others are put
 * into slots of 2 MiB, where their neighbours decide whether the prototype table is linked there.
 */
#include "worlds.h"

#include <string.h>

#include "abi/constants.h"

#define HANDLE_FIRST 8u
#define LINKED_BASE  0x40000000u
#define GRANULARITY  0x10000u

uint32_t world_handles_of(const struct world_model *model, uint32_t name)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        for (uint32_t j = 0; j < model->processes[i].nhandles; j++) {
            count += model->processes[i].names[j] == name;
        }
    }
    return count;
}

uint32_t world_views_of(const struct world_model *model, uint32_t name)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < WORLD_PROCESSES; i++) {
        for (uint32_t j = 0; j < model->processes[i].nviews; j++) {
            count += model->processes[i].views[j].name == name;
        }
    }
    return count;
}

uint32_t world_handle_to(const struct world_process *process, uint32_t name)
{
    for (uint32_t i = 0; i < process->nhandles; i++) {
        if (process->names[i] == name) {
            return process->handles[i];
        }
    }
    return 0;
}

uint32_t world_next_handle(const struct world_process *process)
{
    uint32_t handle = HANDLE_FIRST;

    for (uint32_t i = 0; i < process->nhandles && process->handles[i] == handle; i++) {
        handle += 4;
    }
    return handle;
}

uint32_t world_base(const struct world_process *process, enum world_map map)
{
    uint32_t step = map == WORLD_FILLED ? GRANULARITY : CHUNK_BYTES;
    uint32_t base = map == WORLD_FILLED ? LINKED_BASE + GRANULARITY : LINKED_BASE;

    if (map == WORLD_COPY) {
        return 0;
    }
    for (uint32_t i = 0; i < process->nviews; i++) {
        base += process->views[i].address == base ? step : 0;
    }
    return base;
}

uint32_t world_value(const struct world_model *model, const struct world_view *view, uint32_t page)
{
    return view->copied[page] ? view->own[page] : model->values[view->name][page];
}

/* ---- handles ---- */

static void add_handle(struct world_process *process, uint32_t handle, uint32_t name)
{
    uint32_t i = process->nhandles++;

    for (; i > 0 && process->handles[i - 1] > handle; i--) {
        process->handles[i] = process->handles[i - 1];
        process->names[i] = process->names[i - 1];
    }
    process->handles[i] = handle;
    process->names[i] = (uint8_t)name;
}

static void remove_handle(struct world_process *process, uint32_t handle)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < process->nhandles; i++) {
        if (process->handles[i] != handle) {
            process->handles[to] = process->handles[i];
            process->names[to++] = process->names[i];
        }
    }
    process->nhandles = to;
}

static const char *apply_create(struct world_model *model, const struct world_call *call,
                                const struct world_answer *answer)
{
    struct world_process *process = &model->processes[call->process];
    bool exists = world_handles_of(model, call->object) + world_views_of(model, call->object) != 0;

    if (answer->status != (exists ? STATUS_OBJECT_NAME_EXISTS : STATUS_SUCCESS)) {
        return exists ? "the name exists, and a create does not say so" : "a create failed";
    }
    if (answer->value != world_next_handle(process)) {
        return "the handle is not the lowest free one";
    }
    if (!exists) {
        memset(model->values[call->object], 0, sizeof(model->values[call->object]));
    }
    add_handle(process, answer->value, call->object);
    return NULL;
}

static const char *apply_open(struct world_model *model, const struct world_call *call,
                              const struct world_answer *answer)
{
    struct world_process *process = &model->processes[call->process];
    bool exists = world_handles_of(model, call->object) + world_views_of(model, call->object) != 0;

    if (answer->status != (exists ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND)) {
        return exists ? "the name exists, and cannot be opened" : "a name without usage was found";
    }
    if (!exists) {
        return NULL;
    }
    if (answer->value != world_next_handle(process)) {
        return "the handle is not the lowest free one";
    }
    add_handle(process, answer->value, call->object);
    return NULL;
}

static const char *apply_duplicate(struct world_model *model, const struct world_call *call,
                                   const struct world_answer *answer)
{
    struct world_process *target = &model->processes[call->detail];

    if (!target->alive) {
        return answer->status == STATUS_PROCESS_IS_TERMINATING
                   ? NULL
                   : "a handle was duplicated into a process that has ended";
    }
    if (answer->status != STATUS_SUCCESS) {
        return "a duplicate failed";
    }
    if (answer->value != world_next_handle(target)) {
        return "the handle is not the lowest free one";
    }
    add_handle(target, answer->value, call->object);
    return NULL;
}

static const char *apply_close(struct world_model *model, const struct world_call *call,
                               const struct world_answer *answer)
{
    struct world_process *process = &model->processes[call->process];

    if (call->object == WORLD_NOTHING) {
        return answer->status == STATUS_INVALID_HANDLE ? NULL : "no handle, and it was closed";
    }
    if (answer->status != STATUS_SUCCESS) {
        return "a close failed";
    }
    remove_handle(process, world_handle_to(process, call->object));
    return NULL;
}

/* ---- views ---- */

/* Whether a view at ADDRESS would touch one that is there. */
static bool overlaps(const struct world_process *process, uint32_t address)
{
    for (uint32_t i = 0; i < process->nviews; i++) {
        uint32_t other = process->views[i].address;
        uint32_t distance = other > address ? other - address : address - other;

        if (distance < WORLD_PAGES * PAGE_BYTES) {
            return true;
        }
    }
    return false;
}

static const char *apply_map(struct world_model *model, const struct world_call *call,
                             const struct world_answer *answer)
{
    struct world_process *process = &model->processes[call->process];
    uint32_t i = process->nviews;
    uint32_t base = world_base(process, (enum world_map)call->detail);

    if (answer->status != STATUS_SUCCESS) {
        return "a map failed";
    }
    if (answer->value % GRANULARITY != 0 || overlaps(process, answer->value) ||
        (base != 0 && answer->value != base)) {
        return "the view is in the wrong place";
    }
    for (; i > 0 && process->views[i - 1].address > answer->value; i--) {
        process->views[i] = process->views[i - 1];
    }
    process->nviews++;
    process->views[i] =
        (struct world_view){.address = answer->value, .name = call->object, .map = call->detail};
    return NULL;
}

static const char *apply_unmap(struct world_model *model, const struct world_call *call,
                               const struct world_answer *answer)
{
    struct world_process *process = &model->processes[call->process];

    if (call->object == WORLD_NOTHING) {
        return answer->status == STATUS_NOT_MAPPED_VIEW ? NULL : "no view, and it was unmapped";
    }
    if (answer->status != STATUS_SUCCESS) {
        return "an unmap failed";
    }
    process->nviews--;
    memmove(&process->views[call->object], &process->views[call->object + 1],
            (process->nviews - call->object) * sizeof(process->views[0]));
    return NULL;
}

static const char *apply_write(struct world_model *model, const struct world_call *call,
                               uint32_t number, const struct world_answer *answer)
{
    struct world_view *view = &model->processes[call->process].views[call->object];

    if (view->map == WORLD_READONLY) {
        return answer->status == STATUS_ACCESS_VIOLATION ? NULL : "a read-only view was stored to";
    }
    if (view->map == WORLD_COPY) {
        view->copied[call->detail] = true;
        view->own[call->detail] = number;
    } else {
        model->values[view->name][call->detail] = number;
    }
    return answer->status == STATUS_SUCCESS ? NULL : "a store failed";
}

static const char *succeeded(const struct world_answer *answer, const char *wrong)
{
    return answer->status == STATUS_SUCCESS ? NULL : wrong;
}

const char *world_apply(struct world_model *model, const struct world_call *call, uint32_t number,
                        const struct world_answer *answer)
{
    switch ((enum world_call_kind)call->kind) {
    case WORLD_CREATE:
        return apply_create(model, call, answer);
    case WORLD_OPEN:
        return apply_open(model, call, answer);
    case WORLD_DUPLICATE:
        return apply_duplicate(model, call, answer);
    case WORLD_CLOSE:
        return apply_close(model, call, answer);
    case WORLD_MAP:
        return apply_map(model, call, answer);
    case WORLD_UNMAP:
        return apply_unmap(model, call, answer);
    case WORLD_FLUSH:
        return succeeded(answer, "a flush failed");
    case WORLD_READ:
        return succeeded(answer, "a read failed, or saw other bytes");
    case WORLD_WRITE:
        return apply_write(model, call, number, answer);
    case WORLD_EXIT:
        model->processes[call->process] = (struct world_process){.alive = false};
        return NULL;
    case WORLD_TRIM:
    case WORLD_SQUEEZE:
    case WORLD_WRING:
        return succeeded(answer, "the machine does not come to rest");
    case WORLD_CALL_KINDS:
        break;
    }
    return "no such call";
}
