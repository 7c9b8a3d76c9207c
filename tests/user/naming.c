/*
 * tests/user/naming.c: files by name: moving, copying, replacing, directories, listings, temporary
 * names, and names that are long, foreign or not allowed.
 */
#include "work.h"

static void test_move(void)
{
    HANDLE file;

    make("a", 100);
    make("b", 200);
    ok(FAILS(MoveFileA("a", "b"), ERROR_ALREADY_EXISTS) && size_of_name("b") == 200,
       "MoveFile onto a file: ERROR_ALREADY_EXISTS");
    ok(MoveFileA("a", "c") && !exists("a") && size_of_name("c") == 100, "MoveFile");
    ok(MoveFileExA("c", "b", MOVEFILE_REPLACE_EXISTING) && !exists("c") && size_of_name("b") == 100,
       "MOVEFILE_REPLACE_EXISTING");
    ok(FAILS(MoveFileA("none", "d"), ERROR_FILE_NOT_FOUND), "of nothing");
    ok(FAILS(MoveFileA("b", "no\\way"), ERROR_PATH_NOT_FOUND),
       "into a directory that is not there");
    ok(MoveFileA("b", "B") && exists("b"), "to other capitals");
    ok(MoveFileExA("b", "e", MOVEFILE_WRITE_THROUGH | MOVEFILE_COPY_ALLOWED) && exists("e"),
       "MOVEFILE_WRITE_THROUGH");
    CreateDirectoryA("one", NULL);
    CreateDirectoryA("two", NULL);
    ok(MoveFileA("e", "one\\e") && !exists("e") && exists("one\\e"), "into a directory");
    ok(MoveFileA("one", "two\\three") && !exists("one") && size_of_name("two\\three\\e") == 100,
       "a directory with what is in it");
    ok(MoveFileA("two\\three\\e", "f") && exists("f"), "and out of it again");
    ok(FAILS(MoveFileExA("f", "two", MOVEFILE_REPLACE_EXISTING), ERROR_ACCESS_DENIED),
       "onto a directory: refused");
    unlike_wine(FAILS(MoveFileA("two", "two\\three\\four"), ERROR_ACCESS_DENIED) ||
                    GetLastError() == ERROR_INVALID_PARAMETER ||
                    GetLastError() == ERROR_SHARING_VIOLATION,
                "a directory into itself: refused");
    ok(exists("two\\three"), "it stays where it is");
    file = create("f", READ, SHARE_RW, OPEN_EXISTING, 0);
    ok(FAILS(MoveFileA("f", "g"), ERROR_SHARING_VIOLATION) && exists("f"),
       "a file that is open without FILE_SHARE_DELETE: refused");
    CloseHandle(file);
    file = reopen("f", READ);
    ok(MoveFileA("f", "g") && has_data(file, 0, 100) && exists("g"),
       "with it: moved, and its handle goes on");
    make("h", 5);
    ok(FAILS(MoveFileExA("h", "g", MOVEFILE_REPLACE_EXISTING), ERROR_ACCESS_DENIED) &&
           size_of_name("g") == 100,
       "onto a file that is open: refused");
    CloseHandle(file);
    SetFileAttributesA("g", FILE_ATTRIBUTE_READONLY);
    unlike_wine(FAILS(MoveFileExA("h", "g", MOVEFILE_REPLACE_EXISTING), ERROR_ACCESS_DENIED),
                "onto a read-only file: refused");
    ok(MoveFileA("g", "i") && (GetFileAttributesA("i") & FILE_ATTRIBUTE_READONLY),
       "a read-only file can be moved");
    SetFileAttributesA("i", FILE_ATTRIBUTE_NORMAL);
    ok(MoveFileA("i", "i"), "onto itself");
    unlike_wine(FAILS(MoveFileExA("i", NULL, 0), ERROR_INVALID_PARAMETER), "to nowhere");
    DeleteFileA("i");
    DeleteFileA("h");
    remove_tree("two");
}

