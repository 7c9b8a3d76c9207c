/*
 * tests/crash/promises.c: changes files and tells the host what it was promised of them, and when.
 *
 * usage: promises WAY THROUGH NAMES OPERATIONS SEED
 *
 * WAY is `views`, `writes` or `both`: how contents are changed; or `tails`: files that are cut off
 * in the middle of a page grow over what was cut off. THROUGH 1: with FILE_FLAG_WRITE_THROUGH.
 * NAMES 1: files are also renamed, replaced, linked, deleted and truncated.
 *
 * A file consists of units of 512 bytes, each of which says whose it is and which version (a number
 * that never comes twice); version 0 is all zeroes. Each line on standard output tells a change or
 * a promise; a line with a question mark is answered by the host with a line on standard input,
 * once it has noted how much the disk had been asked to do by then: so what follows in the disk's
 * log was asked for after it, and what was promised must be found in the log before.
 * tests/runner/promises.py has the host's side, and the meaning of the lines:
 *
 *      file ID NAME               made, empty            set ID FIRST COUNT VERSION  units hold
 * that size ID BYTES              it has grown           ?weak ID FIRST COUNT        flushed, no
 * FLUSH ?firm ID FIRST COUNT       durable, with a size   ?all ID                     the whole
 * file is ?cut ID BYTES, ?move ID NAME, ?gone ID            will be truncated, renamed, deleted end
 */
#include <windows.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNIT      512u
#define FILES     3
#define UNITS_MAX 256u /* of a file */
#define RUN_MAX   24u  /* units changed at once */
#define LINE_MAX_ 256

struct unit {
    DWORD file, number, version, filler[UNIT / 4 - 3];
};

struct kept {
    DWORD id;
    char name[32];
    DWORD units; /* its size */
    HANDLE file;
    HANDLE section;
    struct unit *view;
    DWORD seen; /* units that the view shows */
};

static struct kept files[FILES];
static DWORD next_id, next_version;
static DWORD through;
static unsigned long long random_state;

static DWORD random_below(DWORD limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (DWORD)((random_state >> 33) % limit);
}

static void fail(const char *what)
{
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    ExitProcess(1);
}

#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail(#condition);                                                                      \
        }                                                                                          \
    } while (0)

/* Tells a line; when it is a question, waits for the answer. */
static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
    char line[LINE_MAX_];
    char answer[1];
    DWORD done;
    va_list arguments;

    va_start(arguments, format);
    _vsnprintf(line, sizeof line - 2, format, arguments);
    va_end(arguments);
    strcat(line, "\n");
    must(WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), line, (DWORD)strlen(line), &done, NULL));
    if (line[0] != '?') {
        return;
    }
    do {
        must(ReadFile(GetStdHandle(STD_INPUT_HANDLE), answer, 1, &done, NULL) && done == 1);
    } while (answer[0] != '\n');
}

static void fill(struct unit *unit, DWORD id, DWORD number, DWORD version)
{
    unit->file = id;
    unit->number = number;
    unit->version = version;
    for (DWORD i = 0; i < sizeof unit->filler / 4; i++) {
        unit->filler[i] = (id * 31 + number) * 2654435761u + version * 40503u + i;
    }
}

/* --- Files --- */

static HANDLE open_named(const char *name, DWORD disposition)
{
    HANDLE file = CreateFileA(name, GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              disposition, through != 0 ? FILE_FLAG_WRITE_THROUGH : 0, NULL);

    must(file != INVALID_HANDLE_VALUE);
    return file;
}

static void unmap(struct kept *kept)
{
    if (kept->view == NULL) {
        return;
    }
    must(UnmapViewOfFile(kept->view));
    must(CloseHandle(kept->section));
    kept->view = NULL;
    tell("?%s %lu 0 %lu", through != 0 ? "firm" : "weak", kept->id, kept->seen);
}

