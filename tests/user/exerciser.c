/*
 * tests/user/exerciser.c: several processes change one file in every way, and a model is right.
 *
 * usage: exerciser [OPERATIONS [SEED]]        (20000, 1)
 *
 * Workers take turns: reads, writes, reads and writes through views, copies between the file and
 * its own views, truncation, growth (also by CreateFileMapping), flushes, views that are made
 * anew, handles that are closed and opened with other flags, workers that end with all of it open.
 * The model is an array in a section that all share; after an operation that reads, the file must
 * hold what the model does. A generator in that section decides everything, whose turn is next too:
 * a run is replayed by its seed. What fails is told with the operations before it.
 *
 *      parent --- section: model, generator, ring of operations --- worker 0, 1, 2
 *             \__ one event each: it is your turn ________________/
 *
 * time limit: 240 s
 * run with: --memory 16M
 */
#include "tap.h"

#define WORKERS   3
#define FILE_MAX  (4u << 20)
#define IO_MAX    (64u << 10)
#define BURST     8
#define RING      24
#define DIED      77 /* exit code of a worker that is to be started again */
#define GRAIN     0x10000u
#define NO_SIZE   0xFFFFFFFFu
#define FILE_NAME "exerciser.dat"
#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

enum kind {
    READ,
    WRITE,
    VIEW_READ,
    VIEW_WRITE,
    COPY_IN,  /* WriteFile from a view of the file */
    COPY_OUT, /* ReadFile into one */
    SET_SIZE,
    FLUSH_FILE,
    FLUSH_VIEW,
    MAP,
    UNMAP,
    REOPEN,
    CHECK,
    DIE,
    KINDS
};

static const struct {
    const char *name;
    DWORD share; /* of 1000 */
} kinds[KINDS] = {
    [READ] = {"read", 180},        [WRITE] = {"write", 180},     [VIEW_READ] = {"view read", 170},
    [VIEW_WRITE] = {"store", 180}, [COPY_IN] = {"copy in", 40},  [COPY_OUT] = {"copy out", 40},
    [SET_SIZE] = {"size", 60},     [FLUSH_FILE] = {"flush", 10}, [FLUSH_VIEW] = {"flush view", 20},
    [MAP] = {"map", 45},           [UNMAP] = {"unmap", 45},      [REOPEN] = {"reopen", 24},
    [CHECK] = {"check", 4},        [DIE] = {"die", 2},
};

struct operation {
    DWORD number, worker, kind, offset, nbytes, size;
};

struct shared {
    ULONGLONG random;
    DWORD operations, done;
    DWORD size;           /* the file's */
    LONG mapped[WORKERS]; /* bytes of each worker's section; 0: none */
    BOOL stopped;         /* no more turns */
    DWORD counts[KINDS];  /* done, of each kind */
    DWORD refused;        /* truncations of a mapped file */
    char failure[256];    /* of the first that failed */
    struct operation ring[RING];
    BYTE model[FILE_MAX];
};

static struct shared *shared;
static HANDLE turns[WORKERS], section_of_model;

/* A worker's own. */
static DWORD me;
static HANDLE file = INVALID_HANDLE_VALUE;
static DWORD file_flags;
static HANDLE section;
static BYTE *view;
static DWORD view_offset, view_nbytes;
static BYTE *buffer; /* of IO_MAX bytes, page-aligned */

/* --- The generator --- */

static DWORD random_below(DWORD limit)
{
    shared->random = shared->random * 6364136223846793005ull + 1442695040888963407ull;
    return (DWORD)((shared->random >> 33) % limit);
}

/* Small numbers as often as large ones, from 1 to LIMIT. */
static DWORD random_length(DWORD limit)
{
    DWORD bits = random_below(17);
    DWORD nbytes = 1 + random_below(1u << bits);

    return nbytes < limit ? nbytes : limit;
}

static enum kind random_kind(void)
{
    DWORD at = random_below(1000);
    DWORD kind = 0;

    while (at >= kinds[kind].share) {
        at -= kinds[kind++].share;
    }
    return (enum kind)kind;
}

/* --- What failed --- */

static struct operation *current(void)
{
    return &shared->ring[shared->done % RING];
}

#define expect(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail(#condition, __VA_ARGS__);                                                         \
        }                                                                                          \
    } while (0)

