/*
 * tests/launcher/faulty.c: a file some of whose blocks the disk cannot read or write. Prints TAP.
 *
 * usage: faulty read|once|never FILE PAGE PAGE PAGE
 *
 * The three pages of FILE are bad: they cannot be read, or writing them fails once, or for ever.
 * Every byte of a page is the page's number, from 1 on; what is stored there has 0x80 added.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define PAGE_BYTES   4096u
#define BAD          3
#define DEVICE_ERROR 0xC0000185u /* STATUS_IO_DEVICE_ERROR */

static HANDLE file, section;
static unsigned char *view;
static unsigned bad[BAD];
static unsigned char buffer[PAGE_BYTES];
static unsigned char *volatile touched;
static jmp_buf after_error;
static int nchecks, nfailed;

/* What PAGE holds at first, and what is stored there. */
static int first(unsigned page)
{
    return (int)page + 1;
}

static int stored(unsigned page)
{
    return first(page) | 0x80;
}

static void ok(int passed, const char *name)
{
    DWORD error = GetLastError();

    printf("%sok %d - %s\n", passed ? "" : "not ", ++nchecks, name);
    if (!passed) {
        nfailed++;
        printf("# last error %lu\n", error);
    }
    fflush(stdout);
}

static LONG CALLBACK note_error(EXCEPTION_POINTERS *pointers)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;

    if (record->ExceptionCode == EXCEPTION_IN_PAGE_ERROR && record->NumberParameters == 3 &&
        record->ExceptionInformation[1] == (ULONG_PTR)touched &&
        (unsigned)record->ExceptionInformation[2] == DEVICE_ERROR) {
        longjmp(after_error, 1);
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

/* Loads from PAGE of the view: its byte, or -1 after an in-page error as it must be. */
static int load(unsigned page)
{
    touched = view + page * PAGE_BYTES + 17;
    return setjmp(after_error) != 0 ? -1 : *touched;
}

static BOOL seek(unsigned page)
{
    return SetFilePointer(file, (LONG)(page * PAGE_BYTES), NULL, FILE_BEGIN) !=
           INVALID_SET_FILE_POINTER;
}

/* Reads PAGE: its byte; or the negated last error. */
static int read_page(unsigned page)
{
    DWORD done = 0;

    if (!seek(page) || !ReadFile(file, buffer, PAGE_BYTES, &done, NULL)) {
        return -(int)GetLastError();
    }
    return done == PAGE_BYTES && memcmp(buffer, buffer + 1, PAGE_BYTES - 1) == 0 ? buffer[0]
                                                                                 : 0x100;
}

static BOOL map(void)
{
    section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    return view != NULL;
}

static BOOL unmap(void)
{
    return UnmapViewOfFile(view) && CloseHandle(section);
}

static void test_reading(void)
{
    int all = 1, again = 1, views = 1, beside = 1;

    for (int i = 0; i < BAD; i++) {
        all = all && read_page(bad[i]) == -ERROR_IO_DEVICE;
        again = again && read_page(bad[i]) == -ERROR_IO_DEVICE;
    }
    ok(all, "ReadFile of pages that cannot be read: ERROR_IO_DEVICE");
    ok(again, "and again");
    ok(map(), "the file is mapped");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BAD; i++) {
            views = views && load(bad[i]) == -1;
            beside = beside && load(bad[i] - 1) == first(bad[i] - 1) &&
                     load(bad[i] + 1) == first(bad[i] + 1) &&
                     read_page(bad[i] - 1) == first(bad[i] - 1);
        }
    }
    ok(views, "loads from them: in-page errors with STATUS_IO_DEVICE_ERROR");
    ok(beside, "their neighbours are read");
    ok(unmap(), "unmapped");
}

/* Whether a flush, of PAGE of the view or of the file, fails as it must. */
static int fails(BOOL by_view, unsigned page)
{
    SetLastError(0);
    return !(by_view ? FlushViewOfFile(view + page * PAGE_BYTES, PAGE_BYTES)
                     : FlushFileBuffers(file)) &&
           GetLastError() == ERROR_IO_DEVICE;
}

static void test_stores(BOOL once)
{
    ok(map(), "the file is mapped");
    memset(view + bad[0] * PAGE_BYTES, stored(bad[0]), PAGE_BYTES);
    ok(fails(TRUE, bad[0]), "FlushViewOfFile of a page that cannot be written: ERROR_IO_DEVICE");
    ok(load(bad[0]) == stored(bad[0]), "what was stored is there");
    if (once) {
        ok(FlushViewOfFile(view + bad[0] * PAGE_BYTES, PAGE_BYTES), "the next one writes it");
    } else {
        ok(fails(TRUE, bad[0]), "the next one fails, too");
    }
    memset(view + bad[1] * PAGE_BYTES, stored(bad[1]), PAGE_BYTES);
    ok(unmap(), "UnmapViewOfFile removes the view all the same");
    ok(fails(FALSE, 0), "FlushFileBuffers tells of it");
    ok(once ? FlushFileBuffers(file) : fails(FALSE, 0),
       once ? "the next one writes it" : "the next one fails, too");
}

static void test_writes(BOOL once)
{
    DWORD done = 0;

    memset(buffer, stored(bad[2]), PAGE_BYTES);
    ok(seek(bad[2]) && WriteFile(file, buffer, PAGE_BYTES, &done, NULL) && done == PAGE_BYTES,
       "WriteFile succeeds");
    ok(fails(FALSE, 0), "FlushFileBuffers: ERROR_IO_DEVICE");
    ok(read_page(bad[2]) == stored(bad[2]), "what was written is there");
    ok(once ? FlushFileBuffers(file) : fails(FALSE, 0),
       once ? "the next one writes it" : "the next one fails, too");
}

int main(int argc, char **argv)
{
    if (argc != 3 + BAD) {
        return 2;
    }
    AddVectoredExceptionHandler(1, note_error);
    for (int i = 0; i < BAD; i++) {
        bad[i] = strtoul(argv[3 + i], NULL, 0);
    }
    file = CreateFileA(argv[2], GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    ok(file != INVALID_HANDLE_VALUE, "the file is opened");
    if (strcmp(argv[1], "read") == 0) {
        test_reading();
    } else {
        test_stores(strcmp(argv[1], "once") == 0);
        test_writes(strcmp(argv[1], "once") == 0);
    }
    ok(CloseHandle(file), "the file is closed");
    printf("1..%d\n", nchecks);
    return nfailed != 0;
}
