/*
 * tests/host/policy_models.c: true LRU, CLOCK and Belady's optimum, each as its definition says it:
 * a table of frames that is searched for the victim from end to end.
 */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE UINT32_MAX
#define NEVER   UINT32_MAX

struct model {
    const struct references *references;
    uint32_t nframes;
    uint32_t used;
    uint32_t hand;
    uint32_t *page;  /* in each frame */
    uint32_t *stamp; /* of each frame: LRU: last use; CLOCK: accessed; optimum: next use */
    uint32_t *place; /* of each page: its frame, or NOWHERE */
    bool *touched;   /* each page, ever */
};

static void *allocate(size_t count, size_t nbytes)
{
    void *memory = calloc(count, nbytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

uint32_t policy_distinct(const struct references *references)
{
    bool *touched = allocate(references->npages, sizeof(*touched));
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < references->count; i++) {
        uint32_t page = references->items[i] >> 1;
        distinct += !touched[page];
        touched[page] = true;
    }
    free(touched);
    return distinct;
}

/* For each reference, when its page is referenced next. */
static uint32_t *next_uses(const struct references *references)
{
    uint32_t *next = allocate(references->count, sizeof(*next));
    uint32_t *seen = allocate(references->npages, sizeof(*seen));
    memset(seen, 0xFF, references->npages * sizeof(*seen));
    for (uint32_t i = references->count; i-- > 0;) {
        uint32_t page = references->items[i] >> 1;
        next[i] = seen[page];
        seen[page] = i;
    }
    free(seen);
    return next;
}

/* The frame with the smallest stamp (LRU), or the largest (optimum). */
static uint32_t extreme_frame(const struct model *model, bool largest)
{
    uint32_t best = 0;
    for (uint32_t frame = 1; frame < model->nframes; frame++) {
        bool smaller = model->stamp[frame] < model->stamp[best];
        if (model->stamp[frame] != model->stamp[best] && smaller != largest) {
            best = frame;
        }
    }
    return best;
}

/* CLOCK: the first frame from the hand on that was not accessed since the hand came by. */
static uint32_t clock_frame(struct model *model)
{
    while (model->stamp[model->hand] != 0) {
        model->stamp[model->hand] = 0;
        model->hand = (model->hand + 1) % model->nframes;
    }
    uint32_t frame = model->hand;
    model->hand = (model->hand + 1) % model->nframes;
    return frame;
}

static uint32_t choose_frame(struct model *model, enum policy policy)
{
    if (model->used < model->nframes) {
        return model->used++;
    }
    uint32_t frame = policy == POLICY_CLOCK ? clock_frame(model)
                                            : extreme_frame(model, policy == POLICY_OPTIMUM);
    model->place[model->page[frame]] = NOWHERE;
    return frame;
}

uint32_t policy_model(enum policy policy, const struct references *references, uint32_t nframes)
{
    struct model model = {.references = references,
                          .nframes = nframes,
                          .page = allocate(nframes, sizeof(uint32_t)),
                          .stamp = allocate(nframes, sizeof(uint32_t)),
                          .place = allocate(references->npages, sizeof(uint32_t)),
                          .touched = allocate(references->npages, sizeof(bool))};
    uint32_t *next = next_uses(references);
    uint32_t faults = 0;
    memset(model.place, 0xFF, references->npages * sizeof(*model.place));
    for (uint32_t i = 0; i < references->count; i++) {
        uint32_t page = references->items[i] >> 1;
        uint32_t frame = model.place[page];
        if (frame == NOWHERE) {
            faults += model.touched[page];
            model.touched[page] = true;
            frame = choose_frame(&model, policy);
            model.page[frame] = page;
            model.place[page] = frame;
        }
        model.stamp[frame] = policy == POLICY_LRU ? i : policy == POLICY_CLOCK ? 1 : next[i];
    }
    free(next);
    free(model.page);
    free(model.stamp);
    free(model.place);
    free(model.touched);
    return faults;
}