static void test_rename_by_handle(void)
{
    struct {
        FILE_RENAME_INFO info;
        WCHAR more[MAX_PATH];
    } name;
    HANDLE file = fresh("by", 10);

    CloseHandle(file);
    make("taken", 3);
    file = reopen("by", READ | DELETE);
    memset(&name, 0, sizeof name);
    GetFullPathNameW(L"taken", MAX_PATH, name.info.FileName, NULL);
    name.info.FileNameLength = (DWORD)(wcslen(name.info.FileName) * sizeof(WCHAR));
    ok(FAILS(SetFileInformationByHandle(file, FileRenameInfo, &name, sizeof name),
             ERROR_ALREADY_EXISTS),
       "FileRenameInfo onto a file: ERROR_ALREADY_EXISTS");
    name.info.ReplaceIfExists = TRUE;
    ok(SetFileInformationByHandle(file, FileRenameInfo, &name, sizeof name) && !exists("by") &&
           size_of_name("taken") == 10,
       "FileRenameInfo with ReplaceIfExists");
    CloseHandle(file);
    file = reopen("taken", READ);
    unlike_wine(FAILS(SetFileInformationByHandle(file, FileRenameInfo, &name, sizeof name),
                      ERROR_ACCESS_DENIED),
                "FileRenameInfo needs DELETE access");
    CloseHandle(file);
    DeleteFileA("taken");
}

static DWORD CALLBACK count_progress(LARGE_INTEGER size, LARGE_INTEGER done, LARGE_INTEGER stream,
                                     LARGE_INTEGER stream_done, DWORD number, DWORD reason,
                                     HANDLE source, HANDLE target, void *context)
{
    DWORD *calls = context;

    (void)size, (void)stream, (void)stream_done, (void)number, (void)reason;
    (void)source, (void)target;
    (*calls)++;
    return calls[1] && done.QuadPart > 0 ? PROGRESS_CANCEL : PROGRESS_CONTINUE;
}

static void test_copy(void)
{
    FILETIME then = {0x12345600, 0x01C00000}, time;
    DWORD calls[2] = {0, FALSE};
    HANDLE file = fresh("from", 200001);
    BOOL stop = TRUE;

    SetFileTime(file, NULL, NULL, &then);
    CloseHandle(file);
    ok(CopyFileA("from", "to", TRUE), "CopyFile");
    file = reopen("to", BOTH);
    ok(size_of_file(file) == 200001 && has_data(file, 0, 200001), "every byte");
    ok(GetFileTime(file, NULL, NULL, &time) && CompareFileTime(&time, &then) == 0,
       "and the time of the last write");
    set_end(file, 7);
    CloseHandle(file);
    ok(FAILS(CopyFileA("from", "to", TRUE), ERROR_FILE_EXISTS) && size_of_name("to") == 7,
       "onto a file, if it must not exist: ERROR_FILE_EXISTS");
    ok(CopyFileA("from", "to", FALSE) && size_of_name("to") == 200001, "else it is replaced");
    ok(FAILS(CopyFileA("from", "from", FALSE), ERROR_SHARING_VIOLATION) &&
           size_of_name("from") == 200001,
       "onto itself: ERROR_SHARING_VIOLATION, nothing is lost");
    ok(FAILS(CopyFileA("none", "to", FALSE), ERROR_FILE_NOT_FOUND) && size_of_name("to") == 200001,
       "of nothing");
    ok(FAILS(CopyFileA("from", "no\\way", FALSE), ERROR_PATH_NOT_FOUND), "to nowhere");
    SetFileAttributesA("from", FILE_ATTRIBUTE_READONLY);
    ok(CopyFileA("from", "read-only", TRUE) &&
           (GetFileAttributesA("read-only") & FILE_ATTRIBUTE_READONLY) &&
           size_of_name("read-only") == 200001,
       "a read-only file: so is its copy");
    SetFileAttributesA("from", FILE_ATTRIBUTE_NORMAL);
    SetFileAttributesA("read-only", FILE_ATTRIBUTE_NORMAL);
    unlike_wine(CopyFileExA("from", "progress", count_progress, calls, NULL, 0) && calls[0] > 1,
                "CopyFileEx tells its progress");
    calls[1] = TRUE;
    unlike_wine(FAILS(CopyFileExA("from", "stopped", count_progress, calls, NULL, 0),
                      ERROR_REQUEST_ABORTED) &&
                    !exists("stopped"),
                "PROGRESS_CANCEL: no copy is left");
    unlike_wine(
        FAILS(CopyFileExA("from", "stopped", NULL, NULL, &stop, 0), ERROR_REQUEST_ABORTED) &&
            !exists("stopped"),
        "cancelled from the beginning");
    CreateDirectoryA("dir", NULL);
    ok(FAILS(CopyFileA("dir", "x", FALSE), ERROR_ACCESS_DENIED) &&
           FAILS(CopyFileA("from", "dir", FALSE), ERROR_ACCESS_DENIED),
       "of a directory, and onto one");
    RemoveDirectoryA("dir");
    file = create("to", READ, FILE_SHARE_READ, OPEN_EXISTING, 0);
    ok(FAILS(CopyFileA("from", "to", FALSE), ERROR_SHARING_VIOLATION), "onto a file in use");
    CloseHandle(file);
    DeleteFileA("from");
    DeleteFileA("to");
    DeleteFileA("progress");
    DeleteFileA("read-only");
}

