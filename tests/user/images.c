/*
 * tests/user/images.c: SEC_IMAGE sections of the program itself and of a DLL (IMG), and what the
 * loader makes of them.
 */
#include "tap.h"

/* NtMapViewOfSection of an image, anywhere. */
static NTSTATUS map_image(HANDLE section, char **base)
{
    void *address = NULL;
    SIZE_T nbytes = 0;
    NTSTATUS status = pNtMapViewOfSection(section, GetCurrentProcess(), &address, 0, 0, NULL,
                                          &nbytes, 1, 0, PAGE_READONLY);

    *base = address;
    return status;
}

static HANDLE image_section(const char *path, DWORD flags)
{
    HANDLE file = open_for(path, GENERIC_READ | GENERIC_EXECUTE, FILE_SHARE_READ), section;

    section = CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE | flags, 0, 0, NULL);
    CloseHandle(file);
    return section;
}

static IMAGE_NT_HEADERS *headers_of(char *base)
{
    return (IMAGE_NT_HEADERS *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew);
}

static IMAGE_SECTION_HEADER *find_section(char *base, const char *name)
{
    IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(headers_of(base));

    for (int i = 0; i < headers_of(base)->FileHeader.NumberOfSections; i++) {
        if (strncmp((char *)section[i].Name, name, 8) == 0) {
            return &section[i];
        }
    }
    return NULL;
}

/* The protection that section flags give. */
static DWORD protection_of(DWORD characteristics)
{
    BOOL read = (characteristics & IMAGE_SCN_MEM_READ) != 0;

    if (characteristics & IMAGE_SCN_MEM_EXECUTE) {
        return characteristics & IMAGE_SCN_MEM_WRITE ? PAGE_EXECUTE_WRITECOPY
               : read                                ? PAGE_EXECUTE_READ
                                                     : PAGE_EXECUTE;
    }
    return characteristics & IMAGE_SCN_MEM_WRITE ? PAGE_WRITECOPY
           : read                                ? PAGE_READONLY
                                                 : PAGE_NOACCESS;
}

/* Every PE section of a view: protection, contents, the zeroes behind them. */
static void test_contents(const char *what, char *base, const char *path, int writable_too)
{
    HANDLE file = open_for(path, GENERIC_READ, FILE_SHARE_READ);
    IMAGE_SECTION_HEADER *section = IMAGE_FIRST_SECTION(headers_of(base));
    int protections = 1, contents = 1, zeroes = 1;

    for (int i = 0; i < headers_of(base)->FileHeader.NumberOfSections; i++, section++) {
        char *at = base + section->VirtualAddress;
        DWORD raw = section->SizeOfRawData, size = section->Misc.VirtualSize, done = 0;
        DWORD expected = protection_of(section->Characteristics);
        char *data = calloc(1, raw + 1);

        protections = protections && (query(at).Protect == expected ||
                                      (writable_too && query(at).Protect == PAGE_READWRITE));
        if (!(section->Characteristics & IMAGE_SCN_MEM_WRITE) && raw != 0) {
            SetFilePointer(file, (LONG)section->PointerToRawData, NULL, FILE_BEGIN);
            ReadFile(file, data, raw, &done, NULL);
            contents = contents && done == raw && memcmp(at, data, raw < size ? raw : size) == 0;
        }
        for (DWORD k = raw > size ? raw : size; (k & (PAGE - 1)) != 0 && zeroes; k++) {
            zeroes = at[k] == 0;
        }
        free(data);
    }
    ok(protections, "IMG03 %s: page protections from the section flags", what);
    ok(contents, "IMG08 %s: what cannot be written is as in the file", what);
    ok(zeroes, "IMG08 %s: zeroes to the end of the last page", what);
    CloseHandle(file);
}

static void test_own_program(void)
{
    char *own = (char *)GetModuleHandleA(NULL), *base = NULL;
    HANDLE section = image_section(beside(""), 0);
    struct section_basic basic;

    ok(section != NULL, "IMG01 an image section of the program itself");
    basic = section_basic(section);
    ok(basic.attributes == (SEC_FILE | SEC_IMAGE), "IMG12 its attributes: SEC_FILE and SEC_IMAGE");
    ok(basic.base == NULL, "HND25 BaseAddress is NULL");
    ok(STATUS_IS(map_image(section, &base), STATUS_IMAGE_NOT_AT_BASE) && base != own,
       "IMG01 mapped a second time: STATUS_IMAGE_NOT_AT_BASE");
    ok(query(base).Type == MEM_IMAGE && query(base).AllocationProtect == PAGE_EXECUTE_WRITECOPY,
       "QRY14 the view is an image");
    ok(memcmp(base, own, 0x40) == 0 && headers_of(base)->OptionalHeader.AddressOfEntryPoint ==
                                           headers_of(own)->OptionalHeader.AddressOfEntryPoint,
       "IMG01 it is this program");
    test_contents("program", base, beside(""), 0);
    ok(pNtUnmapViewOfSection(GetCurrentProcess(), base) == 0, "UNM01 the view unmapped");
    CloseHandle(section);
}

