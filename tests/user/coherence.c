/*
 * tests/user/coherence.c: files that are written through views and through WriteFile: what each
 * shows of the other (COH), flushing (FLU, UNM), growth at CreateFileMapping (CFM), protection
 * against the file's access (FPA), and what may not be done to a file that is mapped. Checks named
 * in lower case are for bugs that other systems had.
 */
#include "work.h"

/* A file with a section and a view of it. */
struct mapped {
    HANDLE file, section;
    unsigned char *view;
};

static struct mapped map_new(const char *name, DWORD nbytes)
{
    struct mapped it = {.file = fresh(name, nbytes)};

    it.section = section_of(it.file, PAGE_READWRITE, 0);
    it.view = view_of(it.section, FILE_MAP_WRITE);
    return it;
}

static void unmap(struct mapped *it)
{
    UnmapViewOfFile(it->view);
    CloseHandle(it->section);
    CloseHandle(it->file);
}

static void test_coherence(void)
{
    struct mapped it = map_new("coherent", 0x21234);
    HANDLE other = reopen("coherent", BOTH);
    HANDLE through = create("coherent", BOTH, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_WRITE_THROUGH);
    HANDLE section = section_of(other, PAGE_READWRITE, 0);
    unsigned char *second, *part;

    ok(it.view != NULL && it.view[0x21233] == data_byte(0x21233),
       "COH01 a view of what WriteFile wrote");
    it.view[0] = 0x11;
    it.view[0x1FFF] = 0x12;
    it.view[0x21233] = 0x13;
    ok(byte_at(it.file, 0) == 0x11 && byte_at(it.file, 0x1FFF) == 0x12 &&
           byte_at(it.file, 0x21233) == 0x13,
       "COH01 bytes stored through a view: ReadFile on its handle");
    ok(byte_at(other, 0) == 0x11 && byte_at(other, 0x21233) == 0x13,
       "COH01 ReadFile on another handle");
    ok(byte_at(through, 0x1FFF) == 0x12, "COH01 ReadFile on a FILE_FLAG_WRITE_THROUGH handle");
    ok(put(through, 0xFFE, "\x21\x22\x23\x24", 4) == 4 && it.view[0xFFE] == 0x21 &&
           it.view[0x1001] == 0x24,
       "COH04 WriteFile through FILE_FLAG_WRITE_THROUGH shows at once, across a page border");
    ok(put(other, 0x10000, "\x31", 1) == 1 && it.view[0x10000] == 0x31,
       "ReadFile and WriteFile coherent with a view, also through a second open");
    second = view_of(section, FILE_MAP_WRITE);
    CloseHandle(section);
    part = MapViewOfFile(it.section, FILE_MAP_READ, 0, 0x10000, 0x100);
    second[0x10001] = 0x32;
    ok(it.view[0x10001] == 0x32 && part[1] == 0x32 && byte_at(through, 0x10001) == 0x32,
       "COH01 a view of another section of it, made through another handle");
    quire_only(frame_of(second).frame == frame_of(it.view).frame, "COH01 one frame shows in both");
    UnmapViewOfFile(part);
    UnmapViewOfFile(second);
    ok(byte_at(it.file, 0x10001) == 0x32, "COH01 it stays when that view goes");
    CloseHandle(through);
    CloseHandle(other);
    unmap(&it);
    other = reopen("coherent", READ);
    ok(byte_at(other, 0) == 0x11 && byte_at(other, 0x1001) == 0x24 &&
           byte_at(other, 0x10001) == 0x32 && byte_at(other, 0x21233) == 0x13 &&
           size_of_file(other) == 0x21234,
       "COH01 all of it is there when everything was closed");
    CloseHandle(other);
}

static void test_own_buffers(void)
{
    struct mapped it = map_new("own", 0x30000);
    HANDLE other = reopen("own", BOTH);
    DWORD done = 0;
    int right = 1;

    ok(get(other, 0x5432, it.view + 0x20001, 0x3000) == 0x3000, "COH23 ReadFile into a view");
    for (DWORD i = 0; i < 0x3000; i++) {
        right = right && it.view[0x20001 + i] == data_byte(0x5432 + i);
    }
    ok(right && byte_at(it.file, 0x20001) == data_byte(0x5432),
       "COH23 the file has what was read, where the view is");
    ok(put(other, 0x10010, it.view + 0x100, 0x4321) == 0x4321, "COH23 WriteFile from a view");
    right = 1;
    for (DWORD i = 0; i < 0x4321; i++) {
        right = right && it.view[0x10010 + i] == data_byte(0x100 + i);
    }
    ok(right, "COH23 every byte of it");
    ok(put(it.file, 0x2000, it.view + 0x2000, 0x1000) == 0x1000 &&
           has_data(it.file, 0x2000, 0x1000),
       "COH23 WriteFile of a page onto itself");
    ok(put(it.file, 0x30000, it.view, 0x1000) == 0x1000 && size_of_file(it.file) == 0x31000 &&
           has_data(it.file, 0, 0x1000) && byte_at(it.file, 0x30FFF) == data_byte(0xFFF),
       "COH23 WriteFile from a view, behind the end of the file");
    SetFilePointer(it.file, 0x1800, NULL, FILE_BEGIN);
    ok(ReadFile(it.file, it.view + 0x1800, 0x100, &done, NULL) && done == 0x100 &&
           it.view[0x18FF] == data_byte(0x18FF),
       "COH23 ReadFile of bytes onto themselves");
    CloseHandle(other);
    unmap(&it);
}

