/*
 * tests/user/ranges.c: byte ranges that are locked: LockFile, LockFileEx, UnlockFile, UnlockFileEx,
 * between handles and between processes, and what they do to ReadFile, WriteFile and views.
 */
#include "work.h"

/* Locks or unlocks with LockFileEx and its like. */
static BOOL lock(HANDLE file, ULONGLONG offset, ULONGLONG nbytes, DWORD flags)
{
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};

    return LockFileEx(file, flags, 0, (DWORD)nbytes, (DWORD)(nbytes >> 32), &at);
}

static BOOL unlock(HANDLE file, ULONGLONG offset, ULONGLONG nbytes)
{
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};

    return UnlockFileEx(file, 0, (DWORD)nbytes, (DWORD)(nbytes >> 32), &at);
}

#define SHARED    LOCKFILE_FAIL_IMMEDIATELY
#define EXCLUSIVE (LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK)

static void test_exclusive(void)
{
    HANDLE one = fresh("ranges", 1000), two = reopen("ranges", BOTH), again;
    DWORD done;
    char byte;

    ok(LockFile(one, 100, 0, 50, 0), "LockFile");
    ok(FAILS(LockFile(two, 100, 0, 50, 0), ERROR_LOCK_VIOLATION), "another handle: refused");
    ok(FAILS(LockFile(two, 149, 0, 1, 0), ERROR_LOCK_VIOLATION) &&
           FAILS(LockFile(two, 50, 0, 51, 0), ERROR_LOCK_VIOLATION) &&
           FAILS(LockFile(two, 0, 0, 1000, 0), ERROR_LOCK_VIOLATION),
       "ranges that share a byte with it: refused");
    ok(LockFile(two, 99, 0, 1, 0) && LockFile(two, 150, 0, 10, 0), "ranges beside it: allowed");
    ok(FAILS(LockFile(one, 100, 0, 50, 0), ERROR_LOCK_VIOLATION),
       "the same handle a second time: refused");
    unlike_wine(
        FAILS(ReadFile(two, &byte, 1, &done, &(OVERLAPPED){.Offset = 120}), ERROR_LOCK_VIOLATION) &&
            FAILS(WriteFile(two, "x", 1, &done, &(OVERLAPPED){.Offset = 120}),
                  ERROR_LOCK_VIOLATION),
        "ReadFile and WriteFile there through another handle: ERROR_LOCK_VIOLATION");
    ok(get(two, 200, &byte, 1) == 1 && put(two, 200, "x", 1) == 1, "elsewhere they work");
    ok(get(one, 120, &byte, 1) == 1 && put(one, 120, "y", 1) == 1, "through its own handle too");
    unlike_wine(FAILS(UnlockFile(one, 100, 0, 49, 0), ERROR_NOT_LOCKED) &&
                    FAILS(UnlockFile(one, 101, 0, 49, 0), ERROR_NOT_LOCKED) &&
                    FAILS(UnlockFile(two, 100, 0, 50, 0), ERROR_NOT_LOCKED),
                "unlocking another range, or through another handle: ERROR_NOT_LOCKED");
    ok(UnlockFile(one, 100, 0, 50, 0), "UnlockFile");
    unlike_wine(FAILS(UnlockFile(one, 100, 0, 50, 0), ERROR_NOT_LOCKED),
                "a second time: ERROR_NOT_LOCKED");
    ok(get(two, 120, &byte, 1) == 1 && byte == 'y', "now others read it");
    ok(LockFile(one, 0, 0, 10, 0) && CloseHandle(one) && LockFile(two, 0, 0, 10, 0),
       "closing the handle gives its locks up");
    again = reopen("ranges", READ);
    ok(LockFile(again, 20, 0, 10, 0), "a handle that may only read can lock");
    CloseHandle(again);
    again = create("ranges", FILE_READ_ATTRIBUTES, SHARE_ALL, OPEN_EXISTING, 0);
    unlike_wine(FAILS(LockFile(again, 30, 0, 10, 0), ERROR_ACCESS_DENIED),
                "one that may do neither cannot");
    CloseHandle(again);
    CloseHandle(two);
    ok(FAILS(LockFile(two, 0, 0, 1, 0), ERROR_INVALID_HANDLE), "a closed handle");
}

