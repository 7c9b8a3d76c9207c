/*
 * user/programs/shell/files.c: the shell's commands on files and directories.
 */
#include "shell.h"

#include <stdio.h>
#include <string.h>

static void usage(const char *text)
{
    printf("%s\n", text);
    last_code = 1;
}

static void print_entry(const WIN32_FIND_DATAA *found, unsigned long long *total)
{
    unsigned long long nbytes =
        ((unsigned long long)found->nFileSizeHigh << 32) | found->nFileSizeLow;

    if (found->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
        printf("  %12s  %s\n", "<DIR>", found->cFileName);
    } else {
        printf("  %12llu  %s\n", nbytes, found->cFileName);
        *total += nbytes;
    }
}

/* dir [PATH]: a directory's entries, or those that match a pattern. */
void command_dir(char *line)
{
    const char *path = next_word(&line);
    unsigned long long total = 0;
    WIN32_FIND_DATAA found;
    char pattern[MAX_PATH];
    unsigned count = 0;
    DWORD attributes;
    HANDLE search;

    path = path == NULL ? "." : path;
    attributes = GetFileAttributesA(path);
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY)) {
        size_t length = strlen(path);

        _snprintf(pattern, sizeof pattern - 1, "%s%s*", path,
                  length > 0 && (path[length - 1] == '\\' || path[length - 1] == '/') ? "" : "\\");
    } else {
        _snprintf(pattern, sizeof pattern - 1, "%s", path);
    }
    pattern[sizeof pattern - 1] = '\0';
    search = FindFirstFileA(pattern, &found);
    if (search == INVALID_HANDLE_VALUE) {
        complain(path, GetLastError());
        return;
    }
    do {
        if (strcmp(found.cFileName, ".") != 0 && strcmp(found.cFileName, "..") != 0) {
            print_entry(&found, &total);
            count++;
        }
    } while (FindNextFileA(search, &found));
    FindClose(search);
    printf("  %u entr%s, %llu bytes\n", count, count == 1 ? "y" : "ies", total);
}

void command_cd(char *line)
{
    const char *path = next_word(&line);
    char here[MAX_PATH];

    if (path == NULL) {
        GetCurrentDirectoryA(sizeof here, here);
        printf("%s\n", here);
    } else if (!SetCurrentDirectoryA(path)) {
        DWORD error = GetLastError();

        complain(path, error == ERROR_FILE_NOT_FOUND ? ERROR_PATH_NOT_FOUND : error);
    }
}

/* Shows one file; FALSE when it cannot be read. */
static BOOL show_file(const char *path)
{
    char buffer[4096], last = '\n';
    DWORD done = 0;
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, NULL);

    if (file == INVALID_HANDLE_VALUE) {
        complain(path, GetLastError());
        return FALSE;
    }
    while (ReadFile(file, buffer, sizeof buffer, &done, NULL) && done > 0) {
        for (DWORD i = 0; i < done; i++) {
            if (buffer[i] != '\r') {
                putchar(buffer[i]);
            }
        }
        last = buffer[done - 1];
    }
    if (last != '\n') {
        putchar('\n');
    }
    CloseHandle(file);
    return TRUE;
}

void command_type(char *line)
{
    const char *path = next_word(&line);

    if (path == NULL) {
        usage("type: which file?");
    }
    for (; path != NULL; path = next_word(&line)) {
        show_file(path);
    }
}

/* --- Files that are like a pattern --- */

static BOOL is_directory(const char *path)
{
    DWORD attributes = GetFileAttributesA(path);

    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY);
}

/* Where the last component of a path begins. */
static size_t name_at(const char *path)
{
    size_t at = 0;

    for (size_t i = 0; path[i] != '\0'; i++) {
        if (path[i] == '\\' || path[i] == '/' || path[i] == ':') {
            at = i + 1;
        }
    }
    return at;
}

/* DIRECTORY\NAME in a buffer of MAX_PATH. */
static void join(char *path, const char *directory, const char *name)
{
    size_t length = strlen(directory);
    BOOL closed = length == 0 || strchr("\\/:", directory[length - 1]) != NULL;

    _snprintf(path, MAX_PATH - 1, "%s%s%s", directory, closed ? "" : "\\", name);
    path[MAX_PATH - 1] = '\0';
}

typedef BOOL (*file_action)(const char *path, void *argument);

/*
 * Does ACTION for each file, no directory, that PATTERN names.
 * => how many it was done for; the first that fails ends it, and every failure was told
 */
static unsigned for_each(const char *pattern, file_action action, void *argument)
{
    char path[MAX_PATH], directory[MAX_PATH];
    WIN32_FIND_DATAA found;
    HANDLE search = FindFirstFileA(pattern, &found);
    unsigned count = 0;
    BOOL any = FALSE;

    if (search == INVALID_HANDLE_VALUE) {
        complain(pattern, GetLastError());
        return 0;
    }
    _snprintf(directory, sizeof directory - 1, "%.*s", (int)name_at(pattern), pattern);
    directory[sizeof directory - 1] = '\0';
    do {
        if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
            continue;
        }
        any = TRUE;
        join(path, directory, found.cFileName);
        if (!action(path, argument)) {
            break;
        }
        count++;
    } while (FindNextFileA(search, &found));
    FindClose(search);
    if (!any) {
        complain(pattern, ERROR_FILE_NOT_FOUND);
    }
    return count;
}

