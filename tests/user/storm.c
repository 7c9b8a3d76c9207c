/*
 * tests/user/storm.c: three processes make random calls on few files in one directory: opening,
 * moving, copying, deleting, mapping, with names right and wrong. Whatever fails has an error that
 * such a call may have; afterwards everything can be removed. The runner looks at the disk then.
 *
 * time limit: 120 s
 * run with: --memory 16M
 */
#include "work.h"

#define CALLS   6000
#define HANDLES 12

static unsigned state;
static HANDLE handles[HANDLES];

static unsigned choose(unsigned limit)
{
    state = state * 1103515245 + 12345;
    return (state >> 8) % limit;
}

/*
 * One of few good names, or letters and signs at random (no blanks: Wine makes files ". ", which it
 * then does not find); four may be in use at once.
 */
static const WCHAR *some_name(void)
{
    static const WCHAR letters[] = L"\\\\//..:*?ab\x0001\x00E4\xD83D\xDE00";
    static const WCHAR *const good[] = {L"a",     L"b",        L"d", L"d\\a",
                                        L"d\\e",  L"d\\e\\f",  L"A", L".\\d\\..\\b",
                                        L"d/E/F", L"d\\e\\..", L"e", L"d\\b"};
    static WCHAR names[4][64];
    static unsigned next;
    WCHAR *name = names[next++ % 4];
    unsigned length;

    if (choose(4) != 0) {
        return wcscpy(name, good[choose(12)]);
    }
    length = choose(3) == 0 ? choose(40) : choose(6);
    for (unsigned i = 0; i < length; i++) {
        name[i] = letters[choose(sizeof letters / sizeof letters[0] - 1)];
    }
    name[length] = 0;
    return name;
}

static HANDLE *some_handle(void)
{
    return &handles[choose(HANDLES)];
}

static BOOL open_one(void)
{
    HANDLE *handle = some_handle();

    if (*handle != NULL) {
        CloseHandle(*handle);
    }
    *handle = CreateFileW(some_name(),
                          (choose(2) != 0 ? READ : 0) | (choose(2) != 0 ? WRITE : 0) |
                              (choose(6) == 0 ? DELETE : 0),
                          choose(4) == 0 ? choose(8) : SHARE_ALL, NULL, 1 + choose(5),
                          (choose(4) == 0 ? FILE_FLAG_BACKUP_SEMANTICS : 0) |
                              (choose(12) == 0 ? FILE_FLAG_DELETE_ON_CLOSE : 0) |
                              (choose(8) == 0 ? FILE_FLAG_WRITE_THROUGH : 0),
                          NULL);
    if (*handle == NONE) {
        *handle = NULL;
        return FALSE;
    }
    return TRUE;
}

static BOOL list_some(void)
{
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(some_name(), &found);

    if (search == NONE) {
        return FALSE;
    }
    for (unsigned left = choose(5); left > 0 && FindNextFileW(search, &found); left--) {
    }
    return FindClose(search);
}

/* Maps a file, perhaps longer than it is, and looks into it or stores. */
static BOOL map_one(HANDLE file)
{
    DWORD access = choose(2) != 0 ? FILE_MAP_READ : FILE_MAP_WRITE;
    HANDLE section = CreateFileMappingA(file, NULL, choose(2) != 0 ? PAGE_READONLY : PAGE_READWRITE,
                                        0, choose(3) == 0 ? 0 : choose(50000), NULL);
    unsigned char *view = section == NULL ? NULL : MapViewOfFile(section, access, 0, 0, 0);
    DWORD error = GetLastError();

    if (view != NULL) {
        volatile unsigned char *byte = view + choose((unsigned)query(view).RegionSize);

        if (access == FILE_MAP_WRITE) {
            *byte = (unsigned char)choose(256);
        } else {
            (void)*byte;
        }
        UnmapViewOfFile(view);
    }
    if (section != NULL) {
        CloseHandle(section);
    }
    SetLastError(error);
    return view != NULL;
}