static void test_dll_section(void)
{
    HANDLE section = image_section(beside("probe.dll"), 0), again;
    char *one = NULL, *two = NULL, *preferred;
    IMAGE_SECTION_HEADER *data;

    ok(section != NULL, "IMG01 an image section of a DLL");
    ok(STATUS_IS(map_image(section, &one), STATUS_SUCCESS) ||
           tap_status == STATUS_IMAGE_NOT_AT_BASE,
       "IMG01 mapped: at its base or elsewhere");
    preferred = (char *)(ULONG_PTR)headers_of(one)->OptionalHeader.ImageBase;
    unlike_wine((tap_status == STATUS_SUCCESS) == (one == preferred),
                "IMG01 and the status tells which");
    ok(STATUS_IS(map_image(section, &two), STATUS_IMAGE_NOT_AT_BASE) && two != one,
       "IMG01 a second view: STATUS_IMAGE_NOT_AT_BASE");
    test_contents("DLL", two, beside("probe.dll"), 0);
    data = find_section(one, ".data");
    ok(data != NULL && one[data->VirtualAddress] == two[data->VirtualAddress],
       "IMG06 both show its data");
    one[data->VirtualAddress] ^= 0x7F;
    ok(one[data->VirtualAddress] != two[data->VirtualAddress], "IMG06 a store is private");
    unlike_wine(query(one + data->VirtualAddress).Protect == PAGE_READWRITE &&
                    query(two + data->VirtualAddress).Protect == PAGE_WRITECOPY,
                "IMG06 and turns WRITECOPY into READWRITE");
    ok(write_fault(one + find_section(one, ".text")->VirtualAddress) == AV,
       "IMG03 code cannot be written");
    unlike_wine(STATUS_IS(pNtAllocateVirtualMemory(GetCurrentProcess(), &(void *){one}, 0,
                                                   &(SIZE_T){PAGE}, MEM_RESERVE, PAGE_READWRITE),
                          STATUS_CONFLICTING_ADDRESSES),
                "IMG09 MEM_RESERVE inside the view");
    pNtUnmapViewOfSection(GetCurrentProcess(), one);
    pNtUnmapViewOfSection(GetCurrentProcess(), two);
    again = image_section(beside("probe.dll"), SEC_NOCACHE);
    ok(again != NULL &&
           (section_basic(again).attributes & (SEC_FILE | SEC_IMAGE)) == (SEC_FILE | SEC_IMAGE),
       "IMG12 SEC_IMAGE and SEC_NOCACHE");
    CloseHandle(again);
    CloseHandle(section);
}

static void test_refusals(void)
{
    HANDLE file = open_for(beside("probe.dll"), GENERIC_READ | GENERIC_EXECUTE, FILE_SHARE_READ);
    LARGE_INTEGER size = {.QuadPart = 42};
    HANDLE section = NULL;

    ok(FAILS(CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE | SEC_FILE, 0, 0, NULL),
             ERROR_INVALID_PARAMETER),
       "IMG12 SEC_IMAGE and SEC_FILE");
    ok(FAILS(
           CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE | SEC_LARGE_PAGES, 0, 0, NULL),
           ERROR_INVALID_PARAMETER),
       "IMG12 SEC_IMAGE and SEC_LARGE_PAGES");
    tap_status =
        pNtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READONLY, SEC_IMAGE, file);
    unlike_wine(tap_status == 0 && section_basic(section).size.QuadPart == 42,
                "IMG10 an explicit MaximumSize is recorded as given");
    CloseHandle(section);
    CloseHandle(file);
    ok(image_section(beside("text.txt"), 0) == NULL && GetLastError() == ERROR_BAD_EXE_FORMAT,
       "SEC04 a text file");
    ok(image_section(beside("cut.bin"), 0) == NULL && GetLastError() == ERROR_BAD_EXE_FORMAT,
       "SEC04 a program cut short");
    ok(image_section(beside("no-pe.bin"), 0) == NULL && GetLastError() == ERROR_BAD_EXE_FORMAT,
       "SEC04 a program without the PE signature");
    unlike_wine(image_section(beside("wide.bin"), 0) == NULL &&
                    GetLastError() == ERROR_BAD_EXE_FORMAT,
                "SEC04 a 64-bit program");
}

static DWORD CALLBACK nothing(void *argument)
{
    return (DWORD)(ULONG_PTR)argument;
}

