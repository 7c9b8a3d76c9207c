/*
 * mm/cache.c: copying between a segment and memory, through kernel windows that link its prototype
 * tables: so a copy sees exactly what views see, and pages that are absent fault in on the
 * ordinary path.
 *
 * A window is found again while it shows the wanted chunk, taken over least recently used first
 * when it does not. It is pinned while a copy uses it; copies may fault and block. The cache
 * mutex guards which window shows what; no copy runs under it.
 *
 * A copy to or from user memory may fault on a page of an image, whose page-in reads its file
 * through a window in turn. So such copies never pin all windows: page-in always finds one, and
 * since it copies to kernel memory, which does not fault, it gives it back.
 */
#include "mm/cache.h"

#include "kernel/lock.h"
#include "kernel/paging.h"
#include "kernel/usercopy.h"
#include "kernel/wait.h"
#include "mm/await.h"
#include "mm/cache_windows.h"
#include "mm/page_in.h"
#include "mm/section.h"
#include "mm/segment.h"
#include "mm/table.h"

#define USER_COPIES_MAX (CACHE_WINDOWS / 2u)

struct window {
    struct segment *segment; /* [cache lock] what it shows, or NULL; stable while pinned */
    uint32_t chunk;          /* [cache lock] */
    uint32_t pins;           /* [cache lock] copies that use it now */
    uint64_t used;           /* [cache lock] turn of the last use */
};

static struct mutex cache_lock;
static struct window windows[CACHE_WINDOWS];
static uint64_t turn;               /* [cache lock] */
static uint32_t user_copies;        /* [cache lock] copies with user memory that pin a window */
static struct waitable window_free; /* manual: reset by who finds none, set by who unpins */

void mi_cache_init(void)
{
    mutex_init(&cache_lock, RANK_CACHE);
    waitable_init_event(&window_free, true, false);
}

struct segment *mi_cache_window_page(const void *address, uint32_t *page)
{
    uint32_t index = cache_window_of(address);
    if (index >= CACHE_WINDOWS || windows[index].pins == 0) {
        return NULL;
    }
    size_t offset = (size_t)((const char *)address - (const char *)cache_window_address(index));
    *page = windows[index].chunk * CHUNK_PAGES + (uint32_t)(offset >> PAGE_SHIFT);
    return *page < windows[index].segment->npages ? windows[index].segment : NULL;
}

/* => cache lock held; the window is not pinned. */
static void unlink_locked(uint32_t index)
{
    struct window *window = &windows[index];
    if (window->segment == NULL) {
        return;
    }
    struct chunk *chunk = mi_chunk(window->segment, window->chunk);
    cache_window_unlink(index);
    spin_lock(&chunk->lock);
    chunk->pins--;
    spin_unlock(&chunk->lock);
    window->segment = NULL;
}

/* False: there is no frame for the chunk's table. */
static bool link_locked(uint32_t index, struct segment *segment, uint32_t chunk_index)
{
    struct window *window = &windows[index];
    struct chunk *chunk = mi_chunk(segment, chunk_index);
    spin_lock(&chunk->lock);
    const pte_t *table = mi_chunk_table_locked(segment, chunk);
    chunk->pins += table != NULL;
    spin_unlock(&chunk->lock);
    if (table == NULL) {
        return false;
    }
    window->segment = segment;
    window->chunk = chunk_index;
    cache_window_link(index, frame_of(table));
    return true;
}

/* The window that shows the chunk, or the best to take over, or CACHE_WINDOWS: all are pinned. */
static uint32_t choose_locked(const struct segment *segment, uint32_t chunk_index)
{
    uint32_t best = CACHE_WINDOWS;
    for (uint32_t i = 0; i < CACHE_WINDOWS; i++) {
        if (windows[i].segment == segment && windows[i].chunk == chunk_index) {
            return i;
        }
        if (windows[i].pins == 0 &&
            (best == CACHE_WINDOWS || windows[i].used < windows[best].used)) {
            best = i;
        }
    }
    return best;
}