/* A view of the whole file; sometimes the mapping makes it longer. */
static void map(struct kept *kept)
{
    DWORD units = kept->units + (random_below(3) == 0 ? 1 + random_below(RUN_MAX) : 0);

    unmap(kept);
    units = units > UNITS_MAX ? UNITS_MAX : units;
    if (units == 0) {
        return;
    }
    kept->section = CreateFileMappingA(kept->file, NULL, PAGE_READWRITE, 0, units * UNIT, NULL);
    must(kept->section != NULL);
    if (units > kept->units) {
        tell("set %lu %lu %lu 0", kept->id, kept->units, units - kept->units);
        tell("size %lu %lu", kept->id, units * UNIT);
        kept->units = units;
    }
    kept->view = MapViewOfFile(kept->section, FILE_MAP_WRITE, 0, 0, 0);
    must(kept->view != NULL);
    kept->seen = units;
}

static void flush_all(struct kept *kept)
{
    must(FlushFileBuffers(kept->file));
    tell("?all %lu", kept->id);
}

static void make(struct kept *kept)
{
    memset(kept, 0, sizeof *kept);
    kept->id = ++next_id;
    _snprintf(kept->name, sizeof kept->name, "file%lu.dat", kept->id);
    tell("file %lu %s", kept->id, kept->name);
    kept->file = open_named(kept->name, CREATE_NEW);
}

/* --- Changes --- */

static void store(struct kept *kept)
{
    if (kept->view == NULL) {
        map(kept);
    }
    if (kept->view == NULL) {
        return;
    }
    DWORD first = random_below(kept->seen);
    DWORD count = 1 + random_below(RUN_MAX);
    count = count > kept->seen - first ? kept->seen - first : count;
    DWORD version = ++next_version;
    tell("set %lu %lu %lu %lu", kept->id, first, count, version);
    for (DWORD i = first; i < first + count; i++) {
        fill(&kept->view[i], kept->id, i, version);
    }
    if (random_below(2) == 0) {
        must(FlushViewOfFile(&kept->view[first], count * UNIT));
        tell("?%s %lu %lu %lu", through != 0 ? "firm" : "weak", kept->id, first, count);
    }
}

static void write_units(struct kept *kept, DWORD first, DWORD count)
{
    static struct unit units[RUN_MAX];
    DWORD version = ++next_version;
    DWORD done = 0;

    for (DWORD i = 0; i < count; i++) {
        fill(&units[i], kept->id, first + i, version);
    }
    if (first > kept->units) {
        tell("set %lu %lu %lu 0", kept->id, kept->units, first - kept->units);
    }
    tell("set %lu %lu %lu %lu", kept->id, first, count, version);
    must(SetFilePointer(kept->file, (LONG)(first * UNIT), NULL, FILE_BEGIN) == first * UNIT);
    must(WriteFile(kept->file, units, count * UNIT, &done, NULL) && done == count * UNIT);
    if (first + count > kept->units) {
        kept->units = first + count;
        tell("size %lu %lu", kept->id, kept->units * UNIT);
    }
    if (through != 0) {
        tell("?firm %lu %lu %lu", kept->id, first, count);
    }
}

static void write(struct kept *kept)
{
    DWORD first = random_below(kept->units + RUN_MAX);

    first = first > UNITS_MAX - RUN_MAX ? UNITS_MAX - RUN_MAX : first;
    write_units(kept, first, 1 + random_below(RUN_MAX));
}

static void cut(struct kept *kept, DWORD units)
{
    unmap(kept);
    tell("?cut %lu %lu", kept->id, units * UNIT);
    must(SetFilePointer(kept->file, (LONG)(units * UNIT), NULL, FILE_BEGIN) == units * UNIT);
    must(SetEndOfFile(kept->file));
    kept->units = units;
}

/* What was cut off must not come back when the file grows, whatever else becomes durable. */
static void grow_over_tail(struct kept *kept, struct kept *other)
{
    write_units(kept, 0, RUN_MAX);
    flush_all(kept);
    cut(kept, 1 + random_below(RUN_MAX - 1));
    flush_all(kept);
    write_units(kept, kept->units + random_below(RUN_MAX), RUN_MAX);
    write_units(other, other->units, 1);
    flush_all(other);
}