/* What is done with an open file. */
static BOOL use_one(unsigned what)
{
    static char buffer[5000];
    HANDLE *handle = some_handle();
    DWORD done;

    if (*handle == NULL) {
        return TRUE;
    }
    switch (what) {
    case 0:
        return WriteFile(*handle, buffer, choose(sizeof buffer), &done, NULL);
    case 1:
        return ReadFile(*handle, buffer, choose(sizeof buffer), &done, NULL);
    case 2:
        return SetFilePointer(*handle, (LONG)choose(40000), NULL, FILE_BEGIN) != GONE;
    case 3:
        return SetEndOfFile(*handle);
    case 4:
        return FlushFileBuffers(*handle);
    default:
        CloseHandle(*handle);
        *handle = NULL;
        return TRUE;
    }
}

static BOOL make_some_call(void)
{
    switch (choose(18)) {
    case 0:
    case 1:
    case 2:
        return open_one();
    case 3:
        return DeleteFileW(some_name());
    case 4:
        return MoveFileExW(some_name(), some_name(), choose(4));
    case 5:
        return CreateDirectoryW(choose(2) != 0 ? L"d" : some_name(), NULL);
    case 6:
        return RemoveDirectoryW(some_name());
    case 7:
        return CopyFileW(some_name(), some_name(), choose(2) != 0);
    case 8:
        return GetFileAttributesW(some_name()) != GONE;
    case 9:
        return SetFileAttributesW(some_name(), choose(2));
    case 10:
        return list_some();
    case 11:
    case 12: {
        HANDLE *handle = some_handle();
        return *handle == NULL || map_one(*handle);
    }
    default:
        return use_one(choose(6));
    }
}

static BOOL is_known(DWORD error)
{
    static const DWORD known[] = {
        ERROR_INVALID_FUNCTION,     ERROR_FILE_NOT_FOUND,    ERROR_PATH_NOT_FOUND,
        ERROR_ACCESS_DENIED,        ERROR_INVALID_HANDLE,    ERROR_NOT_ENOUGH_MEMORY,
        ERROR_NO_MORE_FILES,        ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION,
        ERROR_FILE_EXISTS,          ERROR_INVALID_PARAMETER, ERROR_INVALID_NAME,
        ERROR_DIR_NOT_EMPTY,        ERROR_BAD_PATHNAME,      ERROR_ALREADY_EXISTS,
        ERROR_FILENAME_EXCED_RANGE, ERROR_DIRECTORY,         ERROR_FILE_INVALID,
        ERROR_USER_MAPPED_FILE,     ERROR_BAD_EXE_FORMAT,    ERROR_BAD_NETPATH,
        ERROR_BAD_DEV_TYPE,         ERROR_BAD_NET_NAME,
    };

    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] == error) {
            return TRUE;
        }
    }
    return FALSE;
}

/* A process of the storm; its exit code: 42, or 43 when an error was none of those. */
static int child(unsigned seed)
{
    int code = 42;

    state = seed;
    for (int i = 0; i < CALLS; i++) {
        SetLastError(ERROR_INVALID_PARAMETER);
        if (!make_some_call() && !is_known(GetLastError())) {
            tap_print("# process %u, call %d: error %lu", seed, i, GetLastError());
            code = is_quire() ? 43 : code; /* Wine has errors of its host's now and then */
        }
    }
    return code;
}

int main(int argc, char **argv)
{
    struct child children[3];
    char inside[MAX_PATH];
    BOOL right = TRUE;
    HANDLE file;

    tap_begin();
    if (argc > 2) {
        return child((unsigned)atoi(argv[2]));
    }
    work_begin();
    CreateDirectoryA("inside", NULL); /* names with ".." stay in the directory of the test */
    SetCurrentDirectoryA("inside");
    for (int i = 0; i < 3; i++) {
        right = start_child(&children[i], FALSE, 0, "storm %d", i + 1) && right;
    }
    ok(right, "three processes");
    for (int i = 0; i < 3; i++) {
        DWORD code = NOT_ENDED;

        WaitForSingleObject(children[i].process, 100000);
        GetExitCodeProcess(children[i].process, &code);
        ok(code == 42, "process %d: whatever failed, failed as it may", i + 1);
        CloseHandle(children[i].process);
        CloseHandle(children[i].thread);
    }
    SetCurrentDirectoryA(work_directory);
    _snprintf(inside, sizeof inside, "%s\\inside", work_directory);
    remove_tree(inside);
    ok(!exists(inside), "all that is left can be removed");
    file = fresh("after", 100000);
    ok(has_data(file, 0, 100000) && CloseHandle(file) && DeleteFileA("after"), "and files be made");
    return work_end();
}
