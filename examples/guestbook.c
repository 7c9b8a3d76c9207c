/*
 * examples/guestbook.c: a file as memory. Each start adds a line to a file through a view of it and
 * prints all that is there:
 *     ./quire run --disk book.img guestbook.exe Ada
 *     ./quire run --disk book.img guestbook.exe Grace
 *
 * A section that is larger than its file makes the file larger; what it gains is zero. So the end
 * of the text is the first zero, and the file is cut to that size when the view is gone.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define LINE 80

static int fail(const char *what)
{
    printf("%s failed: error %lu\n", what, GetLastError());
    return 1;
}

/* Adds a line behind the text in the view; its new length. */
static DWORD sign(char *text, const char *name)
{
    size_t length = strlen(text);

    sprintf(text + length, "%.60s was here\n", name);
    return (DWORD)(length + strlen(text + length));
}

int main(int argc, char **argv)
{
    HANDLE file = CreateFile("C:\\guests.txt", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_ALWAYS,
                             FILE_FLAG_WRITE_THROUGH, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        return fail("CreateFile");
    }
    DWORD size = GetFileSize(file, NULL);
    HANDLE section = CreateFileMapping(file, NULL, PAGE_READWRITE, 0, size + LINE, NULL);
    if (!section) {
        return fail("CreateFileMapping");
    }
    char *text = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    if (!text) {
        return fail("MapViewOfFile");
    }
    size = sign(text, argc > 1 ? argv[1] : "somebody");
    printf("%s", text);
    if (!FlushViewOfFile(text, 0)) { /* write-through: it is on the disk when this returns */
        return fail("FlushViewOfFile");
    }
    UnmapViewOfFile(text);
    CloseHandle(section);
    SetFilePointer(file, (LONG)size, NULL, FILE_BEGIN);
    if (!SetEndOfFile(file)) {
        return fail("SetEndOfFile");
    }
    CloseHandle(file);
    return 0;
}
