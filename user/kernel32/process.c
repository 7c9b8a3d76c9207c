/*
 * user/kernel32/process.c: processes: making them, ending them, asking about them.
 *
 * CreateProcess finds the image (application name, or the first word of the command line with
 * quoting and search), puts the process parameters together in one block and has the kernel make
 * process and first thread. The three standard handles go by the parameters: the kernel hands them
 * on, inherited or not.
 */
#include "user/kernel32/kernel32.h"

static const WCHAR extension[] = L".exe";

/* Everything that a new process needs, collected. */
struct launch {
    WCHAR image[MAX_PATH + 8]; /* full Win32 path */
    UNICODE_STRING nt_image;
    WCHAR *directory;    /* with a closing backslash, in the heap, or NULL: ours */
    WCHAR *environment;  /* in the heap, or NULL: ours */
    WCHAR *command_line; /* the caller's, or quoted */
    WCHAR *quoted;       /* in the heap, or NULL */
    struct process_parameters *parameters;
};

/* Takes PATH over as the image's name, in both forms. */
static BOOL name_image(struct launch *l, const WCHAR *path)
{
    DWORD n = dos_name(path, &l->nt_image, l->image, COUNT_OF(l->image));
    if (n >= COUNT_OF(l->image)) {
        return fail(ERROR_FILENAME_EXCED_RANGE);
    }
    return n != 0;
}

/* The file of a command line's word. */
static BOOL find_image(struct launch *l, const WCHAR *word)
{
    struct found_file found;
    if (!*word) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    if (!search_file(NULL, word, extension, &found)) {
        return fail(ERROR_FILE_NOT_FOUND);
    }
    release_memory(l->nt_image.Buffer); /* of a shorter word whose full name was too long */
    l->nt_image = found.nt;
    found.nt.Buffer = NULL;
    BOOL done = name_image(l, found.path);
    found_file_done(&found);
    return done;
}

/*
 * The image that a command line names: a quoted word, or as many words as it takes to name a file
 * (`C:\a b c` may be C:\a.exe, C:\a b.exe or C:\a b c.exe).
 */
static BOOL image_of_command_line(struct launch *l, const WCHAR *line)
{
    size_t length = wide_length(line);
    WCHAR *word = take_memory((length + 1) * sizeof(WCHAR));
    if (!word) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    BOOL found = FALSE;
    size_t n = 0;
    if (*line == '"') {
        while (line[n + 1] && line[n + 1] != '"') {
            word[n] = line[n + 1];
            n++;
        }
        word[n] = 0;
        found = find_image(l, word);
    } else {
        while (!found && n < length) {
            do {
                word[n] = line[n];
                n++;
            } while (n < length && line[n] != ' ' && line[n] != '\t');
            word[n] = 0;
            found = find_image(l, word);
        }
    }
    release_memory(word);
    return found ? TRUE : fail(GetLastError() ? GetLastError() : ERROR_FILE_NOT_FOUND);
}

/* Settles image and command line. */
static BOOL choose_image(struct launch *l, const WCHAR *application, WCHAR *line)
{
    if (!application) {
        if (!line || !*line) {
            return fail(line ? ERROR_FILE_NOT_FOUND : ERROR_INVALID_PARAMETER);
        }
        l->command_line = line;
        return image_of_command_line(l, line);
    }
    if (!nt_path(application, &l->nt_image) || !name_image(l, application)) {
        return FALSE;
    }
    l->command_line = line;
    if (!line) {
        size_t length = wide_length(application);
        l->quoted = take_memory((length + 3) * sizeof(WCHAR));
        if (!l->quoted) {
            return fail(ERROR_NOT_ENOUGH_MEMORY);
        }
        l->quoted[0] = l->quoted[length + 1] = '"';
        l->quoted[length + 2] = 0;
        memcpy(l->quoted + 1, application, length * sizeof(WCHAR));
        l->command_line = l->quoted;
    }
    return TRUE;
}

static BOOL choose_directory(struct launch *l, const WCHAR *directory)
{
    if (!directory) {
        return TRUE;
    }
    FILE_NETWORK_OPEN_INFORMATION info;
    NTSTATUS status = query_attributes(directory, &info);
    if (!NT_SUCCESS(status) || !(info.FileAttributes & FILE_ATTRIBUTE_DIRECTORY)) {
        return fail(ERROR_DIRECTORY);
    }
    DWORD need = GetFullPathNameW(directory, 0, NULL, NULL);
    l->directory = take_memory((need + 2) * sizeof(WCHAR));
    if (!l->directory) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    DWORD n = GetFullPathNameW(directory, need, l->directory, NULL);
    if (l->directory[n - 1] != '\\') {
        l->directory[n] = '\\';
        l->directory[n + 1] = 0;
    }
    return TRUE;
}