static void test_truncation(void)
{
    struct mapped it = map_new("short", 0x5000);
    FILE_END_OF_FILE_INFO end = {.EndOfFile = {.QuadPart = 0x1000}};

    it.view[0x4FFF] = 0x41;
    ok(FAILS(set_end(it.file, 0x1000), ERROR_USER_MAPPED_FILE),
       "COH06 SetEndOfFile to less while a view exists");
    ok(size_of_file(it.file) == 0x5000 && it.view[0x4FFF] == 0x41 &&
           byte_at(it.file, 0x4FFF) == 0x41,
       "COH06 the file and the view stay as they were");
    ok(FAILS(set_end(it.file, 0), ERROR_USER_MAPPED_FILE), "COH06 nor to nothing");
    ok(FAILS(SetFileInformationByHandle(it.file, FileEndOfFileInfo, &end, sizeof end),
             ERROR_USER_MAPPED_FILE),
       "COH06 nor with SetFileInformationByHandle");
    ok(set_end(it.file, 0x5000), "COH06 to the size that it has");
    ok(set_end(it.file, 0x9000) && size_of_file(it.file) == 0x9000, "COH06 it may become longer");
    ok(is_filled(it.file, 0x5000, 0x4000, 0), "CFM13 what it gains reads as zeroes");
    CloseHandle(it.section);
    ok(FAILS(set_end(it.file, 0x1000), ERROR_USER_MAPPED_FILE),
       "COH06 the section closed, the view left");
    UnmapViewOfFile(it.view);
    ok(set_end(it.file, 0x1001) && size_of_file(it.file) == 0x1001,
       "COH09 when view and section have gone it can be truncated");
    it.section = section_of(it.file, PAGE_READWRITE, 0);
    it.view = view_of(it.section, FILE_MAP_WRITE);
    ok(it.view != NULL && section_basic(it.section).size.QuadPart == 0x1001 &&
           it.view[0x1000] == data_byte(0x1000) && it.view[0x1001] == 0,
       "COH09 and a new section made, of the new size");
    unmap(&it);
}

/* What a file loses by truncation never comes back. */
static void test_lost_bytes(void)
{
    HANDLE file = fresh("lost", 10000);
    struct mapped it = {.file = file};

    ok(set_end(file, 5000) && set_end(file, 10000) && is_filled(file, 5000, 5000, 0) &&
           has_data(file, 0, 5000),
       "shrinking a file zeroes its partial last page; extending after shrinking shows zeroes");
    it.section = section_of(file, PAGE_READWRITE, 0);
    it.view = view_of(it.section, FILE_MAP_WRITE);
    ok(it.view[4999] == data_byte(4999) && it.view[5000] == 0 && it.view[8191] == 0 &&
           it.view[8192] == 0 && it.view[9999] == 0,
       "COH09 a view shows the same zeroes");
    memset(it.view, 0x77, 10000);
    UnmapViewOfFile(it.view);
    CloseHandle(it.section);
    ok(set_end(file, 4096) && set_end(file, 4097) && byte_at(file, 4096) == 0 &&
           byte_at(file, 4095) == 0x77,
       "COH09 truncated at a page border, one byte more: zero");
    ok(set_end(file, 0) && set_end(file, 0x3000) && is_filled(file, 0, 0x3000, 0),
       "COH09 truncated to nothing and extended: zeroes");
    ok(put(file, 0x7000, "x", 1) == 1 && is_filled(file, 0x3000, 0x4000, 0) &&
           size_of_file(file) == 0x7001,
       "COH09 written behind its end: zeroes between");
    CloseHandle(file);
}

/* A page that is written back as a whole does not make the file longer. */
static void test_odd_end(void)
{
    struct mapped it = map_new("odd", 5000);
    HANDLE file;

    memset(it.view + 4900, 0x55, 8192 - 4900); /* also what lies behind the end */
    ok(FlushViewOfFile(it.view, 0) && size_of_file(it.file) == 5000,
       "paging write does not grow the file");
    unmap(&it);
    file = reopen("odd", READ);
    ok(size_of_file(file) == 5000 && is_filled(file, 4900, 100, 0x55) && byte_at(file, 5000) == -1,
       "paging write does not grow the file, nor when the view goes");
    CloseHandle(file);
}

