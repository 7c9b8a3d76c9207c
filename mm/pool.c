/*
 * mm/pool.c: slab caches for kernel objects, and blocks of mixed size on top of them.
 *
 * A slab is one frame: a header, then objects of one size; free objects are chained through their
 * first word by index, not by pointer. A cache keeps at most one empty slab for the next burst;
 * mm_pool_drain gives those back. Every slab is charged as resident memory.
 */
#include "mm/pool.h"

#include "kernel/failpoint.h"
#include "kernel/paging.h"
#include "kernel/string.h"
#include "mm/commit.h"
#include "mm/frame.h"
#include "mm/pool_init.h"

struct slab {
    struct list link;
    struct pool_cache *cache;
    uint16_t used;
    uint16_t free_head; /* index of a free object, or NO_OBJECT */
    uint16_t untouched; /* objects from here on have never been handed out */
    uint16_t reserved;
};

#define NO_OBJECT   0xFFFFu
#define SLAB_HEADER ((sizeof(struct slab) + 15u) & ~15u)

static const uint16_t block_sizes[] = {32, 64, 96, 128, 192, 256, 400, 576, 800, 1344, 2016};
#define BLOCK_SIZES ARRAY_COUNT(block_sizes)
#define BLOCK_UNIT  32u /* every size is a multiple */
#define BLOCK_MAX   2016u

static struct spinlock caches_lock = SPINLOCK_INIT(RANK_SEGMENT);
static struct list caches; /* [caches lock] */
static struct pool_cache block_caches[BLOCK_SIZES];
static uint8_t cache_of_size[BLOCK_MAX / BLOCK_UNIT + 1]; /* [c] by size in units */
static uint32_t slab_count;                               /* [pfn lock: changed with atomic adds] */
static uint32_t large_pages;
static uint32_t large_blocks;

void mm_pool_init(struct pool_cache *cache, const char *name, uint32_t nbytes)
{
    memset(cache, 0, sizeof(*cache));
    spin_init(&cache->lock, RANK_POOL);
    cache->name = name;
    cache->object_nbytes = (nbytes + 7u) & ~7u;
    cache->per_slab = (uint32_t)(PAGE_BYTES - SLAB_HEADER) / cache->object_nbytes;
    VERIFY(cache->per_slab > 0);
    list_init(&cache->partial);
    list_init(&cache->full);
    list_init(&cache->empty);
    spin_lock(&caches_lock);
    list_insert_tail(&caches, &cache->link);
    spin_unlock(&caches_lock);
}

static char *object_at(struct slab *slab, uint32_t index)
{
    return (char *)slab + SLAB_HEADER + (size_t)index * slab->cache->object_nbytes;
}

static struct slab *slab_create(struct pool_cache *cache)
{
    if (is_error(mm_charge_resident(1))) {
        return NULL;
    }
    pfn_t frame = mi_try_table_frame(FRAME_POOL);
    if (pfn_is_none(frame)) {
        mm_return_resident(1);
        return NULL;
    }
    struct slab *slab = frame_address(frame);
    slab->cache = cache;
    slab->used = 0;
    slab->free_head = NO_OBJECT;
    slab->untouched = 0;
    __atomic_add_fetch(&slab_count, 1, __ATOMIC_RELAXED);
    return slab;
}

static void slab_destroy(struct slab *slab)
{
    __atomic_sub_fetch(&slab_count, 1, __ATOMIC_RELAXED);
    mi_release_frame(frame_of(slab));
    mm_return_resident(1);
}

/* Takes an object out of a slab that has one. */
static void *slab_take(struct pool_cache *cache, struct slab *slab)
{
    char *object;
    if (slab->free_head != NO_OBJECT) {
        object = object_at(slab, slab->free_head);
        slab->free_head = *(const uint16_t *)(const void *)object;
    } else {
        object = object_at(slab, slab->untouched++);
    }
    slab->used++;
    cache->live++;
    if (slab->used == cache->per_slab) {
        list_remove(&slab->link);
        list_insert_head(&cache->full, &slab->link);
    }
    return object;
}

/* => cache lock held; a slab with a free object, or NULL. */
static struct slab *find_slab_locked(struct pool_cache *cache)
{
    if (!list_is_empty(&cache->partial)) {
        return list_entry(cache->partial.next, struct slab, link);
    }
    if (!list_is_empty(&cache->empty)) {
        struct slab *slab = list_entry(cache->empty.next, struct slab, link);
        list_remove(&slab->link);
        cache->nempty--;
        list_insert_head(&cache->partial, &slab->link);
        return slab;
    }
    return NULL;
}

/* An object whose contents are whatever was there. */
static void *allocate_object(struct pool_cache *cache)
{
    if (failpoint_is_hit(FAILPOINT_ALLOCATION)) {
        return NULL;
    }
    spin_lock(&cache->lock);
    struct slab *slab = find_slab_locked(cache);
    if (slab == NULL) {
        slab = slab_create(cache);
        if (slab == NULL) {
            spin_unlock(&cache->lock);
            return NULL;
        }
        list_insert_head(&cache->partial, &slab->link);
    }
    void *object = slab_take(cache, slab);
    spin_unlock(&cache->lock);
    return object;
}

