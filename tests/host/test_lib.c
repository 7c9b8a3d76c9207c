/*
 * tests/host/test_lib.c: kernel/lib against the C library and against models.
 */
#include "sim.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/bitmap.h"
#include "kernel/format.h"
#include "kernel/page_hash.h"
#include "kernel/tree.h"

/* ---- format ---- */

/* Both printfs get the same format; both the text and the length must be the same. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[128];                                                                            \
        char theirs[128];                                                                          \
        size_t our_length = kformat(ours, sizeof(ours), __VA_ARGS__);                              \
        size_t their_length = (size_t)snprintf(theirs, sizeof(theirs), __VA_ARGS__);               \
        if (our_length != their_length || strcmp(ours, theirs) != 0) {                             \
            test_fail(__FILE__, __LINE__, "\"%s\" (%zu), expected \"%s\" (%zu)", ours, our_length, \
                      theirs, their_length);                                                       \
        }                                                                                          \
    } while (0)

TEST("format: the same text as snprintf")
{
    SAME("plain");
    SAME("%%|%c|%5c|%-5c|", 'a', 'b', 'c');
    SAME("%s|%10s|%-10s|%.2s|%.*s|%*s|", "one", "two", "three", "four", 3, "fiver", -8, "six");
    SAME("%d %d %d %i", 0, -1, 2147483647, (-2147483647 - 1));
    SAME("%5d|%-5d|%05d|%05d|", 42, 42, 42, -42);
    SAME("%u %x %X %08x %8X|%-8x|", 4294967295u, 0xbeefu, 0xBEEFu, 0x1234u, 0xabcu, 0xabcu);
    SAME("%lu %lx %ld", 123456789ul, 0xABCDEFul, -5l);
    SAME("%llu %llx %lld %016llX", 18446744073709551615ull, 0x123456789abcdefull,
         -9223372036854775807ll - 1, 0xFEDCBA987654321ull);
    SAME("%zu %zx %20llu|%-20llu|", (size_t)77, (size_t)255, 10000000000ull, 10000000000ull);
}

TEST("format: random numbers and widths")
{
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t value = ((uint64_t)(uint32_t)rand() << 33) ^ ((uint64_t)(uint32_t)rand() << 11);

        value >>= (uint32_t)rand() % 64;
        int width = rand() % 30 - 15;
        SAME("%*llu|%*lld|%*llx|%0*llX", width, (unsigned long long)value, width, (long long)value,
             width, (unsigned long long)value, abs(width), (unsigned long long)value);
    }
}

TEST("format: cuts off, counts on, and survives a null string and a lone percent sign")
{
    char text[8];

    EXPECT(kformat(text, sizeof(text), "%s", "0123456789") == 10);
    EXPECT(strcmp(text, "0123456") == 0);
    EXPECT(kformat(NULL, 0, "%d", 1234) == 4);
    EXPECT(kformat(text, 1, "x") == 1 && text[0] == '\0');
    EXPECT(kformat(text, sizeof(text), "%s", (char *)NULL) == 6 && strcmp(text, "(null)") == 0);
    const char *lone = "a%"; /* not a literal: the compiler would object */
    EXPECT(kformat(text, sizeof(text), lone) == 1 && strcmp(text, "a") == 0);
    char pointer[16];
    (void)kformat(pointer, sizeof(pointer), "%p", (void *)(uintptr_t)0x80100000u);
    EXPECT(strcmp(pointer, "0x80100000") == 0);
}

/* ---- string ---- */

void *quire_memcpy(void *target, const void *source, size_t nbytes);
void *quire_memmove(void *target, const void *source, size_t nbytes);
void *quire_memset(void *target, int value, size_t nbytes);
int quire_memcmp(const void *a, const void *b, size_t nbytes);
size_t quire_strlen(const char *string);
size_t quire_strnlen(const char *string, size_t limit);
int quire_strcmp(const char *a, const char *b);
int quire_strncmp(const char *a, const char *b, size_t limit);

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

TEST("string: memory functions do what the C library's do")
{
    static uint8_t ours[300];
    static uint8_t theirs[300];

    for (uint32_t i = 0; i < 20000; i++) {
        size_t target = (size_t)rand() % 128;
        size_t source = (size_t)rand() % 128;
        size_t nbytes = (size_t)rand() % 130;
        int value = rand();

        for (size_t j = 0; j < sizeof(ours); j++) {
            ours[j] = theirs[j] = (uint8_t)rand();
        }
        EXPECT(quire_memmove(ours + target, ours + source, nbytes) == ours + target);
        memmove(theirs + target, theirs + source, nbytes);
        quire_memset(ours + source, value, nbytes / 2);
        memset(theirs + source, value, nbytes / 2);
        if (target + nbytes <= 140) {
            quire_memcpy(ours + 140, ours + target, nbytes);
            memcpy(theirs + 140, theirs + target, nbytes);
        }
        REQUIRE(memcmp(ours, theirs, sizeof(ours)) == 0);
        EXPECT(sign(quire_memcmp(ours, ours + target, nbytes)) ==
               sign(memcmp(ours, ours + target, nbytes)));
    }
}