static void fail(const char *condition, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
static void fail(const char *condition, const char *format, ...)
{
    DWORD error = GetLastError();
    va_list arguments;
    int length = _snprintf(shared->failure, sizeof shared->failure - 1,
                           "%s, last error %lu: ", condition, error);

    va_start(arguments, format);
    if (length > 0 && length < (int)sizeof shared->failure - 1) {
        _vsnprintf(&shared->failure[length], sizeof shared->failure - (size_t)length - 1, format,
                   arguments);
    }
    va_end(arguments);
    ExitProcess(1);
}

/* What DATA holds must be what the model has from OFFSET on. */
static void compare(const BYTE *data, DWORD offset, DWORD nbytes)
{
    DWORD i = 0;

    if (memcmp(data, &shared->model[offset], nbytes) == 0) {
        return;
    }
    while (data[i] == shared->model[offset + i]) {
        i++;
    }
    fail("contents", "byte %lu is 0x%02X, must be 0x%02X", offset + i, data[i],
         shared->model[offset + i]);
}

/* --- The file --- */

/* Opens the file with flags of its own. */
static void open_worker_file(void)
{
    static const DWORD flags[] = {0,
                                  0,
                                  FILE_FLAG_WRITE_THROUGH,
                                  FILE_FLAG_RANDOM_ACCESS,
                                  FILE_FLAG_SEQUENTIAL_SCAN,
                                  FILE_FLAG_NO_BUFFERING,
                                  FILE_FLAG_NO_BUFFERING | FILE_FLAG_WRITE_THROUGH};

    file_flags = flags[random_below(sizeof flags / sizeof flags[0])];
    file = CreateFileA(beside(FILE_NAME), GENERIC_READ | GENERIC_WRITE, SHARE_ALL, NULL,
                       OPEN_EXISTING, file_flags | FILE_ATTRIBUTE_NORMAL, NULL);
    expect(file != INVALID_HANDLE_VALUE, "the file opens with flags 0x%08lX", file_flags);
}

static void seek(DWORD offset)
{
    LONG high = 0;

    expect(SetFilePointer(file, (LONG)offset, &high, FILE_BEGIN) == offset, "to %lu", offset);
}

/* The offset and length that are to be used: whole pages where the handle wants them. */
static void choose_range(DWORD limit, DWORD *offset, DWORD *nbytes)
{
    *offset = random_below(limit);
    *nbytes = random_length(IO_MAX);
    if ((file_flags & FILE_FLAG_NO_BUFFERING) != 0) {
        *offset &= ~(PAGE - 1);
        *nbytes = (*nbytes + PAGE - 1) & ~(PAGE - 1);
    }
    if (*nbytes > FILE_MAX - *offset) {
        *nbytes = FILE_MAX - *offset;
    }
    current()->offset = *offset;
    current()->nbytes = *nbytes;
}

/* The model grows or shrinks; what comes anew is zero. */
static void set_model_size(DWORD size)
{
    if (size > shared->size) {
        memset(&shared->model[shared->size], 0, size - shared->size);
    }
    shared->size = size;
}

/* New contents for the model: they tell the operation and the place. */
static void fill_model(DWORD offset, DWORD nbytes)
{
    DWORD word = (shared->done + 1) * 2654435761u;

    for (DWORD i = offset; i < offset + nbytes; i++) {
        shared->model[i] = (BYTE)((word ^ (i * 0x9E3779B1u)) >> 24);
    }
}

static void check_size(void)
{
    DWORD high = 0;
    DWORD size = GetFileSize(file, &high);

    expect(size == shared->size && high == 0, "it is %lu", size);
}

static void do_read(void)
{
    DWORD offset, nbytes, done = NO_SIZE;

    choose_range(shared->size + IO_MAX / 4 < FILE_MAX ? shared->size + IO_MAX / 4 : FILE_MAX,
                 &offset, &nbytes);
    DWORD expected = offset >= shared->size           ? 0
                     : nbytes < shared->size - offset ? nbytes
                                                      : shared->size - offset;
    seek(offset);
    expect(ReadFile(file, buffer, nbytes, &done, NULL), "read");
    expect(done == expected, "%lu were read", done);
    compare(buffer, offset, done);
}

static void do_write(void)
{
    DWORD offset, nbytes, done = NO_SIZE;
    DWORD limit = random_below(4) == 0 ? FILE_MAX : shared->size + IO_MAX;

    choose_range(limit < FILE_MAX ? limit : FILE_MAX, &offset, &nbytes);
    if (offset + nbytes > shared->size) {
        set_model_size(offset + nbytes);
    }
    fill_model(offset, nbytes);
    memcpy(buffer, &shared->model[offset], nbytes);
    seek(offset);
    expect(WriteFile(file, buffer, nbytes, &done, NULL), "written");
    expect(done == nbytes, "%lu were written", done);
    check_size();
}

/* The size that the largest of the sections has: the file must not become shorter. */
static DWORD largest_section(void)
{
    DWORD largest = 0;

    for (DWORD i = 0; i < WORKERS; i++) {
        largest = (DWORD)shared->mapped[i] > largest ? (DWORD)shared->mapped[i] : largest;
    }
    return largest;
}

/* SetEndOfFile. A file with sections may grow, but not lose what the largest of them has. */
static void do_set_size(void)
{
    DWORD size = random_below(3) == 0 ? random_below(shared->size + 1) : random_below(FILE_MAX + 1);
    DWORD largest = largest_section();

    if ((file_flags & FILE_FLAG_NO_BUFFERING) != 0) {
        size &= ~(PAGE - 1);
    }
    if (largest <= size && size < shared->size && largest != 0) {
        return; /* Wine refuses that too */
    }
    current()->nbytes = size;
    seek(size);
    if (size < largest) {
        expect(FAILS(SetEndOfFile(file), ERROR_USER_MAPPED_FILE), "%lu are mapped", largest);
        shared->refused++;
    } else {
        expect(SetEndOfFile(file), "to %lu", size);
        set_model_size(size);
    }
    check_size();
}

/* --- Views --- */

static void unmap(void)
{
    if (view != NULL) {
        expect(UnmapViewOfFile(view), "unmapped");
    }
    if (section != NULL) {
        expect(CloseHandle(section), "closed");
    }
    view = NULL;
    section = NULL;
    shared->mapped[me] = 0;
}

/* A section of the whole file, sometimes longer than it was, and a view of some of it. */
static void do_map(void)
{
    DWORD size = random_below(4) == 0 ? shared->size + random_below(IO_MAX * 2) : 0;

    unmap();
    size = size > FILE_MAX ? FILE_MAX : size;
    if (size == 0 && shared->size == 0) {
        expect(
            FAILS(CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL), ERROR_FILE_INVALID),
            "an empty file");
        return;
    }
    current()->nbytes = size;
    section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, size, NULL);
    expect(section != NULL, "a section of %lu", size);
    if (size > shared->size) {
        set_model_size(size);
    }
    shared->mapped[me] = (LONG)(size != 0 ? size : shared->size);
    DWORD nbytes = (DWORD)shared->mapped[me];
    view_offset = random_below(2) == 0 ? 0 : random_below(nbytes) & ~(GRAIN - 1);
    view_nbytes =
        random_below(2) == 0 ? nbytes - view_offset : 1 + random_below(nbytes - view_offset);
    view = MapViewOfFile(section, FILE_MAP_WRITE, 0, view_offset, view_nbytes);
    expect(view != NULL, "a view of %lu from %lu", view_nbytes, view_offset);
    check_size();
}