static void test_replacing(void)
{
    HANDLE file = fresh("mapped", 0x4000), section = section_of(file, PAGE_READWRITE, 0), other;
    unsigned char *view = view_of(section, FILE_MAP_WRITE);

    make("other", 100);
    CloseHandle(file);
    ok(FILE_FAILS(create("mapped", BOTH, SHARE_ALL, CREATE_ALWAYS, 0), ERROR_USER_MAPPED_FILE),
       "COH11 CREATE_ALWAYS on a file with a live data section");
    ok(FILE_FAILS(create("mapped", BOTH, SHARE_ALL, TRUNCATE_EXISTING, 0), ERROR_USER_MAPPED_FILE),
       "COH12 TRUNCATE_EXISTING on it");
    ok(size_of_name("mapped") == 0x4000 && view[0x3FFF] == data_byte(0x3FFF),
       "COH12 size and contents stay");
    ok(FAILS(CopyFileA("other", "mapped", FALSE), ERROR_USER_MAPPED_FILE),
       "COH13 CopyFile onto it");
    CloseHandle(section);
    ok(FILE_FAILS(create("mapped", BOTH, SHARE_ALL, CREATE_ALWAYS, 0), ERROR_USER_MAPPED_FILE),
       "COH11 CREATE_ALWAYS with a view alone");
    ok(size_of_name("mapped") == 0x4000 && view[0] == data_byte(0), "COH11 size and contents stay");
    other = create("mapped", BOTH, SHARE_ALL, OPEN_ALWAYS, 0);
    ok(other != NONE && GetLastError() == ERROR_ALREADY_EXISTS, "COH11 OPEN_ALWAYS is no harm");
    CloseHandle(other);
    UnmapViewOfFile(view);
    other = create("mapped", BOTH, SHARE_ALL, CREATE_ALWAYS, 0);
    ok(other != NONE && GetLastError() == ERROR_ALREADY_EXISTS && size_of_file(other) == 0,
       "COH09 CREATE_ALWAYS when the view has gone");
    CloseHandle(other);
}

static NTSTATUS dispose(HANDLE file)
{
    FILE_DISPOSITION_INFO info = {TRUE};

    return SetFileInformationByHandle(file, FileDispositionInfo, &info, sizeof info)
               ? 0
               : (NTSTATUS)GetLastError();
}

static void test_deleting(void)
{
    struct mapped it = map_new("kept", 0x3000);
    HANDLE file = reopen("kept", DELETE | READ);

    CloseHandle(it.section);
    CloseHandle(it.file);
    ok(dispose(file) == ERROR_ACCESS_DENIED, "COH15 delete disposition while a view is mapped");
    CloseHandle(file);
    ok(exists("kept"), "COH15 the file stays");
    unlike_wine(FAILS(DeleteFileA("kept"), ERROR_ACCESS_DENIED), "COH17 DeleteFile with a view");
    unlike_wine(exists("kept") && it.view[0x2FFF] == data_byte(0x2FFF), "COH17 the file stays");
    UnmapViewOfFile(it.view);
    if (!is_quire()) {
        make("kept", 1); /* Wine deleted it */
    }
    file = fresh("kept", 0x1000);
    it.section = section_of(file, PAGE_READONLY, 0);
    CloseHandle(file);
    unlike_wine(FAILS(DeleteFileA("kept"), ERROR_ACCESS_DENIED), "COH17 with a section alone");
    CloseHandle(it.section);
    ok(DeleteFileA("kept") || !is_quire(), "COH17 when the section has gone it can be deleted");
    ok(!exists("kept"), "COH17 and is not there any more");

    it = map_new("closing", 0x1000);
    CloseHandle(it.file);
    file = create("closing", READ | DELETE, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_DELETE_ON_CLOSE);
    ok(file != NONE, "COH18 FILE_FLAG_DELETE_ON_CLOSE over a live data section");
    CloseHandle(file);
    ok(it.view[0xFFF] == data_byte(0xFFF), "COH18 the view stays");
    UnmapViewOfFile(it.view);
    CloseHandle(it.section);
}

