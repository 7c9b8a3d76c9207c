/*
 * tests/host/policy_strings.c: reference strings: patterns with known properties, programs that are
 * run here and recorded page by page, and files.
 *
 * The programs are real ones that work on data of their own; each touch of an element is noted as
 * one of the page that it lies in. All sizes follow from the number of frames.
 */
#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/* Below LIMIT. */
static uint32_t random_below(uint32_t limit)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((state >> 33) * limit >> 31);
}

static void *allocate(size_t count, size_t nbytes)
{
    void *memory = calloc(count, nbytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void reference_add(struct references *it, uint32_t page, bool store)
{
    if (it->count != 0 && it->items[it->count - 1] >> 1 == page) {
        it->items[it->count - 1] |= store;
        return;
    }
    if (it->count == it->room) {
        it->room = it->room == 0 ? 4096 : 2 * it->room;
        it->items = realloc(it->items, it->room * sizeof(*it->items));
        if (it->items == NULL) {
            abort();
        }
    }
    it->items[it->count++] = page << 1 | store;
    it->npages = max_u32(it->npages, page + 1);
}

/* One store in four. */
static void touch(struct references *it, uint32_t page)
{
    reference_add(it, page, random_below(4) == 0);
}

/* ---- patterns --------------------------------------------------------------------------------
 */

/* A hot set of six tenths of memory; one reference in eight is the next page of an endless scan. */
static void make_hot_scan(struct references *it, uint32_t n)
{
    uint32_t hot = n * 6 / 10;
    uint32_t scan = 0;
    for (uint32_t i = 0; i < 160 * n; i++) {
        if (random_below(8) == 0) {
            touch(it, hot + scan++ % (4 * n));
        } else {
            touch(it, random_below(hot));
        }
    }
}

/* The same hot set, left alone while a whole memory's worth of pages is read once. */
static void make_bursts(struct references *it, uint32_t n)
{
    uint32_t hot = n * 6 / 10;
    uint32_t scan = 0;
    for (uint32_t round = 0; round < 12; round++) {
        for (uint32_t i = 0; i < 12 * n; i++) {
            touch(it, random_below(hot));
        }
        for (uint32_t i = 0; i < n; i++) {
            touch(it, hot + scan++ % (4 * n));
        }
    }
}

static uint32_t *shuffled(uint32_t count)
{
    uint32_t *order = allocate(count, sizeof(*order));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = random_below(i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

/* The page of rank r is touched with a probability like 1 / r. */
static void make_zipf(struct references *it, uint32_t n)
{
    uint32_t npages = 4 * n;
    uint32_t *order = shuffled(npages);
    uint64_t *sums = allocate(npages, sizeof(*sums));
    uint64_t sum = 0;
    for (uint32_t rank = 0; rank < npages; rank++) {
        sum += (1u << 24) / (rank + 1);
        sums[rank] = sum;
    }
    for (uint32_t i = 0; i < 160 * n; i++) {
        uint64_t point = (uint64_t)random_below((uint32_t)sum);
        uint32_t low = 0;
        for (uint32_t high = npages - 1; low < high;) {
            uint32_t middle = (low + high) / 2;
            low = sums[middle] > point ? low : middle + 1;
            high = sums[middle] > point ? middle : high;
        }
        touch(it, order[low]);
    }
    free(sums);
    free(order);
}

/* Eight tenths of memory in random order for a while, then other pages, a quarter of them the same.
 */
static void make_phases(struct references *it, uint32_t n)
{
    uint32_t set = n * 8 / 10;
    for (uint32_t phase = 0; phase < 8; phase++) {
        for (uint32_t i = 0; i < 20 * n; i++) {
            touch(it, (phase * (set * 3 / 4) + random_below(set)) % (4 * n));
        }
    }
}

static void make_loop(struct references *it, uint32_t npages)
{
    for (uint32_t round = 0; round < 12; round++) {
        for (uint32_t page = 0; page < npages; page++) {
            touch(it, page);
        }
    }
}

static void make_loop_somewhat(struct references *it, uint32_t n)
{
    make_loop(it, n + n / 4);
}

static void make_loop_twice(struct references *it, uint32_t n)
{
    make_loop(it, 2 * n);
}

/* ---- programs --------------------------------------------------------------------------------
 */

/* An array of records, SHARE of which lie in a page, from FIRST_PAGE on. */
struct data {
    struct references *it;
    uint32_t first_page;
    uint32_t share;
    uint32_t *keys;
};

static struct data make_data(struct references *it, uint32_t first_page, uint32_t npages,
                             uint32_t share)
{
    return (struct data){it, first_page, share, allocate(npages * share, sizeof(uint32_t))};
}

static uint32_t load(const struct data *data, uint32_t index)
{
    reference_add(data->it, data->first_page + index / data->share, false);
    return data->keys[index];
}

static void store(const struct data *data, uint32_t index, uint32_t key)
{
    reference_add(data->it, data->first_page + index / data->share, true);
    data->keys[index] = key;
}

/* Hoare's quicksort of [first, end); the smaller part first, the larger one by going on. */
static void quicksort(const struct data *data, uint32_t first, uint32_t end)
{
    while (end - first > 1) {
        uint32_t pivot = load(data, first + (end - 1 - first) / 2);
        uint32_t low = first;
        uint32_t high = end - 1;
        for (;; low++, high--) {
            while (load(data, low) < pivot) {
                low++;
            }
            while (load(data, high) > pivot) {
                high--;
            }
            if (low >= high) {
                break;
            }
            uint32_t key = load(data, low);
            store(data, low, load(data, high));
            store(data, high, key);
        }
        uint32_t middle = high + 1;
        if (middle - first < end - middle) {
            quicksort(data, first, middle);
            first = middle;
        } else {
            quicksort(data, middle, end);
            end = middle;
        }
    }
}

/* Sorts an array of three memories' size. */
static void make_sort(struct references *it, uint32_t n)
{
    struct data data = make_data(it, 0, 3 * n, 64);
    for (uint32_t i = 0; i < 3 * n * 64; i++) {
        store(&data, i, random_below(1u << 30));
    }
    quicksort(&data, 0, 3 * n * 64);
    for (uint32_t i = 1; i < 3 * n * 64; i++) {
        if (data.keys[i - 1] > data.keys[i]) {
            abort();
        }
    }
    free(data.keys);
}

static uint32_t hash_of(uint32_t key, uint32_t size)
{
    return (uint32_t)((uint64_t)(key * 2654435761u) * size >> 32);
}

/* Where KEY lies, or shall lie, in an open-addressed table. */
static uint32_t find_key(const struct data *table, uint32_t size, uint32_t key)
{
    uint32_t index = hash_of(key, size);
    while (load(table, index) != 0 && table->keys[index] != key) {
        index = index + 1 < size ? index + 1 : 0;
    }
    return index;
}

/*
 * A hash join: a table of half of memory is built from one input; a larger input is read and looked
 * up in it, some keys far more often than others; what matches is written out.
 */
static void make_join(struct references *it, uint32_t n)
{
    const uint32_t share = 32;
    uint32_t size = n / 2 * share;
    uint32_t nkeys = size * 7 / 10;
    struct data build = make_data(it, 0, n / 2, share);
    struct data table = make_data(it, n / 2, n / 2, share);
    struct data probe = make_data(it, n, 3 * n, share);
    struct data output = make_data(it, 4 * n, 3 * n, share);
    uint32_t found = 0;
    for (uint32_t i = 0; i < nkeys; i++) {
        store(&build, i, 1 + random_below(1u << 24));
    }
    for (uint32_t i = 0; i < nkeys; i++) {
        uint32_t key = load(&build, i);
        store(&table, find_key(&table, size, key), key);
    }
    for (uint32_t i = 0; i < 3 * n * share; i++) {
        uint32_t picked = random_below(nkeys);
        picked = random_below(2) == 0 ? picked / 16 : picked;
        store(&probe, i, random_below(4) == 0 ? 1 + random_below(1u << 24) : build.keys[picked]);
    }
    for (uint32_t i = 0; i < 3 * n * share; i++) {
        uint32_t key = load(&probe, i);
        uint32_t index = find_key(&table, size, key);
        if (load(&table, index) == key) {
            store(&output, found++, key);
        }
    }
    free(build.keys);
    free(table.keys);
    free(probe.keys);
    free(output.keys);
}

/* The product of two matrices of tiles, a tile in each page; a matrix takes three quarters of
 * memory. */
static void make_matrix(struct references *it, uint32_t n)
{
    uint32_t size = 1;
    while ((size + 1) * (size + 1) <= n * 3 / 4) {
        size++;
    }
    struct data a = make_data(it, 0, size * size, 1);
    struct data b = make_data(it, size * size, size * size, 1);
    struct data c = make_data(it, 2 * size * size, size * size, 1);
    for (uint32_t i = 0; i < size * size; i++) {
        store(&a, i, random_below(1000));
        store(&b, i, random_below(1000));
    }
    for (uint32_t row = 0; row < size; row++) {
        for (uint32_t column = 0; column < size; column++) {
            for (uint32_t k = 0; k < size; k++) {
                uint32_t product = load(&a, row * size + k) * load(&b, k * size + column);
                store(&c, row * size + column, c.keys[row * size + column] + product);
            }
        }
    }
    free(a.keys);
    free(b.keys);
    free(c.keys);
}

/* ---- by name ---------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    const char *text;
    void (*make)(struct references *it, uint32_t nframes);
} patterns[] = {
    {"hot-scan", "a hot set of 0.6 of memory, with a scan that never ends beside it",
     make_hot_scan},
    {"bursts", "the same hot set, and now and then a scan of one memory", make_bursts},
    {"zipf", "four memories' pages, the page of rank r as often as 1/r", make_zipf},
    {"phases", "0.8 of memory at random, each phase with other pages", make_phases},
    {"loop-1.25", "a loop over 1.25 memories", make_loop_somewhat},
    {"loop-2", "a loop over two memories", make_loop_twice},
    {"sort", "recorded: quicksort of three memories", make_sort},
    {"join", "recorded: a hash join, the table in half of memory", make_join},
    {"matrix", "recorded: a product of matrices by tiles, each of 0.75 of memory", make_matrix},
};

const char *policy_pattern_name(uint32_t pattern)
{
    return pattern < ARRAY_COUNT(patterns) ? patterns[pattern].name : NULL;
}

const char *policy_pattern_text(uint32_t pattern)
{
    return patterns[pattern].text;
}

void policy_make(struct references *references, uint32_t pattern, uint32_t nframes, uint32_t seed)
{
    memset(references, 0, sizeof(*references));
    state = seed * 2654435761u + 1;
    patterns[pattern].make(references, nframes);
}

/* ---- files -----------------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Numbers the pages from 0 on, leaving out those that are never touched. */
static void number_anew(struct references *it)
{
    uint32_t *pages = allocate(it->count, sizeof(*pages));
    uint32_t npages = 0;
    for (uint32_t i = 0; i < it->count; i++) {
        pages[i] = it->items[i] >> 1;
    }
    qsort(pages, it->count, sizeof(*pages), by_number);
    for (uint32_t i = 0; i < it->count; i++) {
        if (i == 0 || pages[i] != pages[npages - 1]) {
            pages[npages++] = pages[i];
        }
    }
    for (uint32_t i = 0; i < it->count; i++) {
        uint32_t page = it->items[i] >> 1;
        const uint32_t *found = bsearch(&page, pages, npages, sizeof(*pages), by_number);
        it->items[i] = (uint32_t)(found - pages) << 1 | (it->items[i] & REFERENCE_STORE);
    }
    it->npages = npages;
    free(pages);
}

bool policy_read(struct references *references, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];
    uint32_t number = 0;
    memset(references, 0, sizeof(*references));
    if (file == NULL) {
        perror(path);
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        char *end;
        number++;
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        unsigned long page = strtoul(line, &end, 16);
        bool is_store = end[0] == ' ' && end[1] == 'w';
        end += is_store ? 2 : 0;
        if (end == line || (*end != '\n' && *end != '\0') || page > UINT32_MAX >> 1) {
            fprintf(stderr, "%s:%u: not a page number in hexadecimal: %s", path, number, line);
            fclose(file);
            return false;
        }
        reference_add(references, (uint32_t)page, is_store);
    }
    fclose(file);
    if (references->count == 0) {
        fprintf(stderr, "%s: nothing is touched there\n", path);
        return false;
    }
    number_anew(references);
    return true;
}