/* A range of the file that the view shows; FALSE: there is none. */
static BOOL choose_seen(DWORD *offset, DWORD *nbytes)
{
    if (view == NULL) {
        return FALSE;
    }
    DWORD at = random_below(view_nbytes);
    *offset = view_offset + at;
    *nbytes = random_length(view_nbytes - at < IO_MAX ? view_nbytes - at : IO_MAX);
    current()->offset = *offset;
    current()->nbytes = *nbytes;
    return TRUE;
}

static void do_view_read(void)
{
    DWORD offset, nbytes;

    if (choose_seen(&offset, &nbytes)) {
        compare(&view[offset - view_offset], offset, nbytes);
    }
}

static void do_view_write(void)
{
    DWORD offset, nbytes;

    if (choose_seen(&offset, &nbytes)) {
        fill_model(offset, nbytes);
        memcpy(&view[offset - view_offset], &shared->model[offset], nbytes);
    }
}

static BOOL overlap(DWORD one, DWORD other, DWORD nbytes)
{
    return one < other + nbytes && other < one + nbytes;
}

/* WriteFile from the view, or ReadFile into it: another part of the same file. */
static void do_copy(BOOL in)
{
    DWORD seen, there, nbytes, done = NO_SIZE;
    BOOL moved;

    if ((file_flags & FILE_FLAG_NO_BUFFERING) != 0 || !choose_seen(&seen, &nbytes) ||
        shared->size < nbytes) {
        return;
    }
    there = random_below(shared->size - nbytes + 1);
    if (overlap(seen, there, nbytes)) {
        return;
    }
    seek(there);
    if (in) {
        memcpy(&shared->model[there], &shared->model[seen], nbytes);
        moved = WriteFile(file, &view[seen - view_offset], nbytes, &done, NULL);
    } else {
        memcpy(&shared->model[seen], &shared->model[there], nbytes);
        moved = ReadFile(file, &view[seen - view_offset], nbytes, &done, NULL);
    }
    expect(moved && done == nbytes, "%lu of %lu bytes, %lu there", done, nbytes, there);
}

