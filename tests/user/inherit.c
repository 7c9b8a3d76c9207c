/*
 * tests/user/inherit.c: inherited handles, handles duplicated into other processes, and memory of
 * other processes (INH).
 */
#include "tap.h"

static HANDLE inheritable_section(DWORD protection, DWORD nbytes)
{
    SECURITY_ATTRIBUTES attributes = {sizeof attributes, NULL, TRUE};

    return CreateFileMappingA(INVALID_HANDLE_VALUE, &attributes, protection, 0, nbytes, NULL);
}

/* Child: maps the handle whose value it was told, reads and answers. */
static int use_handle(HANDLE section)
{
    DWORD flags = 0;
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    must(view != NULL);
    must(GetHandleInformation(section, &flags) && flags == HANDLE_FLAG_INHERIT);
    must(strcmp(view, "from the parent") == 0);
    strcpy(view, "from the child");
    return 11;
}

/* Child: the value is no handle. */
static int use_nothing(HANDLE section)
{
    must(FAILS(MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0), ERROR_INVALID_HANDLE));
    return 12;
}

/* Child: the handle only reads. */
static int use_reader(HANDLE section)
{
    must(FAILS(MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), ERROR_ACCESS_DENIED));
    must(MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0) != NULL);
    must((granted(section) & 0xFFFF) == FILE_MAP_READ);
    return 13;
}

/* Child: the parent's view is not there. */
static int look_at(char *address)
{
    MEMORY_BASIC_INFORMATION info = query(address);

    must(info.Type != MEM_MAPPED || info.State == MEM_FREE);
    return 14;
}

/* Child: hands the section on to a grandchild and ends first. */
static int pass_on(HANDLE section)
{
    return (int)run_child(TRUE, 0, "use 0x%lX", (DWORD)(ULONG_PTR)section);
}

/* Child: stores through a copy view. */
static int write_copy(HANDLE section)
{
    char *view = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);

    must(view != NULL && strcmp(view, "shared") == 0);
    strcpy(view, "private");
    must(strcmp(view, "private") == 0);
    return 16;
}

/* Child: gives the parent a handle (its value is the exit code), then ends. */
static int give(DWORD parent_id)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE), target = NULL;
    HANDLE parent = OpenProcess(PROCESS_DUP_HANDLE, FALSE, parent_id);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    must(parent != NULL && view != NULL);
    strcpy(view, "a gift");
    must(DuplicateHandle(GetCurrentProcess(), section, parent, &target, FILE_MAP_READ, FALSE, 0));
    return (int)(ULONG_PTR)target;
}

static int child(int argc, char **argv)
{
    HANDLE handle = handle_argument(argc > 2 ? argv[2] : "0");

    switch (argv[1][0]) {
    case 'u':
        return use_handle(handle);
    case 'n':
        return use_nothing(handle);
    case 'r':
        return use_reader(handle);
    case 'l':
        return look_at((char *)handle);
    case 'p':
        return pass_on(handle);
    case 'w':
        return write_copy(handle);
    case 'g':
        return give((DWORD)(ULONG_PTR)handle);
    default: /* 's': wait until ended */
        Sleep(60000);
        return 1;
    }
}

#define VALUE(handle) ((DWORD)(ULONG_PTR)(handle))

static void test_inheritance(void)
{
    HANDLE section = inheritable_section(PAGE_READWRITE, PAGE), reader = NULL, plain;
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    strcpy(view, "from the parent");
    ok(run_child(TRUE, 0, "use 0x%lX", VALUE(section)) == 11,
       "INH07 inherited: same value, same section, inheritable again");
    ok(strcmp(view, "from the child") == 0, "INH07 what the child wrote is here");
    ok(run_child(FALSE, 0, "nothing 0x%lX", VALUE(section)) == 12,
       "INH02 bInheritHandles FALSE: no handle there");
    plain = memory_section(PAGE_READWRITE, PAGE);
    ok(run_child(TRUE, 0, "nothing 0x%lX", VALUE(plain)) == 12,
       "INH02 a handle that is not inheritable");
    SetHandleInformation(plain, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    ok(run_child(TRUE, 0, "look 0x%lX", VALUE(view)) == 14, "INH04 views are not inherited");
    DuplicateHandle(GetCurrentProcess(), section, GetCurrentProcess(), &reader, FILE_MAP_READ, TRUE,
                    0);
    ok(run_child(TRUE, 0, "reader 0x%lX", VALUE(reader)) == 13,
       "INH07 an inherited handle keeps its access");
    strcpy(view, "from the parent");
    ok(run_child(TRUE, 0, "pass 0x%lX", VALUE(section)) == 11, "INH07 inherited by a grandchild");
    ok(strcmp(view, "from the child") == 0, "INH07 what the grandchild wrote is here");
    strcpy(view, "shared");
    ok(run_child(TRUE, 0, "write 0x%lX", VALUE(section)) == 16 && strcmp(view, "shared") == 0,
       "INH08 a child's stores through a copy view are its own");
    UnmapViewOfFile(view);
    CloseHandle(reader);
    CloseHandle(plain);
    CloseHandle(section);
}

static void test_open_inheritable(void)
{
    const char *name = unique("inherit");
    HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, name);
    HANDLE opened = OpenFileMappingA(FILE_MAP_ALL_ACCESS, TRUE, name);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    DWORD flags = 0;

    ok(GetHandleInformation(opened, &flags) && flags == HANDLE_FLAG_INHERIT,
       "INH17 OpenFileMapping with bInheritHandle");
    strcpy(view, "from the parent");
    ok(run_child(TRUE, 0, "use 0x%lX", VALUE(opened)) == 11, "INH17 is inherited");
    UnmapViewOfFile(view);
    CloseHandle(opened);
    CloseHandle(section);
}

