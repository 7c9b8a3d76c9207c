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
#define SEEDS  5u

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

/*
 * Plays the pattern with each of the seeds, and judges each on its own. Returns our faults over
 * CLOCK's, summed, in thousandths.
 */
static uint32_t expect_good(const char *name, uint32_t nframes, uint32_t nseeds)
{
    uint32_t sums[POLICY_MODELS] = {0};
    uint32_t sum = 0;
    for (uint32_t seed = 1; seed <= nseeds; seed++) {
        struct references it;
        struct policy_ours ours = {.faults = 0};
        uint32_t models[POLICY_MODELS];
        policy_make(&it, pattern_called(name), nframes, seed);
        REQUIRE(policy_play_apart(&it, nframes, true, &ours));
        EXPECT_EQUAL(ours.wrong, 0);
        EXPECT_EQUAL(ours.nframes, nframes);
        EXPECT(ours.read <= ours.faults + ours.faults / 50 + 32); /* read-around does not help */
        for (enum policy policy = POLICY_LRU; policy < POLICY_MODELS; policy++) {
            models[policy] = policy_model(policy, &it, nframes);
            sums[policy] += models[policy];
        }
        EXPECT(models[POLICY_LRU] > 400); /* or there was nothing to choose */
        const char *complaint = policy_complaint(name, models, ours.faults);
        if (complaint != NULL) {
            printf("seed %u: %s\n", seed, complaint);
        }
        EXPECT(complaint == NULL);
        sum += ours.faults;
        free(it.items);
    }
    printf("%s, %u frames: optimum %u, LRU %u, CLOCK %u, ours %u\n", name, nframes,
           sums[POLICY_OPTIMUM], sums[POLICY_LRU], sums[POLICY_CLOCK], sum);
    return (uint32_t)(sum * 1000ull / sums[POLICY_CLOCK]);
}

static void expect_good_in_all(const char *name, uint32_t nseeds)
{
    static const uint32_t sizes[] = {512, 1024, 2048};
    for (uint32_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        (void)expect_good(name, sizes[i], nseeds);
    }
}

TEST("policy: a hot set with a scan beside it")
{
    expect_good_in_all("hot-scan", 1);
}

TEST("policy: a hot set with scans now and then")
{
    expect_good_in_all("bursts", 1);
}

TEST("policy: Zipf")
{
    expect_good_in_all("zipf", 1);
}

TEST("policy: the working set changes")
{
    expect_good_in_all("phases", SEEDS);
}

TEST("policy: a recorded hash join")
{
    expect_good_in_all("join", 1);
}

TEST("policy: a recorded product of matrices")
{
    expect_good_in_all("matrix", 1);
}

/* Each seed has its luck (see the next test); over several we are where CLOCK is. */
TEST("policy: a recorded sort")
{
    EXPECT(expect_good("sort", 512, 8) <= 1030);
    (void)expect_good("sort", 1024, 1);
}

/*
 * Why no seed of the sort is held to CLOCK's own faults: on it more memory is no proof against
 * CLOCK's luck, neither for LRU nor for CLOCK itself.
 */
TEST("policy: on the sort CLOCK faults more with more memory, and less than LRU with more")
{
    struct references it;
    policy_make(&it, pattern_called("sort"), 512, 34);
    EXPECT(policy_model(POLICY_CLOCK, &it, 512 + 25) > policy_model(POLICY_CLOCK, &it, 512));
    free(it.items);
    policy_make(&it, pattern_called("sort"), 512, 75);
    EXPECT(policy_model(POLICY_LRU, &it, 512 + 51) > policy_model(POLICY_CLOCK, &it, 512));
    free(it.items);
}

TEST("policy: loops larger than memory")
{
    expect_good_in_all("loop-1.25", 1);
    expect_good_in_all("loop-2", 1);
}

TEST("policy: what is asked for is judged")
{
    static const uint32_t models[POLICY_MODELS] = {
        [POLICY_LRU] = 1000, [POLICY_CLOCK] = 1050, [POLICY_OPTIMUM] = 500};
    EXPECT(policy_complaint("zipf", models, 1050) == NULL);
    EXPECT(policy_complaint("zipf", models, 1051) != NULL);
    EXPECT(policy_complaint("zipf", models, 499) != NULL);
    EXPECT(policy_complaint("loop-2", models, 1000) == NULL);
    EXPECT(policy_complaint("loop-2", models, 1001) != NULL);
    EXPECT(policy_complaint("sort", models, 1100) == NULL);
    EXPECT(policy_complaint("sort", models, 1101) != NULL);
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