static void test_image(void)
{
    HANDLE file, section;
    unsigned char *view;

    ok(CopyFileA(beside(""), "image.exe", TRUE), "COH22 a copy of a program");
    file = create("image.exe", GENERIC_READ | GENERIC_EXECUTE, SHARE_ALL, OPEN_EXISTING, 0);
    section = section_of(file, PAGE_READONLY | SEC_IMAGE, 0);
    view = view_of(section, FILE_MAP_READ);
    CloseHandle(file);
    ok(view != NULL && view[0] == 'M', "COH22 mapped as an image");
    ok(FILE_FAILS(create("image.exe", FILE_WRITE_DATA, SHARE_ALL, OPEN_EXISTING, 0),
                  ERROR_SHARING_VIOLATION),
       "COH22 live image section: an open with FILE_WRITE_DATA");
    ok(FILE_FAILS(create("image.exe", BOTH, SHARE_ALL, CREATE_ALWAYS, 0), ERROR_SHARING_VIOLATION),
       "COH11 CREATE_ALWAYS on a live image section");
    file = create("image.exe", READ, SHARE_ALL, OPEN_EXISTING, 0);
    ok(file != NONE, "COH22 reading is allowed");
    CloseHandle(file);
    ok(FILE_FAILS(
           create("image.exe", READ | DELETE, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_DELETE_ON_CLOSE),
           ERROR_ACCESS_DENIED),
       "COH18 FILE_FLAG_DELETE_ON_CLOSE over a live image section");
    ok(FAILS(DeleteFileA("image.exe"), ERROR_ACCESS_DENIED), "COH18 DeleteFile");
    UnmapViewOfFile(view);
    CloseHandle(section);
    file = reopen("image.exe", BOTH);
    ok(file != NONE, "COH22 when the section has gone it can be written");
    CloseHandle(file);
    ok(DeleteFileA("image.exe"), "COH22 and deleted");
}