static void test_shared(void)
{
    HANDLE one = reopen("ranges", BOTH), two = reopen("ranges", BOTH);
    DWORD done;
    char byte;

    ok(lock(one, 0, 100, SHARED) && lock(two, 50, 100, SHARED), "shared locks may overlap");
    ok(FAILS(lock(two, 0, 10, EXCLUSIVE), ERROR_LOCK_VIOLATION), "an exclusive one over them not");
    ok(get(two, 10, &byte, 1) == 1, "a shared lock lets others read");
    unlike_wine(
        FAILS(WriteFile(two, "x", 1, &done, &(OVERLAPPED){.Offset = 10}), ERROR_LOCK_VIOLATION),
        "and not write");
    unlike_wine(
        FAILS(WriteFile(one, "x", 1, &done, &(OVERLAPPED){.Offset = 10}), ERROR_LOCK_VIOLATION),
        "nor write through its own handle");
    ok(unlock(one, 0, 100) && unlock(two, 50, 100), "UnlockFileEx");
    ok(lock(two, 0, 10, EXCLUSIVE), "now an exclusive one");
    ok(FAILS(lock(one, 5, 1, SHARED), ERROR_LOCK_VIOLATION), "a shared one over it: refused");
    ok(unlock(two, 0, 10), "unlocked");
    ok(lock(one, 0, 10, SHARED) && lock(one, 0, 10, SHARED) && unlock(one, 0, 10) &&
           FAILS(lock(two, 0, 10, EXCLUSIVE), ERROR_LOCK_VIOLATION) && unlock(one, 0, 10) &&
           lock(two, 0, 10, EXCLUSIVE) && unlock(two, 0, 10),
       "a range locked shared twice must be unlocked twice");
    CloseHandle(one);
    CloseHandle(two);
}

/* Programs lock bytes that no file has, as signs to each other. */
static void test_beyond_the_end(void)
{
    HANDLE one = reopen("ranges", BOTH), two = reopen("ranges", BOTH);

    ok(lock(one, 0x40000000, 512, EXCLUSIVE) &&
           FAILS(lock(two, 0x400001FF, 1, EXCLUSIVE), ERROR_LOCK_VIOLATION) &&
           unlock(one, 0x40000000, 512),
       "behind the end of the file");
    ok(lock(one, 0x7FFFFFFFFFFFFFF0, 15, EXCLUSIVE) &&
           FAILS(lock(two, 0x7FFFFFFFFFFFFFFE, 1, EXCLUSIVE), ERROR_LOCK_VIOLATION),
       "at the far end of all offsets");
    CloseHandle(one);
    CloseHandle(two);
    one = reopen("ranges", BOTH);
    two = reopen("ranges", BOTH);
    ok(LockFile(one, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF), "everything");
    ok(FAILS(LockFile(two, 5000, 0, 1, 0), ERROR_LOCK_VIOLATION), "then nothing is left");
    ok(UnlockFile(one, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF), "unlocked");
    CloseHandle(one);
    CloseHandle(two);
}

static void test_views(void)
{
    HANDLE one = reopen("ranges", BOTH), two = reopen("ranges", BOTH), section;
    unsigned char *view;

    section = section_of(two, PAGE_READWRITE, 0);
    view = view_of(section, FILE_MAP_WRITE);
    ok(lock(one, 0, 1000, EXCLUSIVE) && view[10] + 1 > 0, "a view reads what is locked");
    view[10] = 0x77;
    ok(byte_at(one, 10) == 0x77, "and writes it: views know no locks");
    UnmapViewOfFile(view);
    CloseHandle(section);
    CloseHandle(two);
    CloseHandle(one);
}

static int child(const char *what)
{
    HANDLE file = reopen("ranges", BOTH);

    must(file != NONE);
    if (strcmp(what, "refused") == 0) {
        must(FAILS(lock(file, 0, 10, EXCLUSIVE), ERROR_LOCK_VIOLATION));
    } else if (strcmp(what, "waits") == 0) {
        must(lock(file, 0, 10, LOCKFILE_EXCLUSIVE_LOCK)); /* until the parent lets go */
        must(byte_at(file, 500) == 'P');
        must(put(file, 500, "C", 1) == 1);
        must(unlock(file, 0, 10));
    } else {
        must(lock(file, 0, 10, EXCLUSIVE));
        return 43; /* the lock goes with the process */
    }
    CloseHandle(file);
    return 42;
}

static void test_processes(void)
{
    HANDLE file = reopen("ranges", BOTH);
    struct child waiting;

    ok(lock(file, 0, 10, EXCLUSIVE) && run_child(FALSE, 0, "refused x") == 42,
       "another process is refused");
    ok(start_child(&waiting, FALSE, 0, "waits x"), "one that waits for the lock");
    ok(WaitForSingleObject(waiting.process, 300) == WAIT_TIMEOUT, "it waits");
    put(file, 500, "P", 1);
    ok(unlock(file, 0, 10) && end_child(&waiting) == 42, "and gets it when it is unlocked");
    ok(byte_at(file, 500) == 'C', "one after the other");
    ok(run_child(FALSE, 0, "keeps x") == 43 && lock(file, 0, 10, EXCLUSIVE),
       "a process that ends gives its locks up");
    CloseHandle(file);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 2) {
        return child(argv[1]);
    }
    work_begin();
    test_exclusive();
    test_shared();
    test_beyond_the_end();
    test_views();
    test_processes();
    return work_end();
}
