/*
 * tests/user/query.c: what VirtualQuery tells about views, private memory, images and free space
 * (QRY).
 */
#include "tap.h"

static BOOL is_free(MEMORY_BASIC_INFORMATION info)
{
    return info.State == MEM_FREE && info.Protect == PAGE_NOACCESS && info.AllocationBase == NULL &&
           info.AllocationProtect == 0 && info.Type == 0;
}

static void test_views(void)
{
    static const struct {
        DWORD access, protection;
    } rows[] = {{FILE_MAP_READ, PAGE_READONLY},
                {FILE_MAP_WRITE, PAGE_READWRITE},
                {FILE_MAP_COPY, PAGE_WRITECOPY},
                {0, PAGE_NOACCESS}};
    HANDLE section = memory_section(PAGE_READWRITE, 4 * PAGE);
    MEMORY_BASIC_INFORMATION info;

    for (unsigned i = 0; i < 4; i++) {
        char *view = MapViewOfFile(section, rows[i].access, 0, 0, 0);

        info = query(view + PAGE + 5);
        ok(info.Type == MEM_MAPPED && info.State == MEM_COMMIT && info.AllocationBase == view &&
               info.Protect == rows[i].protection && info.AllocationProtect == rows[i].protection,
           "QRY01 view with access 0x%lX: type, state, protections", rows[i].access);
        ok(info.BaseAddress == view + PAGE && info.RegionSize == 3 * PAGE,
           "QRY01 view with access 0x%lX: from the page to the end", rows[i].access);
        UnmapViewOfFile(view);
        ok(is_free(query(view)), "QRY03 view with access 0x%lX: unmapped", rows[i].access);
    }
    CloseHandle(section);
}

static void test_sizes_of_views(void)
{
    HANDLE section = memory_section(PAGE_READWRITE | SEC_RESERVE, 0x30000);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    MEMORY_BASIC_INFORMATION info = query(view);
    HANDLE file;

    ok(info.State == MEM_RESERVE && info.Protect == 0 && info.AllocationProtect == PAGE_READWRITE &&
           info.Type == MEM_MAPPED && info.RegionSize == 0x30000,
       "QRY04 view of a SEC_RESERVE section: reserved");
    UnmapViewOfFile(view);
    CloseHandle(section);
    section = memory_section(PAGE_READWRITE, 4090);
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    ok(query(view).RegionSize == 4096, "QRY07 a section of 4090 bytes: RegionSize 4096");
    UnmapViewOfFile(view);
    CloseHandle(section);
    file = open_file("small.bin");
    section = CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL);
    view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    ok(query(view).RegionSize == 0x2000, "QRY15 a file of 5000 bytes: RegionSize 0x2000");
    ok(query(view).Type == MEM_MAPPED && query(view).State == MEM_COMMIT,
       "QRY01 a view of a file: mapped, committed");
    UnmapViewOfFile(view);
    CloseHandle(section);
    CloseHandle(file);
}

static void test_private(void)
{
    char *base = VirtualAlloc(NULL, 0xFFFC, MEM_RESERVE, PAGE_NOACCESS);
    MEMORY_BASIC_INFORMATION info = query(base);
    DWORD old;

    ok(info.RegionSize == 0x10000 && info.State == MEM_RESERVE && info.Protect == 0 &&
           info.AllocationProtect == PAGE_NOACCESS && info.Type == MEM_PRIVATE,
       "QRY06 0xFFFC bytes reserved");
    ok(VirtualAlloc(base + 3 * PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE) == base + 3 * PAGE,
       "QRY13 two pages committed inside");
    info = query(base);
    ok(info.State == MEM_RESERVE && info.RegionSize == 3 * PAGE, "QRY13 before them: reserved");
    info = query(base + 4 * PAGE);
    ok(info.State == MEM_COMMIT && info.BaseAddress == base + 4 * PAGE && info.RegionSize == PAGE &&
           info.AllocationBase == base && info.AllocationProtect == PAGE_NOACCESS &&
           info.Protect == PAGE_READWRITE,
       "QRY13 their second: committed, read/write");
    info = query(base + 5 * PAGE);
    ok(info.State == MEM_RESERVE && info.RegionSize == 11 * PAGE, "QRY13 behind them: reserved");
    ok(VirtualProtect(base + 3 * PAGE, PAGE, PAGE_READONLY, &old) && old == PAGE_READWRITE,
       "QRY10 one of them read-only");
    info = query(base + 3 * PAGE);
    ok(info.Protect == PAGE_READONLY && info.RegionSize == PAGE &&
           info.AllocationProtect == PAGE_NOACCESS,
       "QRY10 AllocationProtect does not change");
    VirtualFree(base, 0, MEM_RELEASE);
    ok(is_free(query(base)), "QRY03 released: free");
}