/* Pins a window onto the chunk. => the chunk's descriptor is reserved. May block. */
static uint32_t pin_window(struct segment *segment, uint32_t chunk_index, bool for_user)
{
    for (;;) {
        mutex_lock(&cache_lock);
        bool may = !for_user || user_copies < USER_COPIES_MAX;
        uint32_t index = may ? choose_locked(segment, chunk_index) : CACHE_WINDOWS;
        if (index != CACHE_WINDOWS) {
            if (windows[index].segment != segment || windows[index].chunk != chunk_index) {
                unlink_locked(index);
                if (!link_locked(index, segment, chunk_index)) {
                    mutex_unlock(&cache_lock);
                    mi_wait_for_frames();
                    continue;
                }
            }
            windows[index].pins++;
            windows[index].used = ++turn;
            user_copies += for_user;
            mutex_unlock(&cache_lock);
            return index;
        }
        event_reset(&window_free); /* under the lock: whoever unpins from now on sets it */
        mutex_unlock(&cache_lock);
        VERIFY(wait_for(&window_free, WAIT_FOREVER, false) == STATUS_SUCCESS);
    }
}

static void unpin_window(uint32_t index, bool for_user)
{
    mutex_lock(&cache_lock);
    bool idle = --windows[index].pins == 0;
    user_copies -= for_user;
    if (idle || for_user) {
        event_set(&window_free);
    }
    mutex_unlock(&cache_lock);
}

/* One piece inside one chunk. */
struct piece {
    uint32_t chunk;
    uint32_t offset; /* in the chunk */
    uint32_t nbytes;
};

static struct piece piece_at(uint64_t offset, uint32_t nbytes)
{
    struct piece piece = {.chunk = (uint32_t)(offset >> CHUNK_SHIFT),
                          .offset = (uint32_t)(offset & (CHUNK_BYTES - 1))};
    piece.nbytes = min_u32(nbytes, CHUNK_BYTES - piece.offset);
    return piece;
}

/* => STATUS_INVALID_PARAMETER outside the segment's pages. */
static status_t check_and_reserve(struct segment *segment, uint64_t offset, uint32_t nbytes)
{
    uint64_t end = (uint64_t)segment->npages << PAGE_SHIFT;
    if (offset > end || nbytes > end - offset) {
        return STATUS_INVALID_PARAMETER;
    }
    if (nbytes == 0) {
        return STATUS_SUCCESS;
    }
    return mi_segment_reserve(segment, (uint32_t)(offset >> CHUNK_SHIFT),
                              (uint32_t)((offset + nbytes - 1) >> CHUNK_SHIFT));
}

/* A copy between kernel memory and a segment. */
enum direction { FROM_SEGMENT, TO_SEGMENT, ZEROES_TO_SEGMENT };

static status_t copy_piece(void *window, char *memory, uint32_t nbytes, enum direction direction)
{
    switch (direction) {
    case FROM_SEGMENT:
        return copy_from_window(memory, window, nbytes);
    case TO_SEGMENT:
        return copy_to_window(window, memory, nbytes);
    case ZEROES_TO_SEGMENT:
        return window_fill(window, 0, nbytes);
    }
    unreachable();
}

static status_t copy(struct segment *segment, uint64_t offset, char *memory, uint32_t nbytes,
                     enum direction direction)
{
    status_t status = check_and_reserve(segment, offset, nbytes);
    for (uint32_t done = 0; is_success(status) && done < nbytes;) {
        struct piece piece = piece_at(offset + done, nbytes - done);
        uint32_t window = pin_window(segment, piece.chunk, false);
        status = copy_piece((char *)cache_window_address(window) + piece.offset,
                            memory == NULL ? NULL : memory + done, piece.nbytes, direction);
        unpin_window(window, false);
        done += piece.nbytes;
    }
    return status;
}

status_t mm_cache_read(struct segment *segment, uint64_t offset, void *target, uint32_t nbytes)
{
    return copy(segment, offset, target, nbytes, FROM_SEGMENT);
}

status_t mm_cache_write(struct segment *segment, uint64_t offset, const void *source,
                        uint32_t nbytes)
{
    return copy(segment, offset, (char *)(uintptr_t)source, nbytes, TO_SEGMENT);
}