static void test_replace(void)
{
    make("old", 1);
    make("new", 2);
    ok(ReplaceFileA("old", "new", "backup", 0, NULL, NULL) && size_of_name("old") == 2 &&
           size_of_name("backup") == 1 && !exists("new"),
       "ReplaceFile with a backup");
    make("new", 3);
    unlike_wine(ReplaceFileA("old", "new", NULL, 0, NULL, NULL) && size_of_name("old") == 3 &&
                    !exists("new"),
                "ReplaceFile without");
    ok(FAILS(ReplaceFileA("old", "none", NULL, 0, NULL, NULL), ERROR_FILE_NOT_FOUND) &&
           exists("old"),
       "ReplaceFile with nothing");
    make("new", 4);
    ok(FAILS(ReplaceFileA("none", "new", NULL, 0, NULL, NULL), ERROR_FILE_NOT_FOUND) &&
           exists("new"),
       "ReplaceFile of nothing");
    DeleteFileA("old");
    DeleteFileA("new");
    DeleteFileA("backup");
}

static void test_directories(void)
{
    char path[MAX_PATH], here[MAX_PATH];

    ok(CreateDirectoryA("dir", NULL) && (GetFileAttributesA("dir") & FILE_ATTRIBUTE_DIRECTORY),
       "CreateDirectory");
    ok(FAILS(CreateDirectoryA("dir", NULL), ERROR_ALREADY_EXISTS), "a second time");
    make("file", 1);
    ok(FAILS(CreateDirectoryA("file", NULL), ERROR_ALREADY_EXISTS), "where a file is");
    ok(FAILS(CreateDirectoryA("no\\way", NULL), ERROR_PATH_NOT_FOUND), "below nothing");
    ok(FAILS(CreateDirectoryA("file\\x", NULL), ERROR_PATH_NOT_FOUND), "below a file");
    ok(FAILS(CreateDirectoryA("", NULL), ERROR_PATH_NOT_FOUND), "without a name");
    ok(CreateDirectoryA("slash\\", NULL) && RemoveDirectoryA("slash\\"),
       "with a backslash at its end");
    ok(CreateDirectoryExA("dir", "like", NULL) && RemoveDirectoryA("like"), "CreateDirectoryEx");
    make("dir\\inside", 1);
    ok(FAILS(RemoveDirectoryA("dir"), ERROR_DIR_NOT_EMPTY), "RemoveDirectory: not empty");
    DeleteFileA("dir\\inside");
    ok(FAILS(RemoveDirectoryA("file"), ERROR_DIRECTORY), "RemoveDirectory of a file");
    ok(FAILS(RemoveDirectoryA("none"), ERROR_FILE_NOT_FOUND), "of nothing");
    ok(SetCurrentDirectoryA("dir"), "SetCurrentDirectory");
    ok(FAILS(RemoveDirectoryA("..\\dir"), ERROR_SHARING_VIOLATION),
       "RemoveDirectory of the current one: ERROR_SHARING_VIOLATION");
    make("relative", 2);
    ok(GetFullPathNameA("relative", sizeof path, path, NULL) != 0 && size_of_name(path) == 2 &&
           size_of_name("..\\dir\\relative") == 2,
       "names in it");
    DeleteFileA("relative");
    SetCurrentDirectoryA("..");
    GetCurrentDirectoryA(sizeof here, here);
    ok(_stricmp(here, work_directory) == 0, "and back");
    ok(FAILS(SetCurrentDirectoryA("file"), ERROR_DIRECTORY), "SetCurrentDirectory to a file");
    ok(FAILS(SetCurrentDirectoryA("none"), ERROR_FILE_NOT_FOUND), "to nothing");
    ok(RemoveDirectoryA("dir") && !exists("dir"), "RemoveDirectory");
    DeleteFileA("file");
}