/* The environment block that a caller gives, in UTF-16. */
static BOOL choose_environment(struct launch *l, const void *block, DWORD flags)
{
    if (!block || (flags & CREATE_UNICODE_ENVIRONMENT)) {
        return TRUE;
    }
    const char *end = block;
    while (*end) {
        end += narrow_length(end) + 1;
    }
    int length = (int)(end - (const char *)block) + 1;
    length = length < 2 ? 2 : length;
    l->environment = take_memory((SIZE_T)length * sizeof(WCHAR));
    if (!l->environment) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    memset(l->environment, 0, (SIZE_T)length * sizeof(WCHAR));
    MultiByteToWideChar(CP_ACP, 0, block, (int)(end - (const char *)block) + 1, l->environment,
                        length);
    return TRUE;
}

static SIZE_T environment_size(const WCHAR *block)
{
    const WCHAR *s = block;
    while (*s) {
        s += wide_length(s) + 1;
    }
    return (SIZE_T)(s + 1 - block) * sizeof(WCHAR);
}

/* Copies a string to the end of the parameters' block. */
static void add_string(struct process_parameters *p, UNICODE_STRING *string, const WCHAR *text)
{
    if (text) {
        WCHAR *copy = (WCHAR *)((BYTE *)p + p->length);
        wide_string(string, text);
        memcpy(copy, text, string->MaximumLength);
        string->Buffer = copy;
        p->length += (ULONG)(string->MaximumLength + 3u) & ~3u;
    }
}

static SIZE_T string_size(const WCHAR *text)
{
    return text ? (wide_length(text) + 3) * sizeof(WCHAR) : 0;
}

/* Makes the block of process parameters: structure, strings, environment. */
static BOOL make_parameters(struct launch *l, const void *environment, const STARTUPINFOW *startup)
{
    const struct process_parameters *own = this_peb()->parameters;
    WCHAR *block = l->environment ? l->environment : (WCHAR *)environment;
    SIZE_T nbytes = block ? environment_size(block) : own->environment_size;
    block = block ? block : own->environment;
    if (!block || !nbytes) {
        block = (WCHAR *)L"";
        nbytes = sizeof(WCHAR);
    }
    WCHAR *directory = l->directory ? l->directory : own->current_directory.Buffer;
    SIZE_T size = sizeof(*own) + 8 + string_size(l->image) + string_size(l->command_line) +
                  string_size(directory) + string_size(startup->lpTitle) +
                  string_size(startup->lpDesktop) + nbytes;
    if (wide_length(l->command_line) > 32766 || nbytes > 0x100000) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    struct process_parameters *p = take_memory(size);
    if (!p) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    memset(p, 0, sizeof(*p));
    l->parameters = p;
    p->length = (sizeof(*own) + 7) & ~7u;
    p->flags = NT_PARAMETERS_NORMALIZED;
    add_string(p, &p->image_path, l->image);
    add_string(p, &p->command_line, l->command_line);
    add_string(p, &p->current_directory, directory);
    add_string(p, &p->window_title, startup->lpTitle);
    add_string(p, &p->desktop_info, startup->lpDesktop);
    p->environment = (WCHAR *)((BYTE *)p + p->length);
    p->environment_size = (ULONG)nbytes;
    memcpy(p->environment, block, nbytes);
    p->length += (ULONG)nbytes;
    p->maximum_length = p->length;
    p->window_flags = startup->dwFlags;
    p->show_window_flags = startup->wShowWindow;
    BOOL given = (startup->dwFlags & STARTF_USESTDHANDLES) != 0;
    p->standard_input = given ? startup->hStdInput : own->standard_input;
    p->standard_output = given ? startup->hStdOutput : own->standard_output;
    p->standard_error = given ? startup->hStdError : own->standard_error;
    return TRUE;
}

static void set_priority(HANDLE process, DWORD flags)
{
    static const DWORD classes[] = {
        IDLE_PRIORITY_CLASS,         HIGH_PRIORITY_CLASS,         REALTIME_PRIORITY_CLASS,
        BELOW_NORMAL_PRIORITY_CLASS, ABOVE_NORMAL_PRIORITY_CLASS,
    };
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (flags & classes[i]) {
            (void)SetPriorityClass(process, classes[i]);
        }
    }
}

