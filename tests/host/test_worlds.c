/*
 * tests/host/test_worlds.c: small worlds, to a small depth, and what they see when something is
 * taken out of the kernel. `make worlds` goes deeper.
 */
#include "tests/host/test.h"
#include "tests/host/worlds.h"

static struct world_search explore(uint32_t depth, enum world_flaw flaw, const char *first)
{
    struct world_search search = {
        .depth = depth, .jobs = 1, .flaw = flaw, .first = first, .quiet = true};

    world_explore(&search);
    return search;
}

TEST("worlds: every sequence of three calls, and what was not there is not found")
{
    struct world_search search = explore(3, FLAW_NONE, NULL);

    EXPECT(!search.failed);
    EXPECT(search.states > 50);
    EXPECT(search.calls > 200);
}

TEST("worlds: worlds that count as equal go on alike")
{
    struct world_search search = {.depth = 2, .jobs = 1, .twins = true, .quiet = true};

    world_explore(&search);
    EXPECT(!search.failed);
    EXPECT(search.calls > 300);
}

TEST("worlds: with both sections mapped by both and every page stored to, every call more")
{
    struct world_search search = explore(1, FLAW_NONE, world_full);

    EXPECT(!search.failed);
    EXPECT(search.calls > 50);
}

TEST("worlds: a view that does not raise the usage counter is seen")
{
    struct world_search search = explore(4, FLAW_VIEW, NULL);

    EXPECT(search.failed);
    EXPECT(search.length <= 3);
}

TEST("worlds: a name that goes with the last handle is seen")
{
    struct world_search search = explore(4, FLAW_NAME, NULL);

    EXPECT(search.failed);
    EXPECT(search.length <= 3);
}

TEST("worlds: a TLB that is not flushed is seen")
{
    struct world_search search = explore(4, FLAW_FLUSH, NULL);

    EXPECT(search.failed);
}

TEST("worlds: a write to the paging file that does not arrive is seen")
{
    struct world_search search = explore(5, FLAW_WRITE, "p0 create A; p0 map A copy");

    EXPECT(search.failed);
}