/* Names that FindFirstFile gives for a pattern, each followed by a blank, in some order. */
static int count_found(const char *pattern, const char *wanted)
{
    WIN32_FIND_DATAA found;
    HANDLE search = FindFirstFileA(pattern, &found);
    int count = 0;

    if (search == NONE) {
        return 0;
    }
    do {
        char name[MAX_PATH + 2];

        _snprintf(name, sizeof name, "%s ", found.cFileName);
        if (strcmp(found.cFileName, ".") != 0 && strcmp(found.cFileName, "..") != 0) {
            count += wanted == NULL || strstr(wanted, name) != NULL ? 1 : 1000;
        }
    } while (FindNextFileA(search, &found));
    FindClose(search);
    return count;
}

static void test_listing(void)
{
    char name[40];
    WIN32_FIND_DATAA found;
    WIN32_FILE_ATTRIBUTE_DATA about;
    HANDLE search;
    int right = 1;

    CreateDirectoryA("list", NULL);
    make("list\\one.txt", 1);
    make("list\\two.txt", 2);
    make("list\\three.c", 3);
    make("list\\four", 4);
    CreateDirectoryA("list\\sub.txt", NULL);
    ok(count_found("list\\*", "one.txt two.txt three.c four sub.txt ") == 5, "FindFirstFile of *");
    ok(count_found("list\\*.*", "one.txt two.txt three.c four sub.txt ") == 5, "of *.*");
    ok(count_found("list\\*.txt", "one.txt two.txt sub.txt ") == 3, "of *.txt");
    ok(count_found("list\\t*", "two.txt three.c ") == 2, "of t*");
    ok(count_found("list\\???.txt", "one.txt two.txt sub.txt ") == 3, "of ???.txt");
    ok(count_found("list\\FOUR", "four ") == 1, "of one name, in capitals");
    ok(count_found("list\\four.*", "four ") == 1, "a dot before wildcards need not be there");
    unlike_wine(count_found("list\\*.", "four ") == 1, "*. is every name without a dot");
    unlike_wine(count_found("list\\????????.c", "three.c ") == 1,
                "question marks before a dot stand for nothing, too");
    ok(count_found("list\\four.", "four ") == 1 &&
           count_found("list/./sub.txt/../one.txt", NULL) == 1,
       "what is looked for is found under its full name");
    ok(FILE_FAILS(FindFirstFileA("list\\none*", &found), ERROR_FILE_NOT_FOUND) &&
           FILE_FAILS(FindFirstFileA("none\\*", &found), ERROR_PATH_NOT_FOUND),
       "of nothing, and in nothing");
    search = FindFirstFileA("list\\two.txt", &found);
    ok(search != NONE && found.nFileSizeLow == 2 &&
           !(found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) && !FindNextFileA(search, &found) &&
           GetLastError() == ERROR_NO_MORE_FILES,
       "it tells the size; then there are no more");
    FindClose(search);
    search = FindFirstFileA("list", &found);
    ok(search != NONE && (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) &&
           found.nFileSizeLow == 0 && found.nFileSizeHigh == 0 &&
           GetFileAttributesExA("list", GetFileExInfoStandard, &about) && about.nFileSizeLow == 0,
       "a directory has no size");
    FindClose(search);

    for (int i = 0; i < 300; i++) {
        sprintf(name, "list\\entry number %03d", i);
        right = make(name, 0) && right;
    }
    ok(right && count_found("list\\entry*", NULL) == 300, "300 new files: each is listed once");
    for (int i = 0; i < 300; i += 2) {
        sprintf(name, "list\\entry number %03d", i);
        right = DeleteFileA(name) && right;
    }
    ok(right && count_found("list\\entry*", NULL) == 150, "every other one deleted: 150");
    search = FindFirstFileA("list\\entry*", &found);
    do {
        sprintf(name, "list\\%s", found.cFileName);
        right = DeleteFileA(name) && right;
    } while (FindNextFileA(search, &found));
    FindClose(search);
    ok(right && count_found("list\\entry*", NULL) == 0, "deleted one by one while they are listed");
    remove_tree("list");
    ok(!exists("list"), "and the directory");
}

