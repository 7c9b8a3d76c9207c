/*
 * tests/user/unmap.c: unmapping views (UNM) and flushing them as far as nothing is written (FLU;
 * mapfile.c has the rest).
 */
#include "tap.h"

static void test_unmap(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x20000);
    char *one = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    char *two = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *memory;

    strcpy(two, "text");
    ok(UnmapViewOfFile(one + 100), "UNM01 by an address inside");
    ok(query(one).State == MEM_FREE && query(one + 0x1F000).State == MEM_FREE,
       "UNM01 the whole view goes");
    ok(read_fault(one) == AV && fault_was(0, one), "UNM01 its addresses fault at once");
    ok(strcmp(two, "text") == 0, "UNM08 the other view stays");
    ok(FAILS(UnmapViewOfFile(one), ERROR_INVALID_ADDRESS), "UNM05 a second time");
    ok(STATUS_IS(pNtUnmapViewOfSection(GetCurrentProcess(), one), STATUS_NOT_MAPPED_VIEW),
       "UNM05 a second time, native");
    ok(FAILS(UnmapViewOfFile(NULL), ERROR_INVALID_ADDRESS), "UNM06 NULL");
    memory = VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_READWRITE);
    ok(FAILS(UnmapViewOfFile(memory), ERROR_INVALID_ADDRESS), "UNM03 VirtualAlloc memory");
    memory[0] = 3;
    ok(query(memory).State == MEM_COMMIT && memory[0] == 3, "UNM03 which stays");
    VirtualFree(memory, 0, MEM_RELEASE);
    CloseHandle(section);
    ok(strcmp(two, "text") == 0, "UNM07 closing the handle does not unmap");
    UnmapViewOfFile(two);

    section = memory_section(PAGE_READWRITE, 0x20000);
    one = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    strcpy(one + 0x1000, "kept");
    UnmapViewOfFile(one);
    two = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    ok(two != NULL && strcmp(two + 0x1000, "kept") == 0,
       "UNM07 unmapping does not close the handle, nor forget");
    UnmapViewOfFile(two);
    CloseHandle(section);
}

static int sleeper(void)
{
    Sleep(60000);
    return 0;
}

static void test_another_process(void)
{
    HANDLE section = memory_section(PAGE_READWRITE, 0x10000);
    char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), text[16] = "";
    struct child child;
    void *base = NULL;
    SIZE_T nbytes = 0, done = 0;
    MEMORY_BASIC_INFORMATION info;

    strcpy(view, "over there");
    ok(start_child(&child, FALSE, CREATE_SUSPENDED, "sleeper x"), "UNM09 a process");
    ok(STATUS_IS(pNtMapViewOfSection(section, child.process, &base, 0, 0, NULL, &nbytes, 1, 0,
                                     PAGE_READWRITE),
                 STATUS_SUCCESS),
       "INH10 a view mapped there");
    ok(ReadProcessMemory(child.process, base, text, 11, &done) && done == 11 &&
           strcmp(text, "over there") == 0,
       "INH10 ReadProcessMemory reads the section's data");
    ok(VirtualQueryEx(child.process, base, &info, sizeof info) != 0 && info.Type == MEM_MAPPED &&
           info.State == MEM_COMMIT && info.AllocationBase == base,
       "INH10 VirtualQueryEx shows it");
    ok(STATUS_IS(pNtUnmapViewOfSection(child.process, base), STATUS_SUCCESS),
       "UNM09 unmapped there");
    ok(VirtualQueryEx(child.process, base, &info, sizeof info) != 0 && info.State == MEM_FREE,
       "UNM09 it is gone");
    unlike_wine(!ReadProcessMemory(child.process, base, text, 11, &done), "UNM09 and unreadable");
    TerminateProcess(child.process, 3);
    ok(end_child(&child) == 3, "UNM09 the process ended");
    ok(strcmp(view, "over there") == 0, "UNM09 the view here stays");
    UnmapViewOfFile(view);
    CloseHandle(section);
}

static void test_flush(void)
{
    HANDLE file = open_file("large.bin"), section, memory;
    const void *base;
    SIZE_T nbytes = 0x1000;
    IO_STATUS_BLOCK io;
    unsigned char *view, *copy, *other;

    section = CreateFileMappingA(file, NULL, PAGE_WRITECOPY, 0, 0, NULL);
    view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    ok(FlushViewOfFile(view, 0), "FLU01 a view of a file");
    ok(FlushViewOfFile(view, 0x1000) && FlushViewOfFile(view + 0x2345, 0x10), "FLU01 parts of it");
    ok(FlushViewOfFile(view, 0), "FLU08 a view that cannot write: TRUE");
    base = view;
    ok(STATUS_IS(pNtFlushVirtualMemory(GetCurrentProcess(), &base, &nbytes, &io), STATUS_SUCCESS),
       "FLU07 NtFlushVirtualMemory");
    copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
    copy[0x1000] ^= 0xFF;
    ok(FlushViewOfFile(copy, 0), "FLU10 a copy view that was written");
    ok(view[0x1000] == data_byte(0x1000), "FLU10 the file does not change");
    UnmapViewOfFile(copy);
    UnmapViewOfFile(view);
    SetLastError(0);
    ok(!FlushViewOfFile(view, 0) && GetLastError() != 0, "FLU04 a free address");
    ok(!FlushViewOfFile(NULL, 0), "FLU06 NULL");
    CloseHandle(section);
    CloseHandle(file);
    memory = memory_section(PAGE_READWRITE, PAGE);
    other = MapViewOfFile(memory, FILE_MAP_WRITE, 0, 0, 0);
    other[0] = 1;
    ok(FlushViewOfFile(other, 0) && other[0] == 1, "FLU01 a view of memory");
    UnmapViewOfFile(other);
    other = VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_READWRITE);
    ok(FlushViewOfFile(other, 0), "FLU01 private memory: TRUE, nothing to do");
    VirtualFree(other, 0, MEM_RELEASE);
    CloseHandle(memory);
}

int main(int argc, char **argv)
{
    (void)argv;
    tap_begin();
    if (argc > 1) {
        return sleeper();
    }
    test_unmap();
    test_another_process();
    test_flush();
    return tap_end();
}