static void rename_it(struct kept *kept)
{
    char name[32];

    _snprintf(name, sizeof name, "%s%lu.dat", random_below(2) == 0 ? "renamed" : "sub\\moved",
              ++next_version);
    tell("?move %lu %s", kept->id, name);
    must(MoveFileA(kept->name, name));
    strcpy(kept->name, name);
    if (random_below(2) == 0) {
        flush_all(kept);
    }
}

/* Another name, for a moment one of two. */
static void link_it(struct kept *kept)
{
    char name[32];

    _snprintf(name, sizeof name, "%s%lu.dat", random_below(2) == 0 ? "linked" : "sub\\linked",
              ++next_version);
    unmap(kept);
    tell("?move %lu %s", kept->id, name);
    must(CreateHardLinkA(name, kept->name, NULL));
    must(CloseHandle(kept->file));
    kept->file = open_named(name, OPEN_EXISTING);
    must(DeleteFileA(kept->name));
    strcpy(kept->name, name);
    if (random_below(2) == 0) {
        flush_all(kept);
    }
}

static void leave(struct kept *kept)
{
    unmap(kept);
    must(CloseHandle(kept->file));
    kept->file = NULL;
}

static void delete (struct kept *kept)
{
    leave(kept);
    tell("?gone %lu", kept->id);
    must(DeleteFileA(kept->name));
    make(kept);
}

/* As editors save: a new file, flushed, takes the name of the old one. */
static void replace(struct kept *kept)
{
    struct kept old = *kept;

    make(kept);
    for (DWORD i = 0; i < 3; i++) {
        write(kept);
    }
    flush_all(kept);
    leave(&old);
    tell("?gone %lu", old.id);
    tell("?move %lu %s", kept->id, old.name);
    must(CloseHandle(kept->file));
    must(MoveFileExA(kept->name, old.name, MOVEFILE_REPLACE_EXISTING));
    strcpy(kept->name, old.name);
    kept->file = open_named(kept->name, OPEN_EXISTING);
}

static void change_name(struct kept *kept)
{
    switch (random_below(5)) {
    case 0:
        cut(kept, random_below(kept->units + 1));
        break;
    case 1:
        delete (kept);
        break;
    case 2:
        replace(kept);
        break;
    case 3:
        link_it(kept);
        break;
    default:
        rename_it(kept);
        break;
    }
}

static void change(struct kept *kept, const char *way, DWORD names)
{
    DWORD chosen = random_below(20);
    BOOL by_view = strcmp(way, "views") == 0 || (strcmp(way, "both") == 0 && random_below(2) == 0);

    if (strcmp(way, "tails") == 0) {
        grow_over_tail(kept, kept == &files[0] ? &files[1] : &files[0]);
    } else if (chosen < 2 || (chosen < 4 && !by_view)) {
        flush_all(kept);
    } else if (chosen < 4) {
        map(kept);
    } else if (chosen < 5) {
        unmap(kept);
    } else if (chosen < 8 && names != 0) {
        change_name(kept);
    } else if (by_view && kept->units > 0) {
        store(kept);
    } else {
        write(kept);
    }
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: promises WAY THROUGH NAMES OPERATIONS SEED\n");
        return 2;
    }
    through = strtoul(argv[2], NULL, 0);
    random_state = strtoul(argv[5], NULL, 0);
    must(CreateDirectoryA("sub", NULL));
    for (DWORD i = 0; i < FILES; i++) {
        make(&files[i]);
        flush_all(&files[i]);
    }
    for (DWORD left = strtoul(argv[4], NULL, 0); left > 0; left--) {
        change(&files[random_below(FILES)], argv[1], strtoul(argv[3], NULL, 0));
    }
    for (DWORD i = 0; i < FILES; i++) {
        leave(&files[i]);
    }
    tell("end");
    return 0;
}