static void test_temporary(void)
{
    char path[MAX_PATH] = "", name[MAX_PATH] = "", other[MAX_PATH] = "";
    DWORD length = GetTempPathA(sizeof path, path);
    UINT number;

    ok(length == strlen(path) && length > 0 && path[length - 1] == '\\' && exists(path),
       "GetTempPath");
    ok(GetTempPathA(1, name) == length + 1, "how long a buffer it needs");
    number = GetTempFileNameA(".", "quire", 0, name);
    ok(number != 0 && size_of_name(name) == 0 && strstr(name, "\\qui") != NULL &&
           strcmp(name + strlen(name) - 4, ".tmp") == 0,
       "GetTempFileName makes an empty file");
    ok(GetTempFileNameA(".", "quire", 0, other) != number && exists(other) &&
           strcmp(name, other) != 0,
       "each time another");
    DeleteFileA(name);
    DeleteFileA(other);
    ok(GetTempFileNameA(".", "x", 0x1AB, name) == 0x1AB && _stricmp(name, ".\\x1AB.tmp") == 0 &&
           !exists(name),
       "with a number it makes a name only");
    ok(FAILS(GetTempFileNameA("none", "x", 0, name), ERROR_DIRECTORY), "nowhere: ERROR_DIRECTORY");
}

/* A name of LENGTH characters in the current directory, in the form that may be longer than 260. */
static void long_name(WCHAR path[600], int length)
{
    int at;

    wcscpy(path, L"\\\\?\\");
    at = 4 + (int)GetCurrentDirectoryW(300, path + 4);
    path[at++] = '\\';
    for (int i = 0; i < length; i++) {
        path[at++] = 'n';
    }
    path[at] = 0;
}

static void test_strange_names(void)
{
    static const WCHAR foreign[] = {0x00E4, 0x03A9, 0x0416, 0x4E2D, 0xD83D, 0xDE00, '.', 't', 0};
    static const char bad[] = "<>|\"?*";
    WIN32_FIND_DATAW found;
    WCHAR wide[600];
    char name[300];
    HANDLE file;
    int right = 1;

    file = CreateFileW(foreign, BOTH, 0, NULL, CREATE_NEW, 0, NULL);
    ok(file != NONE && put(file, 0, "u", 1) == 1 && CloseHandle(file), "letters of many scripts");
    file = FindFirstFileW(L"*.t", &found);
    ok(file != NONE && wcscmp(found.cFileName, foreign) == 0, "the same in the listing");
    FindClose(file);
    ok(DeleteFileW(foreign), "deleted by that name");
    long_name(wide, 255);
    file = CreateFileW(wide, BOTH, 0, NULL, CREATE_NEW, 0, NULL);
    ok(file != NONE && CloseHandle(file), "a name of 255 characters");
    ok(GetFileAttributesW(wide) != GONE && DeleteFileW(wide) && GetFileAttributesW(wide) == GONE,
       "is found, and deleted");
    long_name(wide, 256);
    ok(CreateFileW(wide, BOTH, 0, NULL, CREATE_NEW, 0, NULL) == NONE, "one of 256 is refused");
    for (const char *c = bad; *c != '\0'; c++) {
        sprintf(name, "bad%cname", *c);
        if (!FILE_FAILS(create(name, BOTH, 0, CREATE_ALWAYS, 0), ERROR_INVALID_NAME)) {
            tap_print("# %c: last error %lu", *c, GetLastError());
            right = 0;
        }
    }
    ok(right, "each of %s in a name: ERROR_INVALID_NAME", bad);
    ok(FILE_FAILS(create("bad\x01name", BOTH, 0, CREATE_ALWAYS, 0), ERROR_INVALID_NAME),
       "a control character: ERROR_INVALID_NAME");
    ok(FAILS(CreateDirectoryA("bad?dir", NULL), ERROR_INVALID_NAME) &&
           FAILS(MoveFileA("bad*name", "x"), ERROR_INVALID_NAME),
       "in other calls too");
    ok(make("dots...", 5) && size_of_name("dots") == 5 && make("blanks  ", 6) &&
           size_of_name("blanks") == 6,
       "dots and blanks at the end do not count");
    ok(make("a,b;c=d+[e] {f} 'g' #h!@%^&~`", 7) &&
           size_of_name("A,B;C=D+[E] {F} 'G' #H!@%^&~`") == 7,
       "all other signs are allowed");
    DeleteFileA("dots");
    DeleteFileA("blanks");
    DeleteFileA("a,b;c=d+[e] {f} 'g' #h!@%^&~`");
    make("Mixed Case.Txt", 1);
    wide[0] = 0;
    unlike_wine(GetLongPathNameW(L"MIXED CASE.TXT", wide, 300) == 14 &&
                    wcscmp(wide, L"Mixed Case.Txt") == 0,
                "GetLongPathName gives the name as it is stored");
    ok(FAILS(GetLongPathNameW(L"none", wide, 300), ERROR_FILE_NOT_FOUND), "and of nothing fails");
    ok(FILE_FAILS(create("MIXED CASE.TXT", BOTH, 0, CREATE_NEW, 0), ERROR_FILE_EXISTS),
       "the same name in capitals is the same file");
    DeleteFileA("Mixed Case.Txt");
}