/* Tells the log why an image was refused; the caller has the error code. */
static void log_problem(const struct launch *l, const struct nt_create_info *info)
{
    WCHAR *problem = info->problem[0] ? wide_from_ansi(info->problem) : NULL;
    if (problem) {
        OutputDebugStringW(l->image);
        OutputDebugStringW(L": ");
        OutputDebugStringW(problem);
        OutputDebugStringW(L"\n");
    }
    release_memory(problem);
}

static BOOL start(struct launch *l, const SECURITY_ATTRIBUTES *process_security,
                  const SECURITY_ATTRIBUTES *thread_security, BOOL inherit, DWORD flags,
                  PROCESS_INFORMATION *result)
{
    OBJECT_ATTRIBUTES process_attributes = {
        .Length = sizeof(process_attributes),
        .Attributes = process_security && process_security->bInheritHandle ? OBJ_INHERIT : 0,
    };
    OBJECT_ATTRIBUTES thread_attributes = {
        .Length = sizeof(thread_attributes),
        .Attributes = thread_security && thread_security->bInheritHandle ? OBJ_INHERIT : 0,
    };
    struct client_id client = {0};
    struct {
        ULONG length;
        struct process_attribute attributes[2];
    } list = {.length = sizeof(list)};
    list.attributes[0].attribute = NT_ATTRIBUTE_IMAGE_NAME;
    list.attributes[0].size = l->nt_image.Length;
    list.attributes[0].in = l->nt_image.Buffer;
    list.attributes[1].attribute = NT_ATTRIBUTE_CLIENT_ID;
    list.attributes[1].size = sizeof(client);
    list.attributes[1].out = &client;
    struct nt_create_info info = {.size = sizeof(info)};
    HANDLE process = NULL, thread = NULL;
    NTSTATUS status = NtCreateUserProcess(
        &process, &thread, PROCESS_ALL_ACCESS, THREAD_ALL_ACCESS, &process_attributes,
        &thread_attributes, inherit ? NT_PROCESS_INHERIT_HANDLES : 0,
        flags & CREATE_SUSPENDED ? NT_THREAD_CREATE_SUSPENDED : 0, l->parameters,
        (struct process_create_info *)&info, &list);
    if (!NT_SUCCESS(status)) {
        log_problem(l, &info);
        return finish(status);
    }
    set_priority(process, flags);
    result->hProcess = process;
    result->hThread = thread;
    result->dwProcessId = (DWORD)(uintptr_t)client.process;
    result->dwThreadId = (DWORD)(uintptr_t)client.thread;
    return TRUE;
}

BOOL WINAPI CreateProcessW(const WCHAR *application, WCHAR *line,
                           SECURITY_ATTRIBUTES *process_security,
                           SECURITY_ATTRIBUTES *thread_security, BOOL inherit, DWORD flags,
                           void *environment, const WCHAR *directory, STARTUPINFOW *startup,
                           PROCESS_INFORMATION *result)
{
    if (flags & (DEBUG_PROCESS | DEBUG_ONLY_THIS_PROCESS)) {
        return fail(ERROR_NOT_SUPPORTED);
    }
    struct launch *l = RtlAllocateHeap(this_peb()->process_heap, HEAP_ZERO_MEMORY, sizeof(*l));
    if (!l) {
        return fail(ERROR_NOT_ENOUGH_MEMORY);
    }
    BOOL done = choose_image(l, application, line) && choose_directory(l, directory) &&
                choose_environment(l, environment, flags) &&
                make_parameters(l, environment, startup) &&
                start(l, process_security, thread_security, inherit, flags, result);
    release_memory(l->nt_image.Buffer);
    release_memory(l->directory);
    release_memory(l->environment);
    release_memory(l->quoted);
    release_memory(l->parameters);
    release_memory(l);
    return done;
}