static void do_flush_view(void)
{
    DWORD offset, nbytes;

    if (choose_seen(&offset, &nbytes)) {
        expect(FlushViewOfFile(&view[offset - view_offset], random_below(2) == 0 ? 0 : nbytes),
               "flushed");
    }
}

/* --- A worker --- */

static void do_reopen(void)
{
    expect(CloseHandle(file), "closed");
    open_worker_file();
}

/* The whole file, read by a handle of its own. */
static void do_check(void)
{
    HANDLE whole = open_for(beside(FILE_NAME), GENERIC_READ, SHARE_ALL);
    DWORD done;

    expect(whole != INVALID_HANDLE_VALUE, "opened");
    for (DWORD offset = 0; offset <= shared->size; offset += IO_MAX) {
        DWORD nbytes = shared->size - offset < IO_MAX ? shared->size - offset : IO_MAX;
        done = NO_SIZE;
        expect(ReadFile(whole, buffer, IO_MAX, &done, NULL) && done == nbytes, "%lu at %lu", done,
               offset);
        compare(buffer, offset, nbytes);
    }
    CloseHandle(whole);
}

/* Ends with everything open; the parent starts another in its place. */
static void do_die(void)
{
    shared->mapped[me] = 0;
    shared->done++;
    if (random_below(2) == 0) {
        TerminateProcess(GetCurrentProcess(), DIED);
    }
    ExitProcess(DIED);
}

static void perform(enum kind kind)
{
    switch (kind) {
    case READ:
        do_read();
        break;
    case WRITE:
        do_write();
        break;
    case VIEW_READ:
        do_view_read();
        break;
    case VIEW_WRITE:
        do_view_write();
        break;
    case COPY_IN:
        do_copy(TRUE);
        break;
    case COPY_OUT:
        do_copy(FALSE);
        break;
    case SET_SIZE:
        do_set_size();
        break;
    case FLUSH_FILE:
        expect(FlushFileBuffers(file), "flushed");
        break;
    case FLUSH_VIEW:
        do_flush_view();
        break;
    case MAP:
        do_map();
        break;
    case UNMAP:
        unmap();
        break;
    case REOPEN:
        do_reopen();
        break;
    case CHECK:
        do_check();
        break;
    case DIE:
        do_die();
        break;
    case KINDS:
        break;
    }
}

/* Some operations; then it is another's turn. */
static void take_turn(void)
{
    for (DWORD left = 1 + random_below(BURST); left > 0; left--) {
        if (shared->done == shared->operations) {
            shared->stopped = TRUE;
            return;
        }
        enum kind kind = random_kind();
        *current() = (struct operation){
            .number = shared->done, .worker = me, .kind = kind, .size = shared->size};
        shared->counts[kind]++;
        perform(kind);
        shared->done++;
    }
}

static int work(void)
{
    buffer = VirtualAlloc(NULL, IO_MAX, MEM_COMMIT, PAGE_READWRITE);
    must(buffer != NULL && WaitForSingleObject(turns[me], INFINITE) == WAIT_OBJECT_0);
    open_worker_file();
    while (!shared->stopped) {
        take_turn();
        DWORD next = random_below(WORKERS);
        must(SetEvent(turns[shared->stopped ? (me + 1) % WORKERS : next]));
        must(WaitForSingleObject(turns[me], INFINITE) == WAIT_OBJECT_0);
    }
    unmap();
    expect(CloseHandle(file), "closed at the end");
    must(SetEvent(turns[(me + 1) % WORKERS]));
    return 0;
}

/* --- The parent --- */

static BOOL start_worker(struct child *child, DWORD number)
{
    return start_child(child, TRUE, 0, "worker %lu 0x%p 0x%p 0x%p 0x%p", number, section_of_model,
                       turns[0], turns[1], turns[2]);
}

static HANDLE inheritable_event(void)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};

    return CreateEventA(&inherited, FALSE, FALSE, NULL);
}