static void test_free_and_above(void)
{
    MEMORY_BASIC_INFORMATION info, next;
    char *base = VirtualAlloc(NULL, 0x40000, MEM_RESERVE, PAGE_NOACCESS);

    VirtualFree(base, 0, MEM_RELEASE);
    base = VirtualAlloc(base + 0x30000, PAGE, MEM_RESERVE, PAGE_NOACCESS);
    ok(base != NULL, "QRY12 an allocation behind free space");
    info = query(base - 0x30000);
    ok(is_free(info) && (char *)info.BaseAddress + info.RegionSize == base,
       "QRY12 a free address: to the next allocation");
    VirtualFree(base, 0, MEM_RELEASE);
    info = query(NULL);
    ok(is_free(info) && info.BaseAddress == NULL, "QRY12 NULL is free");
    next = query((char *)info.BaseAddress + info.RegionSize);
    ok(info.RegionSize != 0 && next.State != MEM_FREE, "QRY12 and what follows is not");
    ok(FAILS(VirtualQuery((void *)0x90000000u, &info, sizeof info), ERROR_INVALID_PARAMETER),
       "QRY09 an address above user space");
    ok(FAILS(VirtualQuery((void *)0xFFFFFFFFu, &info, sizeof info), ERROR_INVALID_PARAMETER),
       "QRY09 the last address");
}

/* From 0 to the end of user space: no gap, no overlap. */
static void test_whole_space(void)
{
    MEMORY_BASIC_INFORMATION info;
    ULONG_PTR address = 0;
    int regions = 0, sound = 1;

    while (VirtualQuery((void *)address, &info, sizeof info) != 0 && regions < 10000) {
        sound = sound && (ULONG_PTR)info.BaseAddress == address && info.RegionSize != 0 &&
                (info.RegionSize & 0xFFF) == 0;
        address += info.RegionSize;
        regions++;
        if (!sound || address == 0) {
            break;
        }
    }
    ok(sound && regions > 5, "QRY12 the regions cover the space without a gap");
    ok(address >= 0x7FFE0000u && address <= 0x80000000u, "QRY09 they end where user space ends");
}

static void test_image(void)
{
    char *base = (char *)GetModuleHandleA(NULL);
    MEMORY_BASIC_INFORMATION header = query(base), code, data;
    static int writable = 5;

    code = query((void *)(ULONG_PTR)test_image);
    data = query(&writable);
    ok(header.Type == MEM_IMAGE && header.AllocationBase == base &&
           header.AllocationProtect == PAGE_EXECUTE_WRITECOPY && header.Protect == PAGE_READONLY,
       "QRY14 the program's header");
    ok(code.Type == MEM_IMAGE && code.AllocationBase == base &&
           code.AllocationProtect == PAGE_EXECUTE_WRITECOPY && code.Protect == PAGE_EXECUTE_READ,
       "QRY14 its code");
    ok(data.Type == MEM_IMAGE && data.AllocationBase == base &&
           (data.Protect == PAGE_WRITECOPY || data.Protect == PAGE_READWRITE),
       "QRY14 its data");
}

static void test_arguments(void)
{
    MEMORY_BASIC_INFORMATION info;
    SIZE_T done = 0;

    ok(STATUS_IS(
           pNtQueryVirtualMemory(GetCurrentProcess(), test_image, 0, &info, sizeof info, &done),
           STATUS_SUCCESS) &&
           done == sizeof info,
       "QRY01 the returned length");
    ok(STATUS_IS(
           pNtQueryVirtualMemory(GetCurrentProcess(), test_image, 0, &info, sizeof info - 1, NULL),
           STATUS_INFO_LENGTH_MISMATCH),
       "QRY01 a buffer that is too small");
    ok(STATUS_IS(pNtQueryVirtualMemory(NULL, test_image, 0, &info, sizeof info, NULL),
                 STATUS_INVALID_HANDLE),
       "QRY01 no process");
    ok(VirtualQueryEx(GetCurrentProcess(), (void *)(ULONG_PTR)test_image, &info, sizeof info) ==
               sizeof info &&
           info.Type == MEM_IMAGE,
       "QRY01 VirtualQueryEx of oneself");
}

int main(void)
{
    tap_begin();
    test_views();
    test_sizes_of_views();
    test_private();
    test_free_and_above();
    test_whole_space();
    test_image();
    test_arguments();
    return tap_end();
}