static void test_claims(void)
{
    HANDLE file = create("claim", BOTH, SHARE_ALL, CREATE_ALWAYS, 0), section;
    unsigned char *view;

    put(file, 0, "text", 4);
    section = section_of(file, PAGE_READWRITE, PAGE);
    CloseHandle(file);
    ok(FILE_FAILS(create("claim", READ, FILE_SHARE_READ, OPEN_EXISTING, 0),
                  ERROR_SHARING_VIOLATION),
       "COH20 PAGE_READWRITE section, file closed: an open without FILE_SHARE_WRITE");
    ok(FILE_FAILS(create("claim", READ, 0, OPEN_EXISTING, 0), ERROR_SHARING_VIOLATION),
       "COH20 nor one that shares nothing");
    file = create("claim", READ, SHARE_RW, OPEN_EXISTING, 0);
    ok(file != NONE, "COH20 with FILE_SHARE_WRITE it works");
    CloseHandle(file);
    view = view_of(section, FILE_MAP_WRITE);
    CloseHandle(section);
    ok(FILE_FAILS(create("claim", READ, FILE_SHARE_READ, OPEN_EXISTING, 0),
                  ERROR_SHARING_VIOLATION),
       "COH20 the same for a view alone");
    UnmapViewOfFile(view);
    file = create("claim", READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
    ok(file != NONE, "COH20 nothing is claimed when the view has gone");
    CloseHandle(file);
    file = create("claim", BOTH, 0, CREATE_ALWAYS, 0);
    section = section_of(file, PAGE_READWRITE, 0x2000);
    CloseHandle(file);
    view = view_of(section, FILE_MAP_WRITE);
    ok(view != NULL && (view[0x1FFF] = 7) == 7, "CFM24 share mode 0, the file closed: it works");
    CloseHandle(section);
    view[0] = 9;
    UnmapViewOfFile(view);
    file = reopen("claim", READ);
    ok(byte_at(file, 0x1FFF) == 7 && byte_at(file, 0) == 9,
       "last handle closed, view still valid: what was stored is in the file");
    CloseHandle(file);
}

/* Whether no page of the section's file waits to be written. */
static BOOL is_clean(HANDLE section)
{
    return usage_of(section).modified_pages == 0;
}

static void test_flushing(void)
{
    struct mapped it = map_new("flushed", 0x20000);
    unsigned char *other = view_of(it.section, FILE_MAP_WRITE), *copy;
    HANDLE direct, readable;
    const void *base = it.view;
    SIZE_T nbytes = 0x1000;
    IO_STATUS_BLOCK io;

    ok(FlushFileBuffers(it.file), "FLU01 FlushFileBuffers");
    quire_only(is_clean(it.section), "FLU01 no page is left to write");
    memset(it.view, 0x61, 0x3000);
    quire_only(usage_of(it.section).modified_pages == 3, "FLU01 three pages stored to");
    ok(FlushViewOfFile(it.view, 0), "FLU01 FlushViewOfFile of a view");
    quire_only(is_clean(it.section), "FLU01 they are written");
    direct = create("flushed", READ, SHARE_ALL, OPEN_EXISTING, FILE_FLAG_NO_BUFFERING);
    copy = VirtualAlloc(NULL, 0x1000, MEM_COMMIT, PAGE_READWRITE);
    ok(get(direct, 0x2000, copy, 0x1000) == 0x1000 && copy[0] == 0x61 && copy[0xFFF] == 0x61,
       "FLU09 a reader with FILE_FLAG_NO_BUFFERING sees the data");
    VirtualFree(copy, 0, MEM_RELEASE);
    CloseHandle(direct);

    it.view[0x5000] = 1;
    quire_only(usage_of(it.section).modified_pages == 1, "two views: stored through one");
    ok(FlushViewOfFile(other + 0x5000, 1), "two views: flush through one");
    quire_only(is_clean(it.section), "two views: the page is clean for both");
    other[0x5000] = 2;
    it.view[0x5001] = 3;
    quire_only(usage_of(it.section).modified_pages == 1, "two views: store through the other");
    ok(FlushViewOfFile(it.view, 0) && byte_at(it.file, 0x5000) == 2 &&
           byte_at(it.file, 0x5001) == 3,
       "two views: flush through one, store through the other, flush again");
    quire_only(is_clean(it.section), "two views: clean again");
    UnmapViewOfFile(other);

    it.view[0] = 4;
    ok(STATUS_IS(pNtFlushVirtualMemory(GetCurrentProcess(), &base, &nbytes, &io), STATUS_SUCCESS),
       "FLU07 NtFlushVirtualMemory of a dirty page");
    quire_only(is_clean(it.section), "FLU07 it is written");
    it.view[0x1000] = 5;
    it.view[0x3000] = 5;
    ok(FlushViewOfFile(it.view + 0x1800, 0x10), "FLU01 a part of a view");
    quire_only(usage_of(it.section).modified_pages == 1, "FLU01 the rest waits");
    readable = (HANDLE)view_of(it.section, FILE_MAP_READ);
    ok(FlushViewOfFile(readable, 0), "FLU08 a view that cannot write: TRUE");
    quire_only(usage_of(it.section).modified_pages == 1, "FLU08 it writes nothing");
    UnmapViewOfFile((void *)readable);
    copy = view_of(it.section, FILE_MAP_COPY);
    copy[0x3001] = 0x99;
    ok(FlushViewOfFile(copy, 0) && byte_at(it.file, 0x3001) == data_byte(0x3001),
       "FLU10 a copy view writes nothing to the file");
    UnmapViewOfFile(copy);
    it.view[0x4000] = 6;
    UnmapViewOfFile(it.view);
    quire_only(is_clean(it.section), "UNM10 unmapping writes what is dirty, whoever stored to it");
    ok(!FlushViewOfFile(it.view, 0), "FLU04 a free address");
    ok(!FlushViewOfFile(NULL, 0), "FLU06 NULL");
    ok(byte_at(it.file, 0x4000) == 6, "UNM10 what was stored is in the file");
    CloseHandle(it.section);
    CloseHandle(it.file);
    ok(FAILS(FlushFileBuffers(it.file), ERROR_INVALID_HANDLE),
       "FLU01 FlushFileBuffers of a closed handle");
    it.file = reopen("flushed", READ);
    ok(FAILS(FlushFileBuffers(it.file), ERROR_ACCESS_DENIED),
       "FLU01 FlushFileBuffers needs a handle that may write");
    CloseHandle(it.file);
}

static void test_growth(void)
{
    HANDLE file = fresh("grown", 4096), section = section_of(file, PAGE_READWRITE, 0x100000);
    unsigned char *view;
    int right = 1;

    ok(section != NULL && size_of_file(file) == 0x100000,
       "CFM11 a larger section: the file is extended by CreateFileMapping");
    ok(section_basic(section).size.QuadPart == 0x100000, "CFM11 the section has that size");
    view = view_of(section, FILE_MAP_WRITE);
    for (DWORD at = 4096; at < 0x100000; at += 509) {
        right = right && view[at] == 0;
    }
    ok(right && has_data(file, 0, 4096), "CFM13 what it gains is zero in a view");
    ok(is_filled(file, 4096, 0x100000 - 4096, 0), "CFM13 and in ReadFile");
    view[0xFFFFF] = 3;
    UnmapViewOfFile(view);
    CloseHandle(section);
    ok(byte_at(file, 0xFFFFF) == 3, "CFM11 the last byte can be stored to");
    section = section_of(file, PAGE_READONLY, 0x2345);
    ok(section_basic(section).size.QuadPart == 0x2345 && size_of_file(file) == 0x100000,
       "CFM14 a smaller section: its size exactly, the file stays");
    CloseHandle(section);
    CloseHandle(file);

    file = fresh("empty", 0);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0), ERROR_FILE_INVALID), "CFM06 an empty file");
    section = section_of(file, PAGE_READWRITE, 0x1234);
    ok(section != NULL && size_of_file(file) == 0x1234 &&
           section_basic(section).size.QuadPart == 0x1234,
       "CFM11 an empty file grows to an odd size");
    CloseHandle(section);
    ok(FAILS(section_of(file, PAGE_READONLY, 0x1235), ERROR_NOT_ENOUGH_MEMORY) &&
           size_of_file(file) == 0x1234,
       "CFM09 PAGE_READONLY does not make it grow");
    ok(FAILS(section_of(file, PAGE_WRITECOPY, 0x1235), ERROR_NOT_ENOUGH_MEMORY) &&
           size_of_file(file) == 0x1234,
       "CFM09 nor does PAGE_WRITECOPY");
    CloseHandle(file);
    file = reopen("empty", READ);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0x10000), ERROR_ACCESS_DENIED) &&
           size_of_file(file) == 0x1234,
       "CFM30 opened to read: refused before the size is looked at");
    CloseHandle(file);
}