BOOL WINAPI CreateProcessA(const char *application, char *line,
                           SECURITY_ATTRIBUTES *process_security,
                           SECURITY_ATTRIBUTES *thread_security, BOOL inherit, DWORD flags,
                           void *environment, const char *directory, STARTUPINFOA *startup,
                           PROCESS_INFORMATION *result)
{
    WCHAR *wide_application = application ? wide_from_ansi(application) : NULL;
    WCHAR *wide_line = line ? wide_from_ansi(line) : NULL;
    WCHAR *wide_directory = directory ? wide_from_ansi(directory) : NULL;
    WCHAR *title = startup->lpTitle ? wide_from_ansi(startup->lpTitle) : NULL;
    WCHAR *desktop = startup->lpDesktop ? wide_from_ansi(startup->lpDesktop) : NULL;
    STARTUPINFOW wide;
    memcpy(&wide, startup, sizeof(wide)); /* the same layout but for the strings' characters */
    wide.lpTitle = title;
    wide.lpDesktop = desktop;
    BOOL done = (wide_application || !application) && (wide_line || !line) &&
                (wide_directory || !directory) &&
                CreateProcessW(wide_application, wide_line, process_security, thread_security,
                               inherit, flags, environment, wide_directory, &wide, result);
    release_memory(wide_application);
    release_memory(wide_line);
    release_memory(wide_directory);
    release_memory(title);
    release_memory(desktop);
    return done;
}

UINT WINAPI WinExec(const char *line, UINT show)
{
    STARTUPINFOA startup = {.cb = sizeof(startup), .wShowWindow = (WORD)show};
    PROCESS_INFORMATION process;
    char *copy = take_memory(narrow_length(line) + 1);
    if (!copy) {
        return 0;
    }
    lstrcpyA(copy, line);
    BOOL done = CreateProcessA(NULL, copy, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process);
    release_memory(copy);
    if (!done) {
        return GetLastError() == ERROR_FILE_NOT_FOUND ? 2 : 11;
    }
    CloseHandle(process.hProcess);
    CloseHandle(process.hThread);
    return 33;
}

BOOL WINAPI TerminateProcess(HANDLE process, UINT code)
{
    if (!process) {
        return fail(ERROR_INVALID_HANDLE);
    }
    return finish(NtTerminateProcess(process, (NTSTATUS)code));
}

HANDLE WINAPI OpenProcess(DWORD access, BOOL inherit, DWORD id)
{
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof(attributes),
        .Attributes = inherit ? OBJ_INHERIT : 0,
    };
    struct client_id client = {(HANDLE)(uintptr_t)id, NULL};
    HANDLE process = NULL;
    return finish(NtOpenProcess(&process, access, &attributes, &client)) ? process : NULL;
}

HANDLE WINAPI GetCurrentProcess(void)
{
    return NtCurrentProcess();
}

DWORD WINAPI GetCurrentProcessId(void)
{
    return (DWORD)(uintptr_t)this_teb()->client_id.process;
}

static BOOL process_information(HANDLE process, struct process_basic_information *info)
{
    return finish(NtQueryInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_BASIC_INFORMATION,
                                            info, sizeof(*info), NULL));
}

BOOL WINAPI GetExitCodeProcess(HANDLE process, DWORD *code)
{
    struct process_basic_information info;
    if (!process_information(process, &info)) {
        return FALSE;
    }
    *code = (DWORD)info.exit_status;
    return TRUE;
}

DWORD WINAPI GetProcessId(HANDLE process)
{
    struct process_basic_information info;
    return process_information(process, &info) ? info.id : 0;
}

DWORD WINAPI GetProcessVersion(DWORD id)
{
    if (id && id != GetCurrentProcessId()) {
        return (DWORD)fail(ERROR_CALL_NOT_IMPLEMENTED);
    }
    IMAGE_NT_HEADERS *headers = RtlImageNtHeader(this_peb()->image_base);
    return MAKELONG(headers->OptionalHeader.MinorSubsystemVersion,
                    headers->OptionalHeader.MajorSubsystemVersion);
}

BOOL WINAPI GetProcessTimes(HANDLE process, FILETIME *creation, FILETIME *end, FILETIME *kernel,
                            FILETIME *user)
{
    FILETIME times[4];
    if (!finish(NtQueryInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_TIMES, times,
                                          sizeof(times), NULL))) {
        return FALSE;
    }
    *creation = times[0];
    *end = times[1];
    *kernel = times[2];
    *user = times[3];
    return TRUE;
}

BOOL WINAPI GetProcessHandleCount(HANDLE process, DWORD *count)
{
    return finish(NtQueryInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_HANDLE_COUNT,
                                            count, sizeof(*count), NULL));
}

BOOL WINAPI GetProcessAffinityMask(HANDLE process, DWORD_PTR *mask, DWORD_PTR *system)
{
    struct process_basic_information info;
    if (!process_information(process, &info)) {
        return FALSE;
    }
    SYSTEM_INFO machine;
    GetSystemInfo(&machine);
    *mask = info.affinity;
    *system = machine.dwActiveProcessorMask;
    return TRUE;
}

