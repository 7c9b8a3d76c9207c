/*
 * tests/host/test_policy.c: how often the memory manager faults, beside true LRU, CLOCK and the
 * optimum with as many frames: at most 1.1 times as often as LRU, and never more than CLOCK.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"
#include "test.h"

#define FRAMES 1024u
#define SEEDS  3u

static uint32_t pattern_called(const char *name)
{
    uint32_t pattern = 0;
    while (policy_pattern_name(pattern) != NULL &&
           strcmp(policy_pattern_name(pattern), name) != 0) {
        pattern++;
    }
    REQUIRE(policy_pattern_name(pattern) != NULL);
    return pattern;
}

/* The faults of all, summed over the seeds. */
struct sums {
    uint32_t models[POLICY_MODELS];
    uint32_t ours;
};

static struct sums play(const char *name, uint32_t nseeds)
{
    struct sums sums = {.ours = 0};
    for (uint32_t seed = 1; seed <= nseeds; seed++) {
        struct references it;
        struct policy_ours ours = {.faults = 0};
        policy_make(&it, pattern_called(name), FRAMES, seed);
        REQUIRE(policy_play_apart(&it, FRAMES, true, &ours));
        EXPECT_EQUAL(ours.wrong, 0);
        EXPECT_EQUAL(ours.nframes, FRAMES);
        EXPECT(ours.read <= ours.faults + ours.faults / 20 + 50); /* read-around does not help */
        sums.ours += ours.faults;
        for (enum policy policy = POLICY_LRU; policy < POLICY_MODELS; policy++) {
            sums.models[policy] += policy_model(policy, &it, FRAMES);
        }
        free(it.items);
    }
    printf("%s: optimum %u, LRU %u, CLOCK %u, ours %u\n", name, sums.models[POLICY_OPTIMUM],
           sums.models[POLICY_LRU], sums.models[POLICY_CLOCK], sums.ours);
    EXPECT(sums.models[POLICY_OPTIMUM] <= sums.models[POLICY_LRU]);
    EXPECT(sums.models[POLICY_OPTIMUM] <= sums.models[POLICY_CLOCK]);
    EXPECT(sums.models[POLICY_OPTIMUM] <= sums.ours);
    return sums;
}

static void expect_good(const char *name, uint32_t nseeds)
{
    struct sums sums = play(name, nseeds);
    EXPECT(sums.models[POLICY_LRU] > 500); /* or there was nothing to choose */
    EXPECT(sums.ours * 10ull <= sums.models[POLICY_LRU] * 11ull);
    EXPECT(sums.ours <= sums.models[POLICY_CLOCK]);
}

TEST("policy: a hot set with a scan beside it")
{
    expect_good("hot-scan", SEEDS);
}

TEST("policy: a hot set with scans now and then")
{
    expect_good("bursts", SEEDS);
}

TEST("policy: Zipf")
{
    expect_good("zipf", SEEDS);
}

TEST("policy: the working set changes")
{
    expect_good("phases", SEEDS);
}

TEST("policy: a recorded hash join")
{
    expect_good("join", 1);
}

TEST("policy: a recorded product of matrices")
{
    expect_good("matrix", 1);
}

/* LRU itself is above CLOCK here with some seeds: what is asked for is to be near both. */
TEST("policy: a recorded sort")
{
    struct sums sums = play("sort", 1);
    EXPECT(sums.ours * 10ull <= sums.models[POLICY_LRU] * 11ull);
    EXPECT(sums.ours * 10ull <= sums.models[POLICY_CLOCK] * 11ull);
}

TEST("policy: loops larger than memory")
{
    struct sums somewhat = play("loop-1.25", 1);
    struct sums twice = play("loop-2", 1);
    EXPECT(somewhat.ours <= somewhat.models[POLICY_LRU]);
    EXPECT(twice.ours <= twice.models[POLICY_LRU]);
}

TEST("policy: neighbours that are read one after the other come together")
{
    struct references it;
    struct policy_ours scattered;
    struct policy_ours near;
    policy_make(&it, pattern_called("join"), FRAMES, 1);
    REQUIRE(policy_play_apart(&it, FRAMES, true, &scattered));
    REQUIRE(policy_play_apart(&it, FRAMES, false, &near));
    EXPECT_EQUAL(near.wrong, 0);
    EXPECT(near.faults * 2 <= scattered.faults);
    free(it.items);
}

/* The string of Belady's anomaly, and what each policy makes of it with three frames. */
TEST("policy: the models fault as their definitions say")
{
    static const uint32_t pages[] = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};
    struct references it = {.count = 0};
    for (uint32_t i = 0; i < ARRAY_COUNT(pages); i++) {
        reference_add(&it, pages[i], false);
    }
    EXPECT_EQUAL(policy_distinct(&it), 5);
    EXPECT_EQUAL(policy_model(POLICY_LRU, &it, 3), 10 - 5);
    EXPECT_EQUAL(policy_model(POLICY_CLOCK, &it, 3), 9 - 5);
    EXPECT_EQUAL(policy_model(POLICY_OPTIMUM, &it, 3), 7 - 5);
    EXPECT_EQUAL(policy_model(POLICY_LRU, &it, 4), 8 - 5);
    EXPECT_EQUAL(policy_model(POLICY_CLOCK, &it, 4), 10 - 5);
    EXPECT_EQUAL(policy_model(POLICY_OPTIMUM, &it, 4), 6 - 5);
    EXPECT_EQUAL(policy_model(POLICY_LRU, &it, 5), 0);
    free(it.items);
}

static bool read_text(const char *text, struct references *it)
{
    char path[] = "/tmp/quire-policy-XXXXXX";
    int file = mkstemp(path);
    REQUIRE(file >= 0);
    REQUIRE(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    bool read = policy_read(it, path);
    unlink(path);
    return read;
}

TEST("policy: a recorded string is read, and what is none is refused")
{
    struct references it;
    REQUIRE(read_text("# pages\n80000\n7fff0 w\n80000\n80000 w\n10\n", &it));
    EXPECT(it.npages == 3 && it.count == 4);
    EXPECT_EQUAL(it.items[0], 2 << 1);
    EXPECT_EQUAL(it.items[1], 1 << 1 | REFERENCE_STORE);
    EXPECT_EQUAL(it.items[2], 2 << 1 | REFERENCE_STORE); /* the last two touches are one */
    EXPECT_EQUAL(it.items[3], 0);
    free(it.items);
    EXPECT(!read_text("12 x\n", &it));
    EXPECT(!read_text("pages\n", &it));
    EXPECT(!read_text("ffffffff\n", &it));
    EXPECT(!read_text("# nothing\n", &it));
    EXPECT(!policy_read(&it, "/nonexistent/pages"));
}