static void test_devices(void)
{
    static const char *const nul[] = {"NUL", "nul.txt", ".\\Nul", "NUL:"};
    WIN32_FIND_DATAA found;
    char path[MAX_PATH] = "";
    HANDLE file, search;

    for (int i = 0; i < 4; i++) {
        file = create(nul[i], BOTH, 0, OPEN_EXISTING, 0);
        ok(file != NONE && GetFileType(file) == FILE_TYPE_CHAR && put(file, 0, "x", 1) == 1,
           "%s takes what is written", nul[i]);
        CloseHandle(file);
    }
    ok(!exists("nul.txt") || GetFileAttributesA("nul.txt") == FILE_ATTRIBUTE_ARCHIVE,
       "a device is no file of the directory");
    search = FindFirstFileA("nul.txt", &found);
    ok(search != NONE && _stricmp(found.cFileName, "nul") == 0 && !FindNextFileA(search, &found) &&
           FindClose(search),
       "FindFirstFile finds it");
    ok(GetFullPathNameA("lpt1.x", sizeof path, path, NULL) == 8 &&
           _stricmp(path, "\\\\.\\lpt1") == 0,
       "the full name of a device");
    unlike_wine(FILE_FAILS(create("COM7", BOTH, 0, CREATE_ALWAYS, 0), ERROR_FILE_NOT_FOUND) &&
                    FILE_FAILS(create("aux", BOTH, 0, OPEN_EXISTING, 0), ERROR_FILE_NOT_FOUND),
                "devices that there are not");
    unlike_wine(!CreateDirectoryA("nul", NULL) && !SetCurrentDirectoryA("con"),
                "a device is no directory");
    ok(make("com", 1) && DeleteFileA("com") && make("com10", 1) && DeleteFileA("com10") &&
           make("null", 1) && DeleteFileA("null"),
       "names that only look like devices'");
}

/* Directories in directories, until a path is longer than MAX_PATH. */
static void test_deep(void)
{
    WCHAR path[600] = L"\\\\?\\";
    DWORD length, start;
    HANDLE file;
    int depth = 0;

    start = GetCurrentDirectoryW(300, path + 4) + 4;
    length = start;
    while (length < 450) {
        memcpy(path + length, L"\\directory", sizeof L"\\directory");
        length += 10;
        if (!CreateDirectoryW(path, NULL)) {
            break;
        }
        depth++;
    }
    ok(length >= 450, "directories %s deep", "450 characters");
    memcpy(path + length, L"\\file", sizeof L"\\file");
    file = CreateFileW(path, BOTH, 0, NULL, CREATE_NEW, 0, NULL);
    ok(file != NONE && put(file, 0, "deep", 4) == 4, "a file there");
    CloseHandle(file);
    ok(GetFileAttributesW(path) != GONE && DeleteFileW(path), "found and deleted");
    for (; depth > 0; depth--, length -= 10) {
        path[length] = 0;
        if (!RemoveDirectoryW(path)) {
            break;
        }
    }
    ok(depth == 0, "the directories removed from below");
}

int main(void)
{
    tap_begin();
    work_begin();
    test_move();
    test_rename_by_handle();
    test_copy();
    test_replace();
    test_directories();
    test_listing();
    test_temporary();
    test_strange_names();
    test_devices();
    test_deep();
    return work_end();
}