BOOL WINAPI SetProcessAffinityMask(HANDLE process, DWORD_PTR mask)
{
    DWORD_PTR current, system;
    if (!GetProcessAffinityMask(process, &current, &system)) {
        return FALSE;
    }
    return mask == current ? TRUE : fail(ERROR_INVALID_PARAMETER);
}

static const struct {
    DWORD flag;
    BYTE class;
} priority_classes[] = {
    {IDLE_PRIORITY_CLASS, 1},         {NORMAL_PRIORITY_CLASS, 2},
    {HIGH_PRIORITY_CLASS, 3},         {REALTIME_PRIORITY_CLASS, 4},
    {BELOW_NORMAL_PRIORITY_CLASS, 5}, {ABOVE_NORMAL_PRIORITY_CLASS, 6},
};

DWORD WINAPI GetPriorityClass(HANDLE process)
{
    struct nt_priority_class info;
    if (!finish(NtQueryInformationProcess(process, (PROCESSINFOCLASS)NT_PROCESS_PRIORITY_CLASS,
                                          &info, sizeof(info), NULL))) {
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(priority_classes); i++) {
        if (priority_classes[i].class == info.priority_class) {
            return priority_classes[i].flag;
        }
    }
    return NORMAL_PRIORITY_CLASS;
}

BOOL WINAPI SetPriorityClass(HANDLE process, DWORD flag)
{
    for (size_t i = 0; i < COUNT_OF(priority_classes); i++) {
        if (priority_classes[i].flag == flag) {
            struct nt_priority_class info = {0, priority_classes[i].class};
            return finish(NtSetInformationProcess(
                process, (PROCESSINFOCLASS)NT_PROCESS_PRIORITY_CLASS, &info, sizeof(info)));
        }
    }
    return fail(ERROR_INVALID_PARAMETER);
}

BOOL WINAPI IsWow64Process(HANDLE process, BOOL *wow64)
{
    struct process_basic_information info;
    *wow64 = FALSE;
    return process_information(process, &info);
}

BOOL WINAPI QueryFullProcessImageNameW(HANDLE process, DWORD flags, WCHAR *name, DWORD *size)
{
    struct {
        UNICODE_STRING name;
        WCHAR buffer[MAX_PATH];
    } info;
    if (!finish(NtQueryInformationProcess(
            process,
            (PROCESSINFOCLASS)(flags ? NT_PROCESS_IMAGE_FILE_NAME : NT_PROCESS_IMAGE_NAME_WIN32),
            &info, sizeof(info), NULL))) {
        return FALSE;
    }
    DWORD length = info.name.Length / sizeof(WCHAR);
    if (length >= *size) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
    }
    *size = give_wide(info.name.Buffer, length, name, *size);
    return TRUE;
}

BOOL WINAPI QueryFullProcessImageNameA(HANDLE process, DWORD flags, char *name, DWORD *size)
{
    WCHAR wide[MAX_PATH];
    DWORD length = COUNT_OF(wide);
    if (!QueryFullProcessImageNameW(process, flags, wide, &length)) {
        return FALSE;
    }
    if (length >= *size) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
    }
    *size = give_ansi(wide, length, name, *size);
    return TRUE;
}

void WINAPI GetStartupInfoW(STARTUPINFOW *info)
{
    const struct process_parameters *p = this_peb()->parameters;
    *info = (STARTUPINFOW){
        .cb = sizeof(*info),
        .lpDesktop = p->desktop_info.Buffer,
        .lpTitle = p->window_title.Buffer,
        .dwX = p->starting_x,
        .dwY = p->starting_y,
        .dwXSize = p->count_x,
        .dwYSize = p->count_y,
        .dwXCountChars = p->count_chars_x,
        .dwYCountChars = p->count_chars_y,
        .dwFillAttribute = p->fill_attribute,
        .dwFlags = p->window_flags,
        .wShowWindow = (WORD)p->show_window_flags,
        .cbReserved2 = p->runtime_data.Length,
        .lpReserved2 = (BYTE *)p->runtime_data.Buffer,
        .hStdInput = p->standard_input,
        .hStdOutput = p->standard_output,
        .hStdError = p->standard_error,
    };
}

void WINAPI GetStartupInfoA(STARTUPINFOA *info)
{
    static char *volatile title; /* made once, kept */
    STARTUPINFOW wide;
    GetStartupInfoW(&wide);
    if (!title && wide.lpTitle) {
        title = ansi_from_wide(wide.lpTitle);
    }
    memcpy(info, &wide, sizeof(*info));
    info->lpDesktop = NULL;
    info->lpTitle = title;
}