TEST("string: string functions")
{
    static const char *const words[] = {"", "a", "ab", "abc", "b", "\xff", "aB"};

    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        EXPECT(quire_strlen(words[i]) == strlen(words[i]));
        EXPECT(quire_strnlen(words[i], 2) == strnlen(words[i], 2));
        for (size_t j = 0; j < ARRAY_COUNT(words); j++) {
            EXPECT(sign(quire_strcmp(words[i], words[j])) == sign(strcmp(words[i], words[j])));
            EXPECT(sign(quire_strncmp(words[i], words[j], 1)) ==
                   sign(strncmp(words[i], words[j], 1)));
        }
    }
}

/* ---- tree ---- */

#define KEYS 512

struct number {
    struct tree_node node;
    int key;
    bool inside;
};

static struct number numbers[KEYS];

static struct number *number_of(struct tree_node *node)
{
    return container_of(node, struct number, node);
}

static void insert_number(struct tree *tree, struct number *number)
{
    struct tree_node *parent = NULL;
    bool as_left = false;

    for (struct tree_node *node = tree->root; node != NULL;) {
        parent = node;
        as_left = number->key < number_of(node)->key;
        node = as_left ? node->left : node->right;
    }
    tree_insert(tree, parent, as_left, &number->node);
}

/* The height of the subtree; checks links, order and balance on the way. */
static int check_subtree(struct tree_node *node, struct tree_node *parent, int low, int high)
{
    if (node == NULL) {
        return 0;
    }
    REQUIRE(node->parent == parent);
    REQUIRE(number_of(node)->key > low && number_of(node)->key < high);
    int left = check_subtree(node->left, node, low, number_of(node)->key);
    int right = check_subtree(node->right, node, number_of(node)->key, high);

    REQUIRE(node->balance == right - left && node->balance >= -1 && node->balance <= 1);
    return 1 + (left > right ? left : right);
}

/* In order, both ways, the tree holds exactly what the model holds. */
static void check_walk(const struct tree *tree)
{
    struct tree_node *node = tree_first(tree);

    for (int i = 0; i < KEYS; i++) {
        if (numbers[i].inside) {
            REQUIRE(node == &numbers[i].node);
            node = tree_next(node);
        }
    }
    REQUIRE(node == NULL);
    node = tree_last(tree);
    for (int i = KEYS - 1; i >= 0; i--) {
        if (numbers[i].inside) {
            REQUIRE(node == &numbers[i].node);
            node = tree_prev(node);
        }
    }
    REQUIRE(node == NULL);
}

TEST("tree: random insertions and removals keep it ordered and balanced")
{
    struct tree tree = {NULL};

    for (int i = 0; i < KEYS; i++) {
        numbers[i].key = i;
    }
    for (uint32_t step = 0; step < 20000; step++) {
        struct number *number = &numbers[(uint32_t)rand() % (step < 10000 ? KEYS : 24)];

        if (number->inside) {
            tree_remove(&tree, &number->node);
        } else {
            insert_number(&tree, number);
        }
        number->inside = !number->inside;
        if (step % 16 == 0 || step > 10000) {
            (void)check_subtree(tree.root, NULL, -1, KEYS);
        }
        if (step % 64 == 0) {
            check_walk(&tree);
        }
    }
}

TEST("tree: ascending keys give a height of log2")
{
    struct tree tree = {NULL};

    for (int i = 0; i < KEYS - 1; i++) {
        numbers[i].key = i;
        insert_number(&tree, &numbers[i]);
    }
    EXPECT(check_subtree(tree.root, NULL, -1, KEYS) == 9);
    for (int i = 0; i < KEYS - 1; i++) {
        tree_remove(&tree, &numbers[i].node);
        (void)check_subtree(tree.root, NULL, -1, KEYS);
    }
    EXPECT(tree.root == NULL && tree_first(&tree) == NULL && tree_last(&tree) == NULL);
}

/* ---- bitmap ---- */

static uint32_t count_empty_words(const struct bitmap *bitmap)
{
    uint32_t count = 0;
    for (uint32_t word = 0; word < bitmap->nbits / 32; word++) {
        count += bitmap->words[word] == 0;
    }
    return count;
}