/* A section goes on as it is when its file becomes longer; NtExtendSection makes it longer. */
static void test_longer(void)
{
    struct mapped it = map_new("longer", 0x1800);
    LARGE_INTEGER size = {.QuadPart = 0x15000};
    unsigned char *more;
    HANDLE section;

    ok(put(it.file, 0x1800, "grown", 5) == 5 && size_of_file(it.file) == 0x1805 &&
           memcmp(it.view + 0x1800, "grown", 5) == 0,
       "COH01 written behind the end: the view's last page shows it");
    ok(put(it.file, 0x14000, "far", 3) == 3, "COH01 and far behind");
    ok(section_basic(it.section).size.QuadPart == 0x1800, "CFM14 the section keeps its size");
    section = section_of(it.file, PAGE_READWRITE, 0);
    more = view_of(section, FILE_MAP_WRITE);
    ok(more != NULL && section_basic(section).size.QuadPart == 0x14003 &&
           memcmp(more + 0x14000, "far", 3) == 0 && memcmp(more + 0x1800, "grown", 5) == 0,
       "COH01 a new section shows all of it");
    more[0x10] = 0x5A;
    ok(it.view[0x10] == 0x5A, "COH01 both show the same bytes");
    UnmapViewOfFile(more);
    CloseHandle(section);
    ok(STATUS_IS(pNtCreateSection(&section, SECTION_ALL_ACCESS, NULL, NULL, PAGE_READWRITE,
                                  SEC_COMMIT, it.file),
                 STATUS_SUCCESS),
       "CFM23 a native section of the file");
    unlike_wine(STATUS_IS(pNtExtendSection(section, &size), STATUS_SUCCESS) &&
                    size_of_file(it.file) == 0x15000,
                "CFM11 NtExtendSection extends section and file");
    more = view_of(section, FILE_MAP_WRITE);
    unlike_wine(more != NULL && section_basic(section).size.QuadPart == 0x15000 &&
                    memcmp(more + 0x14000, "far", 3) == 0 && more[0x14FFF] == 0,
                "CFM11 a new view shows the longer section");
    CloseHandle(section);
    UnmapViewOfFile(more);
    unmap(&it);
}

static void test_protection(void)
{
    static const DWORD good[] = {PAGE_READONLY,     PAGE_READWRITE,         PAGE_WRITECOPY,
                                 PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY};
    HANDLE file = fresh_with("protected", 0x1000, BOTH | GENERIC_EXECUTE, 0), section;
    unsigned char *view;

    for (int i = 0; i < 6; i++) {
        section = section_of(file, good[i], 0);
        ok(section != NULL, "FPA05 read, write and execute: protection 0x%02lX", good[i]);
        CloseHandle(section);
    }
    CloseHandle(file);
    file = reopen("protected", WRITE);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0), ERROR_ACCESS_DENIED) &&
           FAILS(section_of(file, PAGE_READONLY, 0), ERROR_ACCESS_DENIED),
       "FPA11 opened to write only: neither PAGE_READWRITE nor PAGE_READONLY");
    CloseHandle(file);
    file = reopen("protected", READ);
    ok(FAILS(section_of(file, PAGE_READWRITE, 0), ERROR_ACCESS_DENIED),
       "FPA06 opened to read: PAGE_READWRITE");
    section = section_of(file, PAGE_WRITECOPY, 0);
    view = view_of(section, FILE_MAP_COPY);
    ok(view != NULL && (view[0] = 0x44) == 0x44 && byte_at(file, 0) == data_byte(0),
       "FPA07 PAGE_WRITECOPY: stores stay private");
    UnmapViewOfFile(view);
    CloseHandle(section);
    unlike_wine(FAILS(section_of(file, PAGE_EXECUTE_READ, 0), ERROR_ACCESS_DENIED),
                "FPA08 PAGE_EXECUTE_READ");
    CloseHandle(file);
    file = reopen("protected", BOTH);
    unlike_wine(FAILS(section_of(file, PAGE_EXECUTE_READWRITE, 0), ERROR_ACCESS_DENIED),
                "FPA08 read and write, PAGE_EXECUTE_READWRITE");
    section = section_of(file, PAGE_READWRITE, 0);
    view = view_of(section, FILE_MAP_ALL_ACCESS);
    ok(view != NULL && query(view).Protect == PAGE_READWRITE, "FILE_MAP_ALL_ACCESS acts as write");
    UnmapViewOfFile(view);
    CloseHandle(section);
    CloseHandle(file);
}

