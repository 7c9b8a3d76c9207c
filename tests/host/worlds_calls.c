/*
 * tests/host/worlds_calls.c: the calls that a small world can make next, and their text:
 *
 *     p0 create A            p0 map A linked       p1 read view 0 page 1      p0 exit
 *     p1 open A              p1 map A filled       p0 write view 0 page 0     trim
 *     p0 duplicate A to p1   p0 map A copy         p0 flush view 0            squeeze
 *     p0 close A             p0 map A readonly     p0 unmap view 0
 *     p0 close nothing       p0 unmap nothing                                wring
 *
 * A view is named by its place among the process's views, by address. A sequence separates its
 * calls by "; ". A `+` at the end: the machine comes to rest before the next call.
 */
#include "worlds.h"

#include <stdio.h>
#include <string.h>

static const char *const map_names[WORLD_MAPS] = {"linked", "filled", "readonly", "copy"};

/* ---- which calls there are ---- */

struct listing {
    const struct world_model *model;
    struct world_call *calls;
    uint32_t count;
    uint32_t process;
};

static void add(struct listing *listing, enum world_call_kind kind, uint32_t object,
                uint32_t detail)
{
    if (listing->count < WORLD_CALLS) {
        listing->calls[listing->count++] = (struct world_call){.kind = (uint8_t)kind,
                                                               .process = (uint8_t)listing->process,
                                                               .object = (uint8_t)object,
                                                               .detail = (uint8_t)detail};
    }
}

/* What a process does with a name, and with a handle to its section if it has one. */
static void list_name(struct listing *listing, uint32_t name)
{
    const struct world_process *process = &listing->model->processes[listing->process];
    bool has_room = process->nhandles < WORLD_HANDLES;

    if (has_room) {
        add(listing, WORLD_CREATE, name, 0);
        add(listing, WORLD_OPEN, name, 0);
    }
    if (world_handle_to(process, name) == 0) {
        return;
    }
    add(listing, WORLD_CLOSE, name, 0);
    for (uint32_t target = 0; target < WORLD_PROCESSES; target++) {
        if (listing->model->processes[target].nhandles < WORLD_HANDLES) {
            add(listing, WORLD_DUPLICATE, name, target);
        }
    }
    for (uint32_t map = 0; map < WORLD_MAPS && process->nviews < WORLD_VIEWS; map++) {
        add(listing, WORLD_MAP, name, map);
    }
}

static void list_view(struct listing *listing, uint32_t view)
{
    add(listing, WORLD_UNMAP, view, 0);
    add(listing, WORLD_FLUSH, view, 0);
    for (uint32_t page = 0; page < WORLD_PAGES; page++) {
        add(listing, WORLD_READ, view, page);
        add(listing, WORLD_WRITE, view, page);
    }
}

static void list_process(struct listing *listing)
{
    for (uint32_t name = 0; name < WORLD_NAMES; name++) {
        list_name(listing, name);
    }
    for (uint32_t view = 0; view < listing->model->processes[listing->process].nviews; view++) {
        list_view(listing, view);
    }
    add(listing, WORLD_CLOSE, WORLD_NOTHING, 0);
    add(listing, WORLD_UNMAP, WORLD_NOTHING, 0);
    add(listing, WORLD_EXIT, 0, 0);
}

uint32_t world_list_calls(const struct world_model *model, struct world_call *calls)
{
    struct listing listing = {.model = model, .calls = calls};

    for (; listing.process < WORLD_PROCESSES; listing.process++) {
        if (model->processes[listing.process].alive) {
            list_process(&listing);
        }
    }
    listing.process = 0;
    add(&listing, WORLD_TRIM, 0, 0);
    add(&listing, WORLD_SQUEEZE, 0, 0);
    add(&listing, WORLD_WRING, 0, 0);
    return listing.count;
}

/* ---- text ---- */

struct phrase {
    const char *word;
    enum {
        BARE,      /* p0 exit */
        OF_NAME,   /* p0 open A */
        TO_TARGET, /* p0 duplicate A to p1 */
        AS_MAP,    /* p0 map A linked */
        OF_VIEW,   /* p0 unmap view 0 */
        OF_PAGE,   /* p0 read view 0 page 1 */
        ALONE,     /* squeeze */
    } shape;
};

static const struct phrase phrases[WORLD_CALL_KINDS] = {
    [WORLD_CREATE] = {"create", OF_NAME},
    [WORLD_OPEN] = {"open", OF_NAME},
    [WORLD_DUPLICATE] = {"duplicate", TO_TARGET},
    [WORLD_CLOSE] = {"close", OF_NAME},
    [WORLD_MAP] = {"map", AS_MAP},
    [WORLD_UNMAP] = {"unmap", OF_VIEW},
    [WORLD_FLUSH] = {"flush", OF_VIEW},
    [WORLD_READ] = {"read", OF_PAGE},
    [WORLD_WRITE] = {"write", OF_PAGE},
    [WORLD_EXIT] = {"exit", BARE},
    [WORLD_TRIM] = {"trim", ALONE},
    [WORLD_SQUEEZE] = {"squeeze", ALONE},
    [WORLD_WRING] = {"wring", ALONE},
};

/* The words after the first two. */
static void print_rest(const struct world_call *call, char *text, size_t nbytes)
{
    char name = (char)('A' + call->object);

    text[0] = '\0';
    if (call->object == WORLD_NOTHING) {
        snprintf(text, nbytes, " nothing");
        return;
    }
    switch (phrases[call->kind].shape) {
    case OF_NAME:
        snprintf(text, nbytes, " %c", name);
        break;
    case TO_TARGET:
        snprintf(text, nbytes, " %c to p%u", name, call->detail);
        break;
    case AS_MAP:
        snprintf(text, nbytes, " %c %s", name, map_names[call->detail]);
        break;
    case OF_VIEW:
        snprintf(text, nbytes, " view %u", call->object);
        break;
    case OF_PAGE:
        snprintf(text, nbytes, " view %u page %u", call->object, call->detail);
        break;
    case BARE:
    case ALONE:
        break;
    }
}

void world_print_call(const struct world_call *call, char *text, size_t nbytes)
{
    const struct phrase *phrase = &phrases[call->kind];
    const char *plus = call->rests ? " +" : "";
    char rest[40];

    print_rest(call, rest, sizeof(rest));
    if (phrase->shape == ALONE) {
        snprintf(text, nbytes, "%s%s", phrase->word, plus);
    } else {
        snprintf(text, nbytes, "p%u %s%s%s", call->process, phrase->word, rest, plus);
    }
}

/* Every call has one text: the call whose text it is, of all that there could be. */
static bool try_call(const struct world_call *call, const char *text)
{
    char printed[80];

    world_print_call(call, printed, sizeof(printed));
    return strcmp(printed, text) == 0;
}

static bool parse_kind(const char *text, struct world_call *call)
{
    static const uint8_t objects[] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, WORLD_NOTHING};

    for (uint32_t i = 0; i < ARRAY_COUNT(objects); i++) {
        for (uint8_t detail = 0; detail < WORLD_MAPS; detail++) {
            call->object = objects[i];
            call->detail = detail;
            if (try_call(call, text)) {
                return true;
            }
        }
    }
    return false;
}

bool world_parse_call(const char *text, struct world_call *call)
{
    size_t length = strlen(text);

    *call = (struct world_call){.rests = length != 0 && text[length - 1] == '+'};
    for (; call->kind < WORLD_CALL_KINDS; call->kind++) {
        for (call->process = 0; call->process < WORLD_PROCESSES; call->process++) {
            if (parse_kind(text, call)) {
                return true;
            }
        }
    }
    return false;
}