TEST("bitmap: random runs against a model")
{
    enum { BITS = 203 };
    uint32_t words[BITMAP_WORDS(BITS)];
    static bool model[BITS];
    struct bitmap bitmap;

    bitmap_init(&bitmap, words, BITS);
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t nbits = 1 + (uint32_t)rand() % 12;
        uint32_t first = BITMAP_NONE;

        if (rand() % 4 == 0) {
            first = bitmap_allocate_run(&bitmap, nbits, &nbits);
            REQUIRE((first == BITMAP_NONE) == (nbits == 0));
            REQUIRE(nbits != 0 || bitmap_count_set(&bitmap) == BITS);
        } else if (rand() % 3 == 0) {
            first = bitmap_allocate(&bitmap, nbits);
        }

        if (first != BITMAP_NONE) {
            REQUIRE(first + nbits <= BITS);
            for (uint32_t i = first; i < first + nbits; i++) {
                REQUIRE(!model[i]);
                model[i] = true;
            }
        } else {
            uint32_t bit = (uint32_t)rand() % BITS;

            while (bit < BITS && model[bit]) {
                bitmap_free(&bitmap, bit, 1);
                model[bit++] = false;
            }
        }
        uint32_t count = 0;
        for (uint32_t i = 0; i < BITS; i++) {
            REQUIRE(bitmap_test(&bitmap, i) == model[i]);
            count += model[i];
        }
        REQUIRE(bitmap_count_set(&bitmap) == count);
        REQUIRE(bitmap.empty_words == count_empty_words(&bitmap));
    }
}

TEST("bitmap: a run as long as can be had")
{
    uint32_t words[BITMAP_WORDS(200)] = {0};
    struct bitmap bitmap;
    uint32_t got;

    bitmap_init(&bitmap, words, 90);
    EXPECT(bitmap.empty_words == 2);
    bitmap_grow(&bitmap, 200);
    EXPECT(bitmap.empty_words == 6);
    for (uint32_t bit = 0; bit < 120; bit += 3) {
        bitmap_set(&bitmap, bit);
    }
    EXPECT(bitmap_allocate_run(&bitmap, 2, &got) == 1 && got == 2); /* what is near will do */
    EXPECT(bitmap_allocate_run(&bitmap, 3, &got) == 118 && got == 3);
    bitmap.hint = 0;
    EXPECT(bitmap_allocate_run(&bitmap, 32, &got) == 128 && got == 32);
    EXPECT(bitmap_allocate_run(&bitmap, 60, &got) == 160 && got == 40);
    bitmap.hint = 4;
    EXPECT(bitmap_allocate_run(&bitmap, 32, &got) == 121 && got == 7); /* the longest there is */
    EXPECT(bitmap_allocate_run(&bitmap, 32, &got) == 4 && got == 2);
}

TEST("bitmap: what a run costs has a bound, also where long ones are nowhere")
{
    enum { BITS = 1 << 19, RUNS = 20000 };
    static uint32_t words[BITMAP_WORDS(BITS)];
    struct bitmap bitmap;
    uint32_t got;

    bitmap_init(&bitmap, words, BITS);
    for (uint32_t bit = 0; bit < BITS; bit++) {
        if (rand() % 10 != 0) {
            bitmap_set(&bitmap, bit);
        }
    }
    clock_t begin = clock();
    for (uint32_t i = 0; i < RUNS; i++) {
        uint32_t first = bitmap_allocate_run(&bitmap, 32, &got);
        REQUIRE(first != BITMAP_NONE);
        bitmap_free(&bitmap, first, got);
    }
    EXPECT(clock() - begin <
           2 * CLOCKS_PER_SEC); /* five searches of all of it take 40 times that */
}

TEST("bitmap: it finds the only run there is, and none when there is none")
{
    uint32_t words[BITMAP_WORDS(96)];
    struct bitmap bitmap;

    bitmap_init(&bitmap, words, 96);
    EXPECT(bitmap_allocate(&bitmap, 96) == 0);
    EXPECT(bitmap_allocate(&bitmap, 1) == BITMAP_NONE);
    bitmap_free(&bitmap, 30, 5);
    bitmap_clear(&bitmap, 95);
    EXPECT(bitmap_allocate(&bitmap, 6) == BITMAP_NONE);
    EXPECT(bitmap_allocate(&bitmap, 5) == 30);
    EXPECT(bitmap_allocate(&bitmap, 1) == 95);
    EXPECT(bitmap_count_set(&bitmap) == 96);
}

/* ---- the command line ---- */