status_t mm_cache_zero(struct segment *segment, uint64_t offset, uint32_t nbytes)
{
    return copy(segment, offset, NULL, nbytes, ZEROES_TO_SEGMENT);
}

/* What one request brings; a copy goes no further at a time when somebody says how it reads. */
#define ADVISED_NBYTES (PAGER_READ_PAGES * PAGE_BYTES)

/*
 * Brings what is absent of the pages of a piece: those alone, or, in order, with what follows. The
 * copy then finds them, or, where they have gone again, faults.
 */
static status_t bring(struct segment *segment, const struct piece *piece, enum read_advice advice)
{
    uint32_t page = piece->chunk * CHUNK_PAGES + (piece->offset >> PAGE_SHIFT);
    uint32_t end = piece->chunk * CHUNK_PAGES + mi_pages_for(piece->offset + piece->nbytes);
    struct chunk *chunk = mi_chunk(segment, piece->chunk);
    status_t status = STATUS_SUCCESS;
    while (is_success(status) && page < end) {
        spin_lock(&chunk->lock);
        enum page_state state = page < segment->npages
                                    ? mi_page_make_ready_locked(segment, chunk, page)
                                    : PAGE_READY; /* it was cut off: the copy will say so */
        spin_unlock(&chunk->lock);
        if (state == PAGE_READY) {
            page++;
        } else if (state == PAGE_NO_FRAME) {
            mi_wait_for_frames();
        } else {
            status = mi_page_in_run(segment, page,
                                    advice == READ_IN_ORDER ? PAGER_READ_PAGES : end - page);
        }
    }
    return status;
}

static status_t copy_user(struct segment *segment, uint64_t offset, uaddr_t user, uint32_t nbytes,
                          enum read_advice advice, uint32_t *copied, enum direction direction)
{
    uint32_t total = 0;
    status_t status = check_and_reserve(segment, offset, nbytes);
    while (is_success(status) && total < nbytes) {
        struct piece piece = piece_at(offset + total, nbytes - total);
        if (advice != READ_AS_SEEN) {
            piece.nbytes = min_u32(piece.nbytes, ADVISED_NBYTES);
            status = bring(segment, &piece, advice);
            if (is_error(status)) {
                break;
            }
        }
        uint32_t index = pin_window(segment, piece.chunk, true);
        char *window = (char *)cache_window_address(index) + piece.offset;
        uaddr_t place = {user.v + total};
        uint32_t done = 0;
        status = direction == FROM_SEGMENT
                     ? copy_window_to_user(place, window, piece.nbytes, &done)
                     : copy_user_to_window(window, place, piece.nbytes, &done);
        unpin_window(index, true);
        total += done;
    }
    mi_await_nothing();
    *copied = total;
    return status;
}

status_t mm_cache_read_user(struct segment *segment, uint64_t offset, uaddr_t target,
                            uint32_t nbytes, enum read_advice advice, uint32_t *copied)
{
    return copy_user(segment, offset, target, nbytes, advice, copied, FROM_SEGMENT);
}

status_t mm_cache_write_user(struct segment *segment, uint64_t offset, uaddr_t source,
                             uint32_t nbytes, uint32_t *copied)
{
    return copy_user(segment, offset, source, nbytes, READ_AS_SEEN, copied, TO_SEGMENT);
}

void mi_cache_unlink_idle(void)
{
    mutex_lock(&cache_lock);
    for (uint32_t i = 0; i < CACHE_WINDOWS; i++) {
        if (windows[i].pins == 0) {
            unlink_locked(i);
        }
    }
    mutex_unlock(&cache_lock);
}

void mi_cache_forget(const struct segment *segment)
{
    mutex_lock(&cache_lock);
    for (uint32_t i = 0; i < CACHE_WINDOWS; i++) {
        if (windows[i].segment == segment) {
            ASSERT(windows[i].pins == 0);
            unlink_locked(i);
        }
    }
    mutex_unlock(&cache_lock);
}