/* A page of a copy view that was written stays as it is; others follow the file. */
static void test_copy_view(void)
{
    struct mapped it = map_new("copied", 0x3000);
    HANDLE section = section_of(it.file, PAGE_WRITECOPY, 0);
    unsigned char *copy = view_of(section, FILE_MAP_COPY);

    copy[0x10] = 0x01;
    it.view[0x11] = 0x02;
    it.view[0x1011] = 0x03;
    ok(copy[0x10] == 0x01 && copy[0x11] == data_byte(0x11),
       "FLU10 a written page is the view's own");
    ok(copy[0x1011] == 0x03, "COH01 a page not written follows the file");
    ok(byte_at(it.file, 0x10) == data_byte(0x10) && byte_at(it.file, 0x11) == 0x02,
       "FLU10 the file has nothing of the copy");
    UnmapViewOfFile(copy);
    CloseHandle(section);
    unmap(&it);
}

static NTSTATUS map_reserved(HANDLE section, unsigned char **base, SIZE_T nbytes, ULONG protection)
{
    *base = NULL;
    return pNtMapViewOfSection(section, GetCurrentProcess(), (void **)base, 0, 0, NULL, &nbytes,
                               2 /* ViewUnmap */, MEM_RESERVE, protection);
}

/* A large view of a small file, whose pages are committed when the file has them or is to. */
static void test_growing_view(void)
{
    static const char *const names =
        "OFS21 a view with MEM_RESERVE that is larger than its file\n"
        "OFS21 its first page shows the file\n"
        "OFS21 the rest is reserved\n"
        "OFS21 and cannot be touched\n"
        "OFS21 VirtualProtect there: ERROR_INVALID_ADDRESS\n"
        "OFS21 a page that the file got since: committed, it shows\n"
        "OFS21 commit makes the section longer, and the file where it lacks the page\n"
        "OFS21 with a protection that the view does not allow: refused\n"
        "OFS21 behind the view: refused\n"
        "OFS21 a view of megabytes, committed whole: what was written shows\n"
        "OFS21 stores through such a view are in the file\n"
        "OFS21 MEM_RESERVE on a section that cannot write: refused";
    HANDLE file = fresh("growing", 1), section = NULL;
    unsigned char *base = NULL, *large = NULL;
    DWORD old;

    if (!is_quire()) {
        tap_skip_all("Wine 8.0 does otherwise", names);
        CloseHandle(file);
        return;
    }
    ok(STATUS_IS(pNtCreateSection(&section, SECTION_MAP_READ | SECTION_MAP_WRITE, NULL, NULL,
                                  PAGE_READWRITE, SEC_RESERVE, file),
                 STATUS_SUCCESS) &&
           STATUS_IS(map_reserved(section, &base, 0xA00000, PAGE_READONLY), STATUS_SUCCESS),
       "OFS21 a view with MEM_RESERVE that is larger than its file");
    ok(base[0] == data_byte(0) && query(base).RegionSize == PAGE,
       "OFS21 its first page shows the file");
    ok(query(base + PAGE).State == MEM_RESERVE && query(base + PAGE).RegionSize == 0x9FF000 &&
           size_of_file(file) == 1,
       "OFS21 the rest is reserved");
    ok(read_fault(base + PAGE) == AV && read_fault(base + 0x9FFFFF) == AV,
       "OFS21 and cannot be touched");
    ok(FAILS(VirtualProtect(base + PAGE, PAGE, PAGE_NOACCESS, &old), ERROR_INVALID_ADDRESS),
       "OFS21 VirtualProtect there: ERROR_INVALID_ADDRESS");
    ok(put(file, 0x54321, "later", 5) == 5 && read_fault(base + 0x54321) == AV &&
           VirtualAlloc(base + 0x54000, PAGE, MEM_COMMIT, PAGE_READONLY) == base + 0x54000 &&
           memcmp(base + 0x54321, "later", 5) == 0 && size_of_file(file) == 0x54326,
       "OFS21 a page that the file got since: committed, it shows");
    ok(VirtualAlloc(base + 0x60000, PAGE, MEM_COMMIT, PAGE_READONLY) == base + 0x60000 &&
           base[0x60FFF] == 0 && size_of_file(file) == 0x61000 &&
           query(base + 0x61000).State == MEM_RESERVE,
       "OFS21 commit makes the section longer, and the file where it lacks the page");
    ok(FAILS(VirtualAlloc(base + 0x60000, PAGE, MEM_COMMIT, PAGE_READWRITE),
             ERROR_INVALID_PARAMETER),
       "OFS21 with a protection that the view does not allow: refused");
    ok(VirtualAlloc(base + 0x9FF000, 2 * PAGE, MEM_COMMIT, PAGE_READONLY) == NULL &&
           size_of_file(file) == 0x61000,
       "OFS21 behind the view: refused");
    ok(STATUS_IS(map_reserved(section, &large, 0x800000, PAGE_READWRITE), STATUS_SUCCESS) &&
           VirtualAlloc(large, 0x800000, MEM_COMMIT, PAGE_READWRITE) == large &&
           put(file, 0x6FFFFE, "abcd", 4) == 4 && memcmp(large + 0x6FFFFE, "abcd", 4) == 0 &&
           base[0x54321] == 'l' && read_fault(base + 0x6FFFFE) == AV,
       "OFS21 a view of megabytes, committed whole: what was written shows");
    memset(large + 0x3FF000, 0x5C, 0x3000);
    ok(byte_at(file, 0x3FF000) == 0x5C && byte_at(file, 0x401FFF) == 0x5C &&
           FlushViewOfFile(large, 0) && FlushViewOfFile(base, 0),
       "OFS21 stores through such a view are in the file");
    pNtUnmapViewOfSection(GetCurrentProcess(), large);
    pNtUnmapViewOfSection(GetCurrentProcess(), base);
    CloseHandle(section);
    section = section_of(file, PAGE_READONLY, 0);
    ok(map_reserved(section, &base, 0xA00000, PAGE_READONLY) < 0 &&
           STATUS_IS(map_reserved(section, &base, 0, PAGE_READONLY), STATUS_INVALID_PARAMETER_9),
       "OFS21 MEM_RESERVE on a section that cannot write: refused");
    CloseHandle(section);
    CloseHandle(file);
}

