/*
 * tests/user/exhaustion.c: programs that reserve and commit until nothing more is given, private
 * memory and sections, touch all of it, and exit with all of it in their hands; charges and frames
 * are back where they were. Quire alone: under Wine it would be the memory of the machine.
 *
 * run with: --memory 24M --pagefile 40M
 * time limit: 120 s
 */
#include "tap.h"

#define HOGS   3
#define BLOCKS 4096
#define AGAIN  "again\ncharges and frames are back where they were\n"
#define NAMES                                                                                      \
    "three programs take all that is promised, touch it, find it as it was, and exit\n" AGAIN AGAIN

static const char ready[] = "quire-exhaustion-ready", go[] = "quire-exhaustion-go";

static struct {
    char *base;
    DWORD npages;
} blocks[BLOCKS];
static unsigned nblocks;

static BOOL is_refusal(void)
{
    DWORD error = GetLastError();

    return error == ERROR_COMMITMENT_LIMIT || error == ERROR_NO_SYSTEM_RESOURCES ||
           error == ERROR_NOT_ENOUGH_MEMORY;
}

/* A block of private memory, or a view of a new section whose handle is forgotten; NULL: refused */
static char *take(DWORD npages, BOOL is_section)
{
    HANDLE section;

    if (!is_section) {
        return VirtualAlloc(NULL, npages * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    }
    section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, npages * PAGE, NULL);
    return section == NULL ? NULL : MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
}

/* The stack's own growth takes commit: it must be over before there is none. */
static void __attribute__((noinline)) grow_stack(void)
{
    volatile char room[0x10000];

    for (size_t at = sizeof room; at > 0; at -= PAGE) {
        room[at - 1] = 1;
    }
}

static DWORD *word_of(unsigned block, DWORD page)
{
    return (DWORD *)(void *)(blocks[block].base + page * PAGE + page % 64 * 4);
}

/* Child: takes larger pieces while there are any, then smaller ones. */
static int hog(DWORD number)
{
    HANDLE begun = OpenSemaphoreA(SEMAPHORE_MODIFY_STATE, FALSE, ready);
    HANDLE start = OpenEventA(SYNCHRONIZE, FALSE, go);

    grow_stack();
    must(ReleaseSemaphore(begun, 1, NULL) && WaitForSingleObject(start, 30000) == WAIT_OBJECT_0);
    for (DWORD npages = 256; npages > 0; npages /= 4) {
        while (nblocks < BLOCKS &&
               (blocks[nblocks].base = take(npages, (nblocks + number) % 2 != 0)) != NULL) {
            blocks[nblocks++].npages = npages;
        }
        if (nblocks == BLOCKS || !is_refusal()) {
            return 70;
        }
    }
    for (DWORD round = 0; round < 2; round++) {
        for (unsigned i = 0; i < nblocks; i++) {
            for (DWORD page = 0; page < blocks[i].npages; page++) {
                if (round != 0 && *word_of(i, page) != number + i + page) {
                    return 71;
                }
                *word_of(i, page) = number + i + page;
            }
        }
    }
    return 60;
}

struct account {
    DWORD charge, objects, frames, tables, slots, processes;
};

static struct account account_now(void)
{
    struct quire_memory memory;
    struct quire_paging paging;

    Sleep(200); /* ended processes give their memory back a moment later */
    memory = memory_now();
    paging = paging_now();
    return (struct account){memory.commit_pages - memory.pool_pages,
                            memory.pool_objects,
                            paging.private_pages + memory.modified_pages,
                            memory.table_pages,
                            paging.pagefile_used_pages,
                            memory.processes};
}

static BOOL run_hogs(void)
{
    HANDLE begun = CreateSemaphoreA(NULL, 0, HOGS, ready);
    HANDLE start = CreateEventA(NULL, TRUE, FALSE, go);
    struct child children[HOGS];
    BOOL right = TRUE;

    for (DWORD i = 0; i < HOGS; i++) {
        right = start_child(&children[i], FALSE, 0, "hog %lu", i) && right;
    }
    for (DWORD i = 0; i < HOGS; i++) {
        right = WaitForSingleObject(begun, 30000) == WAIT_OBJECT_0 && right;
    }
    SetEvent(start);
    for (DWORD i = 0; i < HOGS; i++) {
        DWORD code = end_child(&children[i]);
        if (code != 60) {
            tap_print("# hog %lu ends with %lu", i, code);
            right = FALSE;
        }
    }
    CloseHandle(begun);
    CloseHandle(start);
    return right;
}

/* Of this process's own pages some are in memory now that were not, or were never stored to. */
#define OWN_PAGES 4u

static BOOL is_back(const struct account *before)
{
    struct account now = account_now();

    tap_print("# charge %lu -> %lu, objects %lu -> %lu, frames %lu -> %lu, tables %lu -> %lu, "
              "slots %lu -> %lu",
              before->charge, now.charge, before->objects, now.objects, before->frames, now.frames,
              before->tables, now.tables, before->slots, now.slots);
    return now.charge == before->charge && now.objects == before->objects &&
           now.frames + now.slots <= before->frames + before->slots + OWN_PAGES &&
           now.tables <= before->tables && now.processes == before->processes;
}

int main(int argc, char **argv)
{
    struct account before;

    tap_begin();
    if (argc > 2) {
        return hog((DWORD)atoi(argv[2]));
    }
    if (!is_quire()) {
        tap_skip_all("it would be the memory of the machine", NAMES);
        return tap_end();
    }
    grow_stack();
    ok(run_hogs(),
       "three programs take all that is promised, touch it, find it as it was, and exit");
    before = account_now(); /* what the first run left for the next ones is there from now on */
    for (int round = 0; round < 2; round++) {
        ok(run_hogs(), "again");
        ok(is_back(&before), "charges and frames are back where they were");
    }
    return tap_end();
}
