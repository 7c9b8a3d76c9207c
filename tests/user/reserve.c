/*
 * tests/user/reserve.c: commit inside views of SEC_RESERVE sections (RSV).
 */
#include "tap.h"

static void test_reserved_view(void)
{
    HANDLE section = memory_section(PAGE_READWRITE | SEC_RESERVE, 0x40000);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *other;
    MEMORY_BASIC_INFORMATION info;

    unlike_wine(read_fault(view) == AV && fault_was(0, view),
                "RSV01 nothing committed: a read raises");
    ok(VirtualAlloc(view, 0x10000, MEM_COMMIT, PAGE_READONLY) == view,
       "RSV01 a commit at the start");
    info = query(view);
    ok(info.State == MEM_COMMIT && info.Protect == PAGE_READONLY && info.Type == MEM_MAPPED &&
           info.AllocationProtect == PAGE_READWRITE && info.RegionSize == 0x10000,
       "RSV01 reads back as committed, read-only");
    info = query(view + 0x10000);
    ok(info.State == MEM_RESERVE && info.Protect == 0 && info.RegionSize == 0x30000,
       "RSV01 the rest is still reserved");
    ok(read_fault(view) == 0 && view[0] == 0, "RSV01 it reads as zeroes");
    ok(write_fault(view) == AV, "RSV01 and cannot be written");
    ok(VirtualAlloc(view + 0x20000, 0x2000, MEM_COMMIT, PAGE_READWRITE) == view + 0x20000,
       "RSV01 another commit, in the middle");
    strcpy(view + 0x20000, "committed");
    ok(query(view + 0x22000).State == MEM_RESERVE && query(view + 0x10000).State == MEM_RESERVE,
       "RSV01 around it reserved");
    other = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    ok(query(other + 0x20000).State == MEM_COMMIT && strcmp(other + 0x20000, "committed") == 0,
       "RSV01 what one view committed another shows");
    UnmapViewOfFile(other);
    ok(VirtualAlloc(view, 0x1000, MEM_COMMIT, PAGE_READWRITE) == view &&
           query(view).Protect == PAGE_READWRITE && query(view + 0x1000).Protect == PAGE_READONLY,
       "RSV06 committing again sets the protection");
    ok(FAILS(VirtualAlloc(view, 0x1000, MEM_COMMIT, PAGE_EXECUTE_READWRITE),
             ERROR_INVALID_PARAMETER),
       "RSV10 a protection that the view does not allow");
    ok(FAILS(VirtualFree(view, 0x1000, MEM_DECOMMIT), ERROR_INVALID_PARAMETER),
       "RSV04 MEM_DECOMMIT");
    ok(FAILS(VirtualFree(view, 0, MEM_RELEASE), ERROR_INVALID_PARAMETER), "RSV04 MEM_RELEASE");
    ok(FAILS(VirtualAlloc(view, 0x1000, MEM_RESERVE, PAGE_READWRITE), ERROR_INVALID_ADDRESS),
       "RSV08 MEM_RESERVE");
    ok(VirtualAlloc(view + 0x8000, 0x10000, MEM_RESET, PAGE_NOACCESS) == view + 0x8000,
       "RSV11 MEM_RESET over committed and reserved");
    ok(query(view + 0x8000).Protect == PAGE_READONLY && query(view + 0x10000).State == MEM_RESERVE,
       "RSV11 changes no state");
    ok(UnmapViewOfFile(view), "RSV01 unmapped");
    CloseHandle(section);
}

static void test_committed_view(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x40000);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    view[0x5000] = 4;
    ok(VirtualAlloc(view + 0x5000, 0x1000, MEM_COMMIT, PAGE_READONLY) == view + 0x5000,
       "RSV06 commit in a committed view");
    ok(query(view + 0x5000).Protect == PAGE_READONLY && query(view + 0x5000).RegionSize == 0x1000 &&
           view[0x5000] == 4,
       "RSV06 sets the protection, keeps the contents");
    ok(FAILS(VirtualFree(view + 0x5000, 0x1000, MEM_DECOMMIT), ERROR_INVALID_PARAMETER),
       "RSV04 MEM_DECOMMIT in a committed view");
    ok(view[0x5000] == 4, "RSV04 the contents stay");
    UnmapViewOfFile(view);
    CloseHandle(section);
}

/* The pages of files and images are committed for good. */
static void test_file_view(void)
{
    HANDLE file = open_file("small.bin");
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_RESERVE, 0, 0, NULL);
    char *view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    char *image = (char *)GetModuleHandleA(NULL);

    ok(FAILS(VirtualAlloc(view, PAGE, MEM_COMMIT, PAGE_READONLY), ERROR_ACCESS_DENIED),
       "RSV06 commit in a view of a file is refused");
    ok(FAILS(VirtualAlloc(view, PAGE, MEM_COMMIT, PAGE_READWRITE), ERROR_ACCESS_DENIED),
       "RSV06 whatever the protection");
    ok(query(view).Protect == PAGE_READONLY && query(view).State == MEM_COMMIT,
       "RSV06 it stays as it was");
    ok(FAILS(VirtualAlloc(image, PAGE, MEM_COMMIT, PAGE_READONLY), ERROR_ACCESS_DENIED),
       "RSV06 commit in an image");
    UnmapViewOfFile(view);
    CloseHandle(section);
    CloseHandle(file);
}

/* Child: another process sees what was committed in the parent's view. */
static int child(const char *name)
{
    HANDLE section = OpenFileMappingA(FILE_MAP_WRITE, FALSE, name);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    must(view != NULL);
    must(query(view).State == MEM_COMMIT && query(view).RegionSize == 0x3000);
    must(strcmp(view + 0x2000, "for the child") == 0);
    must(query(view + 0x3000).State == MEM_RESERVE);
    must(!is_quire() || read_fault(view + 0x3000) == AV);
    must(VirtualAlloc(view + 0x8000, 0x1000, MEM_COMMIT, PAGE_READWRITE) != NULL);
    strcpy(view + 0x8000, "for the parent");
    return 5;
}

static void test_two_processes(void)
{
    const char *name = unique("reserve");
    HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | SEC_RESERVE, 0,
                                        0x40000, name);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

    VirtualAlloc(view, 0x3000, MEM_COMMIT, PAGE_READWRITE);
    strcpy(view + 0x2000, "for the child");
    ok(run_child(FALSE, 0, "child %s", name) == 5, "RSV01 a second process sees what is committed");
    ok(query(view + 0x8000).State == MEM_COMMIT && strcmp(view + 0x8000, "for the parent") == 0,
       "RSV01 and what it committed is committed here");
    UnmapViewOfFile(view);
    CloseHandle(section);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 2) {
        return child(argv[2]);
    }
    test_reserved_view();
    test_committed_view();
    test_file_view();
    test_two_processes();
    return tap_end();
}