/* The loader: exports, relocation, DllMain, counting of references. */
static void test_loader(void)
{
    HMODULE probe = LoadLibraryA(beside("probe.dll")), again;
    int (*add)(int, int);
    const char *(__stdcall * text)(void);
    char *(*zeroes)(void);
    volatile LONG *value, *attached, *threads;
    char path[MAX_PATH] = "";
    HANDLE thread;
    char *memory;
    int zero = 1;

    ok(probe != NULL, "IMG01 LoadLibrary of a DLL");
    if (probe == NULL) {
        return;
    }
    add = (void *)GetProcAddress(probe, "probe_add");
    text = (void *)GetProcAddress(probe, "probe_text@0");
    text = text != NULL ? text : (void *)GetProcAddress(probe, "probe_text");
    zeroes = (void *)GetProcAddress(probe, "probe_zeroes");
    value = (void *)GetProcAddress(probe, "probe_value");
    attached = (void *)GetProcAddress(probe, "probe_attached");
    threads = (void *)GetProcAddress(probe, "probe_threads");
    ok(add != NULL && value != NULL && *value == 0x1234 && add(1, 2) == 0x1237,
       "IMG01 a function and data of its exports");
    ok(text != NULL && strcmp(text(), "read-only") == 0, "IMG01 its pointers are relocated");
    ok(attached != NULL && *attached == 1, "IMG01 DllMain was called once");
    thread = CreateThread(NULL, 0, nothing, NULL, 0, NULL);
    WaitForSingleObject(thread, 10000);
    CloseHandle(thread);
    ok(threads != NULL && *threads == 1, "IMG01 and for a new thread");
    memory = zeroes();
    for (int i = 0; i < 5000; i++) {
        zero = zero && memory[i] == 0;
    }
    ok(zero, "IMG08 data that is not in the file is zero");
    ok(query((void *)probe).Type == MEM_IMAGE &&
           query((void *)probe).AllocationBase == (void *)probe,
       "QRY14 it is an image");
    ok(GetProcAddress(probe, "probe_nothing") == NULL && GetLastError() == ERROR_PROC_NOT_FOUND,
       "IMG01 an export that is not there");
    again = LoadLibraryA(beside("probe.dll"));
    ok(again == probe, "IMG01 loaded again: the same module");
    *value = 7;
    ok(FreeLibrary(again) && add(1, 2) == 10, "IMG01 freed once: still there");
    ok(GetModuleHandleA("probe.dll") == probe && GetModuleHandleA("PROBE") == probe,
       "IMG01 GetModuleHandle, in any case, without extension");
    ok(GetModuleFileNameA(probe, path, sizeof path) != 0 && strlen(path) > 9 &&
           _stricmp(path + strlen(path) - 9, "probe.dll") == 0,
       "IMG01 GetModuleFileName");
    ok(FreeLibrary(probe), "IMG01 freed for the last time");
    ok(GetModuleHandleA("probe.dll") == NULL, "IMG01 gone");
    probe = LoadLibraryA(beside("probe.dll"));
    value = (void *)GetProcAddress(probe, "probe_value");
    ok(value != NULL && *value == 0x1234, "IMG06 loaded anew: its data as in the file");
    FreeLibrary(probe);
    ok(LoadLibraryA("no-such-thing.dll") == NULL && GetLastError() == ERROR_MOD_NOT_FOUND,
       "IMG01 a DLL that is not there");
    ok(LoadLibraryA(beside("text.txt")) == NULL && GetLastError() == ERROR_BAD_EXE_FORMAT,
       "SEC04 LoadLibrary of a text file");
}

static volatile LONG own_data = 5;

/* Child: its copy of the program's data is its own. */
static int child(void)
{
    must(own_data == 5);
    own_data = 6;
    return 21;
}

static void test_privacy(void)
{
    own_data = 9;
    ok(run_child(FALSE, 0, "child") == 21 && own_data == 9,
       "IMG06 stores to a program's data are private to the process");
}

/* Code is one set of frames, written data is not. */
static void test_frames(void)
{
    HANDLE section = image_section(beside("probe.dll"), 0);
    char *one = NULL, *two = NULL, *code, *other, *data;

    if (!is_quire()) {
        tap_skip("needs Quire's own calls", "IMG01 two views of an image share their code's frame");
        tap_skip("needs Quire's own calls", "IMG06 a page that was stored to has its own");
        CloseHandle(section);
        return;
    }
    map_image(section, &one);
    map_image(section, &two);
    code = one + find_section(one, ".text")->VirtualAddress;
    other = two + find_section(one, ".text")->VirtualAddress;
    ok(*code == *other && frame_of(code).frame == frame_of(other).frame &&
           frame_of(code).frame != UINT32_MAX,
       "IMG01 two views of an image share their code's frame");
    data = one + find_section(one, ".data")->VirtualAddress;
    other = two + find_section(one, ".data")->VirtualAddress;
    data[0] ^= 1;
    ok(*other != *data && frame_of(data).frame != frame_of(other).frame,
       "IMG06 a page that was stored to has its own");
    pNtUnmapViewOfSection(GetCurrentProcess(), one);
    pNtUnmapViewOfSection(GetCurrentProcess(), two);
    CloseHandle(section);
}

int main(int argc, char **argv)
{
    (void)argv;
    tap_begin();
    if (argc > 1) {
        return child();
    }
    test_own_program();
    test_dll_section();
    test_refusals();
    test_loader();
    test_privacy();
    test_frames();
    return tap_end();
}