TEST("command line: words, values, and the rest")
{
    char value[16];

    strcpy(boot_info.command_line,
           "quire selftest=frames  console=serial quiet -- a.exe -- quiet2");
    EXPECT(boot_flag("quiet") && !boot_flag("quie") && !boot_flag("quiet2") && !boot_flag("a.exe"));
    EXPECT(boot_option("selftest", value, sizeof(value)) && strcmp(value, "frames") == 0);
    EXPECT(boot_option("console", value, 4) && strcmp(value, "ser") == 0);
    EXPECT(!boot_option("self", value, sizeof(value)));
    REQUIRE(boot_rest() != NULL);
    EXPECT(strcmp(boot_rest(), "a.exe -- quiet2") == 0);
    strcpy(boot_info.command_line, "quiet");
    EXPECT(boot_rest() == NULL);
}

TEST("command line: ranges of memory")
{
    static const char *const wrong[] = {
        "",     "0x",   "16",   "16+",   "+16", "16+16,",       "16+16 ", "16+16+16",
        "1g+1", "1+-1", "x1+1", "0x1+g", "1,1", "1+1,1+1,1+1,", "1 + 1",  "4503599627370496999+1"};
    struct memory_range ranges[2];
    uint32_t count;

    EXPECT(boot_parse_ranges("0x2344800+0x1aF,4096+1", ranges, 2, &count) && count == 2);
    EXPECT(ranges[0].first == 0x2344800 && ranges[0].end == 0x23449AF);
    EXPECT(ranges[1].first == 4096 && ranges[1].end == 4097);
    EXPECT(boot_parse_ranges("0xFFFFFFFFF+0", ranges, 2, &count) && count == 1);
    EXPECT(ranges[0].first == 0xFFFFFFFFFull);
    for (uint32_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        EXPECT(!boot_parse_ranges(wrong[i], ranges, 2, &count) && count <= 2);
    }
    EXPECT(!boot_parse_ranges("1+1,2+2,3+3", ranges, 2, &count) && count == 2);
}

/* ---- the hash of a page ---- */

static uint32_t random_word(void)
{
    return (uint32_t)rand() << 16 ^ (uint32_t)rand();
}

/* Of many pages that differ by CHANGE no two hashes are the same. */
static uint32_t count_unseen(void (*change)(uint32_t *page))
{
    static uint32_t page[1024], changed[1024];
    uint32_t unseen = 0;

    for (uint32_t i = 0; i < 3000; i++) {
        for (uint32_t k = 0; k < 1024; k++) {
            page[k] = i % 3 == 0 ? 0 : i % 3 == 1 ? k * i : random_word();
        }
        memcpy(changed, page, sizeof(page));
        change(changed);
        unseen +=
            memcmp(page, changed, sizeof(page)) != 0 && page_hash(page, 1) == page_hash(changed, 1);
    }
    return unseen;
}

static void turn_two_highest_bits(uint32_t *page)
{
    page[rand() % 1024] ^= 0x80000000u;
    page[rand() % 1024] ^= 0x80000000u;
}

static void turn_one_bit_of_two_words(uint32_t *page)
{
    uint32_t bit = 1u << rand() % 32;
    page[rand() % 1024] ^= bit;
    page[rand() % 1024] ^= bit;
}

/* The same bit of each word, as when a line of a bus is stuck. */
static void set_a_bit_everywhere(uint32_t *page)
{
    uint32_t bit = 1u << rand() % 32;
    for (uint32_t i = 0; i < 1024; i++) {
        page[i] |= bit;
    }
}

static void swap_two_words(uint32_t *page)
{
    uint32_t a = (uint32_t)rand() % 1024, b = a / 8 * 8 + (uint32_t)rand() % 8;
    uint32_t word = page[a];
    page[a] = page[b];
    page[b] = word;
}

static void change_a_sector(uint32_t *page)
{
    memset(page + (uint32_t)rand() % 8 * 128, rand(), 512);
}

static void change_a_bit(uint32_t *page)
{
    page[rand() % 1024] ^= 1u << rand() % 32;
}

TEST("page hash: bits, words and sectors that are not what they were change it")
{
    EXPECT(count_unseen(change_a_bit) == 0);
    EXPECT(count_unseen(turn_two_highest_bits) == 0);
    EXPECT(count_unseen(turn_one_bit_of_two_words) == 0);
    EXPECT(count_unseen(set_a_bit_everywhere) == 0);
    EXPECT(count_unseen(swap_two_words) == 0);
    EXPECT(count_unseen(change_a_sector) == 0);
}

TEST("page hash: every bit of the page counts, the same for each seed")
{
    static uint32_t page[1024];

    for (uint32_t i = 0; i < 1024; i++) {
        page[i] = random_word();
    }
    for (uint32_t i = 0; i < 1024 * 32; i++) {
        uint32_t before = page_hash(page, i % 8);
        page[i / 32] ^= 1u << i % 32;
        REQUIRE(page_hash(page, i % 8) != before);
        EXPECT(page_hash(page, i % 8) != page_hash(page, i % 8 + 1));
        page[i / 32] ^= 1u << i % 32;
    }
}
