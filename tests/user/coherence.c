/*
 * tests/user/coherence.c: files that are written through views and through WriteFile: what each
 * shows of the other (COH), and what may not be done to a file that is mapped. Checks named in
 * lower case are for bugs that other systems had. mapfile.c has flushing, growth and protection.
 */
#include "work.h"

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
    test_copy_view();
    test_processes();
    test_dirtied_while_written();
    return work_end();
}