static BOOL prepare(DWORD operations, DWORD seed)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE made;

    section_of_model = CreateFileMappingA(INVALID_HANDLE_VALUE, &inherited, PAGE_READWRITE, 0,
                                          sizeof *shared, NULL);
    shared = MapViewOfFile(section_of_model, FILE_MAP_WRITE, 0, 0, 0);
    for (DWORD i = 0; i < WORKERS; i++) {
        turns[i] = inheritable_event();
    }
    made = CreateFileA(beside(FILE_NAME), GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    if (shared == NULL || made == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    shared->operations = operations;
    shared->random = seed;
    return CloseHandle(made);
}

/* Waits for a worker's end; one that died on purpose is started again. FALSE: one failed. */
static BOOL await_one(struct child *children, DWORD *running)
{
    HANDLE processes[WORKERS];
    DWORD numbers[WORKERS];
    DWORD count = 0, code = NOT_ENDED;

    for (DWORD i = 0; i < WORKERS; i++) {
        if (children[i].process != NULL) {
            processes[count] = children[i].process;
            numbers[count++] = i;
        }
    }
    DWORD which = WaitForMultipleObjects(count, processes, FALSE, INFINITE) - WAIT_OBJECT_0;
    if (which >= count || !GetExitCodeProcess(processes[which], &code)) {
        return FALSE;
    }
    struct child *child = &children[numbers[which]];
    CloseHandle(child->process);
    CloseHandle(child->thread);
    child->process = NULL;
    if (code == DIED) {
        return start_worker(child, numbers[which]) && SetEvent(turns[numbers[which]]);
    }
    *running -= 1;
    return code == 0;
}

/* Starts the workers; whether all ended well. */
static BOOL run_workers(void)
{
    struct child children[WORKERS] = {{0}};
    DWORD running = 0;
    BOOL well = TRUE;

    for (DWORD i = 0; i < WORKERS && well; i++) {
        well = start_worker(&children[i], i);
        running += well ? 1 : 0;
    }
    well = well && SetEvent(turns[0]);
    while (running > 0 && well) {
        well = await_one(children, &running);
    }
    for (DWORD i = 0; i < WORKERS; i++) {
        if (children[i].process != NULL) {
            TerminateProcess(children[i].process, 1);
        }
    }
    return well;
}

static void tell_counts(DWORD seed)
{
    tap_print("# seed %lu: %lu operations", seed, shared->done);
    for (DWORD i = 0; i < KINDS; i++) {
        tap_print("#   %6lu %s", shared->counts[i], kinds[i].name);
    }
    tap_print("#   %6lu truncations were refused", shared->refused);
}

static void tell_failure(void)
{
    DWORD first = shared->done < RING ? 0 : shared->done - RING + 1;

    for (DWORD i = first; i <= shared->done; i++) {
        const struct operation *it = &shared->ring[i % RING];
        tap_print("# %lu: worker %lu, %s at %lu, %lu bytes; the file had %lu", it->number,
                  it->worker, kinds[it->kind].name, it->offset, it->nbytes, it->size);
    }
    tap_print("# %s", shared->failure);
}

/* The file as a process sees it that had no part in it. */
static BOOL holds_model(void)
{
    HANDLE whole = open_for(beside(FILE_NAME), GENERIC_READ | GENERIC_WRITE, 0);
    BYTE *seen = VirtualAlloc(NULL, FILE_MAX, MEM_COMMIT, PAGE_READWRITE);
    DWORD done = NO_SIZE;
    BOOL same = whole != INVALID_HANDLE_VALUE && seen != NULL && FlushFileBuffers(whole) &&
                ReadFile(whole, seen, FILE_MAX, &done, NULL) && done == shared->size &&
                memcmp(seen, shared->model, done) == 0;

    CloseHandle(whole);
    VirtualFree(seen, 0, MEM_RELEASE);
    return same;
}

int main(int argc, char **argv)
{
    DWORD operations = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
    DWORD seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;

    tap_begin();
    if (argc == 7 && strcmp(argv[1], "worker") == 0) {
        me = strtoul(argv[2], NULL, 0);
        shared = MapViewOfFile(handle_argument(argv[3]), FILE_MAP_WRITE, 0, 0, 0);
        must(shared != NULL && me < WORKERS);
        for (DWORD i = 0; i < WORKERS; i++) {
            turns[i] = handle_argument(argv[4 + i]);
        }
        return work();
    }
    if (!ok(prepare(operations, seed), "the file and the model are there")) {
        return tap_end();
    }
    BOOL well = run_workers();
    ok(well, "every operation is as the model has it");
    tell_counts(seed);
    if (!well) {
        tell_failure();
    }
    ok(shared->done == operations, "as many operations as were asked for");
    ok(well && holds_model(), "the file holds what the model does when all have ended");
    ok(DeleteFileA(beside(FILE_NAME)), "the file is deleted");
    return tap_end();
}