void *mm_pool_allocate(struct pool_cache *cache)
{
    void *object = allocate_object(cache);
    if (object != NULL) {
        memset(object, 0, cache->object_nbytes);
    }
    return object;
}

/* Puts a slab on its list; or not: the one that is surplus is returned. => cache lock held. */
static struct slab *put_back_locked(struct pool_cache *cache, struct slab *slab)
{
    if (slab->used > 0) {
        list_insert_head(&cache->partial, &slab->link);
    } else if (cache->nempty == 0) {
        list_insert_head(&cache->empty, &slab->link);
        cache->nempty++;
    } else {
        return slab;
    }
    return NULL;
}

void mm_pool_free(struct pool_cache *cache, void *object)
{
    struct slab *slab = (struct slab *)(void *)((uintptr_t)object & ~(uintptr_t)PAGE_MASK);
    ASSERT(slab->cache == cache && slab->used > 0);
    struct slab *surplus = NULL;
    size_t offset = (size_t)((char *)object - object_at(slab, 0));
    ASSERT(offset % cache->object_nbytes == 0);
    spin_lock(&cache->lock);
    *(uint16_t *)object = slab->free_head;
    slab->free_head = (uint16_t)(offset / cache->object_nbytes);
    bool was_full = slab->used == cache->per_slab;
    slab->used--;
    cache->live--;
    if (slab->used == 0 || was_full) {
        list_remove(&slab->link);
        surplus = put_back_locked(cache, slab);
    }
    spin_unlock(&cache->lock);
    if (surplus != NULL) {
        slab_destroy(surplus);
    }
}

static uint32_t size_class(uint32_t nbytes)
{
    return (nbytes + BLOCK_UNIT - 1) / BLOCK_UNIT;
}

void mi_pool_init(void)
{
    static const char *const names[BLOCK_SIZES] = {
        "block-32",  "block-64",  "block-96",  "block-128",  "block-192", "block-256",
        "block-400", "block-576", "block-800", "block-1344", "block-2016"};
    list_init(&caches);
    for (uint32_t i = 0; i < BLOCK_SIZES; i++) {
        mm_pool_init(&block_caches[i], names[i], block_sizes[i]);
    }
    uint8_t cache = 0;
    for (uint32_t class = 0; class < ARRAY_COUNT(cache_of_size); class ++) {
        if (class * BLOCK_UNIT > block_sizes[cache]) {
            cache++;
        }
        cache_of_size[class] = cache;
    }
}

static struct pool_cache *cache_for(uint32_t nbytes)
{
    return nbytes <= BLOCK_MAX ? &block_caches[cache_of_size[size_class(nbytes)]] : NULL;
}

/* Whole frames, zeroed. */
static void *allocate_large(uint32_t nbytes)
{
    if (failpoint_is_hit(FAILPOINT_ALLOCATION)) {
        return NULL;
    }
    pfn_t first = mm_take_contiguous(pages_of(nbytes));
    if (pfn_is_none(first)) {
        return NULL;
    }
    __atomic_add_fetch(&large_blocks, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&large_pages, pages_of(nbytes), __ATOMIC_RELAXED);
    return frame_address(first);
}

void *mm_allocate(uint32_t nbytes)
{
    struct pool_cache *cache = cache_for(nbytes);
    return cache != NULL ? mm_pool_allocate(cache) : allocate_large(nbytes);
}

void *mm_allocate_unset(uint32_t nbytes)
{
    struct pool_cache *cache = cache_for(nbytes);
    return cache != NULL ? allocate_object(cache) : allocate_large(nbytes);
}

void mm_free(void *block, uint32_t nbytes)
{
    if (block == NULL) {
        return;
    }
    struct pool_cache *cache = cache_for(nbytes);
    if (cache != NULL) {
        mm_pool_free(cache, block);
        return;
    }
    __atomic_sub_fetch(&large_blocks, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&large_pages, pages_of(nbytes), __ATOMIC_RELAXED);
    mm_release_contiguous(frame_of(block), pages_of(nbytes));
}

uint32_t mm_pool_objects(void)
{
    uint32_t live = __atomic_load_n(&large_blocks, __ATOMIC_RELAXED);
    spin_lock(&caches_lock);
    list_for_each(link, &caches) {
        live += list_entry(link, struct pool_cache, link)->live;
    }
    spin_unlock(&caches_lock);
    return live;
}

uint32_t mm_pool_pages(void)
{
    return __atomic_load_n(&slab_count, __ATOMIC_RELAXED) +
           __atomic_load_n(&large_pages, __ATOMIC_RELAXED);
}

void mm_pool_drain(void)
{
    spin_lock(&caches_lock);
    list_for_each(link, &caches) {
        struct pool_cache *cache = list_entry(link, struct pool_cache, link);
        spin_lock(&cache->lock);
        list_for_each_safe(empty, after, &cache->empty) {
            list_remove(empty);
            slab_destroy(list_entry(empty, struct slab, link));
        }
        cache->nempty = 0;
        spin_unlock(&cache->lock);
    }
    spin_unlock(&caches_lock);
}

void mm_pool_for_each(void (*visit)(const struct pool_cache *cache, void *context), void *context)
{
    spin_lock(&caches_lock);
    list_for_each(link, &caches) {
        visit(list_entry(link, struct pool_cache, link), context);
    }
    spin_unlock(&caches_lock);
}