/* --- Commands that change files --- */

struct transfer {
    const char *target;
    BOOL into; /* the target is a directory */
    BOOL move;
};

static BOOL transfer_file(const char *path, void *argument)
{
    const struct transfer *it = argument;
    char target[MAX_PATH];
    BOOL done;

    if (it->into) {
        join(target, it->target, path + name_at(path));
    } else {
        _snprintf(target, sizeof target - 1, "%s", it->target);
        target[sizeof target - 1] = '\0';
    }
    done = it->move ? MoveFileExA(path, target, MOVEFILE_REPLACE_EXISTING | MOVEFILE_COPY_ALLOWED)
                    : CopyFileA(path, target, FALSE);
    if (!done) {
        complain(path, GetLastError());
    }
    return done;
}

static void transfer(char *line, BOOL move)
{
    const char *from = next_word(&line), *to = next_word(&line);
    struct transfer it = {.target = to == NULL ? "." : to, .move = move};
    unsigned count;

    if (from == NULL || next_word(&line) != NULL) {
        usage(move ? "move: FILE TO" : "copy: FILE TO");
        return;
    }
    it.into = is_directory(it.target);
    if (!it.into && strpbrk(from, "*?") != NULL) {
        complain(it.target, ERROR_DIRECTORY);
        return;
    }
    if (move && is_directory(from)) {
        count = transfer_file(from, &it); /* a directory moves as one */
    } else {
        count = for_each(from, transfer_file, &it);
    }
    if (count > 0) {
        printf("  %u %s %s\n", count, count == 1 ? "file" : "files", move ? "moved" : "copied");
    }
}

void command_copy(char *line)
{
    transfer(line, FALSE);
}

void command_move(char *line)
{
    transfer(line, TRUE);
}

/* ren OLD NEW: the new name is one in the same directory. */
void command_ren(char *line)
{
    const char *from = next_word(&line), *to = next_word(&line);
    char target[MAX_PATH];

    if (to == NULL || next_word(&line) != NULL || to[name_at(to)] == '\0' || name_at(to) != 0) {
        usage("ren: OLD NEW, the new one without a directory");
        return;
    }
    _snprintf(target, sizeof target - 1, "%.*s%s", (int)name_at(from), from, to);
    target[sizeof target - 1] = '\0';
    if (!MoveFileExA(from, target, 0)) {
        complain(from, GetLastError());
    }
}

static BOOL delete_file(const char *path, void *argument)
{
    (void)argument;
    if (!DeleteFileA(path)) {
        complain(path, GetLastError());
        return FALSE;
    }
    return TRUE;
}

void command_del(char *line)
{
    const char *pattern = next_word(&line);

    if (pattern == NULL) {
        usage("del: which files?");
    }
    for (; pattern != NULL; pattern = next_word(&line)) {
        for_each(pattern, delete_file, NULL);
    }
}

/* md PATH: with the directories above it that are not there. */
void command_md(char *line)
{
    const char *path = next_word(&line);
    char part[MAX_PATH];

    if (path == NULL || next_word(&line) != NULL || strlen(path) >= sizeof part) {
        usage("md: which directory?");
        return;
    }
    for (size_t i = 1; path[i] != '\0'; i++) {
        if ((path[i] == '\\' || path[i] == '/') && path[i - 1] != ':') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (!is_directory(part)) {
                CreateDirectoryA(part, NULL); /* if it cannot be made, the last one says why */
            }
        }
    }
    if (!CreateDirectoryA(path, NULL)) {
        complain(path, GetLastError());
    }
}

/* Removes everything in a directory; FALSE when something stays, which was told. */
static BOOL empty_directory(const char *path)
{
    char name[MAX_PATH];
    WIN32_FIND_DATAA found;
    HANDLE search;
    BOOL done = TRUE;

    join(name, path, "*");
    search = FindFirstFileA(name, &found);
    if (search == INVALID_HANDLE_VALUE) {
        return TRUE; /* its removal will say what is wrong */
    }
    do {
        if (strcmp(found.cFileName, ".") == 0 || strcmp(found.cFileName, "..") == 0) {
            continue;
        }
        join(name, path, found.cFileName);
        if (!(found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) {
            done = delete_file(name, NULL);
        } else if (!empty_directory(name)) {
            done = FALSE;
        } else if (!RemoveDirectoryA(name)) {
            complain(name, GetLastError());
            done = FALSE;
        }
    } while (done && FindNextFileA(search, &found));
    FindClose(search);
    return done;
}

void command_rd(char *line)
{
    const char *path = next_word(&line);
    BOOL all = path != NULL && _stricmp(path, "/s") == 0;

    if (all) {
        path = next_word(&line);
    }
    if (path == NULL || next_word(&line) != NULL) {
        usage("rd: which directory?");
        return;
    }
    if (all && is_directory(path) && !empty_directory(path)) {
        return;
    }
    if (!RemoveDirectoryA(path)) {
        complain(path, GetLastError());
    }
}