/* Into and out of another process. */
static void test_duplication(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, PAGE), there = NULL, back = NULL, gift;
    struct object_basic basic;
    struct child child;
    char *view;

    start_child(&child, FALSE, 0, "sleep");
    ok(DuplicateHandle(GetCurrentProcess(), section, child.process, &there, FILE_MAP_READ, FALSE,
                       0) &&
           there != NULL,
       "HND01 duplicated into another process, with less access");
    pNtQueryObject(section, 0, &basic, sizeof basic, NULL);
    ok(basic.handles == 2, "HND17 HandleCount counts handles of all processes");
    ok(DuplicateHandle(child.process, there, GetCurrentProcess(), &back, 0, FALSE,
                       DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE),
       "HND05 fetched back with DUPLICATE_CLOSE_SOURCE");
    ok(pNtCompareObjects(section, back) == 0 && (granted(back) & 0xFFFF) == FILE_MAP_READ,
       "HND05 the same section, the lesser access");
    pNtQueryObject(section, 0, &basic, sizeof basic, NULL);
    ok(basic.handles == 2, "HND05 the source is closed");
    CloseHandle(back);
    DuplicateHandle(GetCurrentProcess(), section, child.process, &there, 0, FALSE,
                    DUPLICATE_SAME_ACCESS);
    TerminateProcess(child.process, 3);
    ok(end_child(&child) == 3, "NAM24 the other process ended");
    pNtQueryObject(section, 0, &basic, sizeof basic, NULL);
    ok(basic.handles == 1, "NAM24 its handles went with it");
    CloseHandle(section);
    gift = (HANDLE)(ULONG_PTR)run_child(FALSE, 0, "give %lu", GetCurrentProcessId());
    view = MapViewOfFile(gift, FILE_MAP_READ, 0, 0, 0);
    ok(view != NULL && strcmp(view, "a gift") == 0, "HND01 given by a process that has ended");
    ok(FAILS(MapViewOfFile(gift, FILE_MAP_WRITE, 0, 0, 0), ERROR_ACCESS_DENIED),
       "HND02 to read only");
    UnmapViewOfFile(view);
    CloseHandle(gift);
}

static void test_memory_of_another(void)
{
    struct child child;
    SIZE_T done = 77;
    char text[8] = "abcdefg", back[8] = "", *memory;
    DWORD old;

    start_child(&child, FALSE, 0, "sleep");
    ok(FAILS(VirtualAllocEx(NULL, NULL, PAGE, MEM_COMMIT, PAGE_READWRITE), ERROR_INVALID_HANDLE),
       "INH16 VirtualAllocEx of no process");
    ok(FAILS(VirtualFreeEx(NULL, text, 0, MEM_RELEASE), ERROR_INVALID_HANDLE),
       "INH16 VirtualFreeEx of no process");
    /* Where the child, which still starts, takes nothing when this is given back. */
    memory = VirtualAllocEx(child.process, (void *)0x5A000000, 3 * PAGE, MEM_RESERVE | MEM_COMMIT,
                            PAGE_READWRITE);
    ok(memory != NULL, "INH16 VirtualAllocEx of a child");
    unlike_wine(WriteProcessMemory(child.process, memory, text, 0, &done) && done == 0,
                "INH13 WriteProcessMemory of 0 bytes");
    ok(ReadProcessMemory(child.process, memory, back, 0, &done) && done == 0,
       "INH13 ReadProcessMemory of 0 bytes");
    ok(WriteProcessMemory(child.process, memory + PAGE - 3, text, 8, &done) && done == 8,
       "INH10 written over a page border");
    ok(ReadProcessMemory(child.process, memory + PAGE - 3, back, 8, &done) && done == 8 &&
           strcmp(back, text) == 0,
       "INH10 and read back");
    VirtualProtectEx(child.process, memory, PAGE, PAGE_READONLY, &old);
    ok(old == PAGE_READWRITE, "INH14 VirtualProtectEx");
    unlike_wine(FAILS(WriteProcessMemory(child.process, memory, text, 8, &done), ERROR_NOACCESS),
                "INH14 WriteProcessMemory to PAGE_READONLY");
    VirtualProtectEx(child.process, memory, PAGE, PAGE_EXECUTE_READ, &old);
    ok(WriteProcessMemory(child.process, memory, text, 8, &done) && done == 8,
       "INH15 to PAGE_EXECUTE_READ: the protection is lifted for the copy");
    unlike_wine(WriteProcessMemory(child.process, memory + PAGE - 3, text, 8, &done) && done == 8,
                "INH15 from there into the next page");
    ok(VirtualProtectEx(child.process, memory, PAGE, PAGE_READWRITE, &old) &&
           old == PAGE_EXECUTE_READ,
       "INH15 and is as it was");
    VirtualProtectEx(child.process, memory + PAGE, PAGE, PAGE_EXECUTE, &old);
    unlike_wine(WriteProcessMemory(child.process, memory + PAGE - 3, text, 8, &done) && done == 8,
                "INH15 from a writable page into one of code");
    ok(VirtualProtectEx(child.process, memory + PAGE, PAGE, PAGE_READWRITE, &old) &&
           old == PAGE_EXECUTE,
       "INH15 which stays code");
    ok(VirtualFreeEx(child.process, memory, 0, MEM_RELEASE), "INH16 VirtualFreeEx");
    unlike_wine(!ReadProcessMemory(child.process, memory, back, 8, &done), "INH16 it is gone");
    TerminateProcess(child.process, 3);
    end_child(&child);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 1) {
        return child(argc, argv);
    }
    test_inheritance();
    test_open_inheritable();
    test_duplication();
    test_memory_of_another();
    return tap_end();
}