#define SHARED_PAGES 64

/* Child: stores its number into a byte of its own in each page. */
static int child(const char *name, int number)
{
    HANDLE file = reopen(name, BOTH), section;
    unsigned char *view;

    must(file != NONE);
    section = section_of(file, PAGE_READWRITE, 0);
    view = view_of(section, FILE_MAP_WRITE);
    must(view != NULL);
    CloseHandle(section);
    for (int i = 0; i < SHARED_PAGES; i++) {
        view[i * PAGE + (unsigned)number] = (unsigned char)(number + i);
        must(put(file, i * PAGE + 0x800u + (unsigned)number, &view[i * PAGE + (unsigned)number],
                 1) == 1);
    }
    CloseHandle(file);
    return 40 + number; /* the view is left to the end of the process */
}

static void test_processes(void)
{
    HANDLE file = fresh("shared", SHARED_PAGES * PAGE);
    struct child children[4];
    int right = 1;

    CloseHandle(file);
    for (int i = 0; i < 4; i++) {
        right = start_child(&children[i], FALSE, 0, "shared %d", i) && right;
    }
    for (int i = 0; i < 4; i++) {
        right = end_child(&children[i]) == 40u + (unsigned)i && right;
    }
    ok(right, "COH01 four processes store into the pages of one file at once");
    file = reopen("shared", READ);
    for (int page = 0; page < SHARED_PAGES; page++) {
        for (int i = 0; i < 4; i++) {
            right = right && byte_at(file, (DWORD)page * PAGE + (DWORD)i) == ((i + page) & 0xFF) &&
                    byte_at(file, (DWORD)page * PAGE + 0x800 + (DWORD)i) == ((i + page) & 0xFF);
        }
    }
    ok(right, "two processes fault the same absent page at once: every byte of each is there");
    ok(byte_at(file, 0x104) == data_byte(0x104), "COH01 the bytes between stay");
    CloseHandle(file);
}

/* Stores into a page all the while another thread has it flushed. */
struct storing {
    unsigned char *view;
    volatile LONG stop;
    volatile DWORD count;
};

static DWORD WINAPI store(void *argument)
{
    struct storing *it = argument;

    while (!it->stop) {
        it->count++;
        *(volatile DWORD *)it->view = it->count;
    }
    return 0;
}

static void test_dirtied_while_written(void)
{
    struct mapped it = map_new("busy", 0x1000);
    struct storing storing = {.view = it.view};
    HANDLE thread = CreateThread(NULL, 0, store, &storing, 0, NULL);
    DWORD stored = 0;
    int right = 1;

    while (storing.count == 0) {
        SwitchToThread();
    }
    for (int i = 0; i < 50; i++) {
        right = FlushViewOfFile(it.view, 0) && right;
        SwitchToThread();
    }
    storing.stop = 1;
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    UnmapViewOfFile(it.view);
    ok(right && get(it.file, 0, &stored, 4) == 4 && stored == storing.count,
       "a page dirtied again during its own write-back: its last store is in the file");
    quire_only(is_clean(it.section),
               "a page dirtied again during its own write-back: written then");
    CloseHandle(it.section);
    CloseHandle(it.file);
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 2) {
        return child(argv[1], atoi(argv[2]));
    }
    work_begin();
    test_coherence();
    test_own_buffers();
    test_truncation();
    test_lost_bytes();
    test_odd_end();
    test_replacing();
    test_deleting();
    test_image();
    test_claims();
    test_flushing();
    test_growth();
    test_longer();
    test_protection();
    test_copy_view();
    test_growing_view();
    test_processes();
    test_dirtied_while_written();
    return work_end();
}
