/*
 * user/ntdll/ntdll.h: what ntdll.dll gives its callers beyond mingw's <winternl.h>: the system
 * calls, the run-time library, the loader; and the structures that programs and debuggers expect
 * at their places: TEB, PEB, module list, process parameters (32-bit NT layout).
 *
 * User mode only. The kernel's view of the same layouts is include/abi/process.h.
 */
#ifndef USER_NTDLL_NTDLL_H
#define USER_NTDLL_NTDLL_H

#define WIN32_NO_STATUS
#include <windows.h>
#undef WIN32_NO_STATUS
#include <ntstatus.h>
#include <winternl.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_HANDLE_FLAGS     4u /* OBJECT_INFORMATION_CLASS: OBJECT_DATA_INFORMATION */
#define THREAD_CREATE_SUSPENDED 1u /* ThreadFlags of NtCreateUserProcess, NtCreateThreadEx */
#define PROCESS_CREATE_INHERIT  4u /* ProcessFlags of NtCreateUserProcess */
#define ATTRIBUTE_CLIENT_ID     0x10003u
#define ATTRIBUTE_IMAGE_NAME    0x20005u

#define THIS_PROCESS ((HANDLE)(LONG_PTR)-1)
#define THIS_THREAD  ((HANDLE)(LONG_PTR)-2)

struct process_parameters {
    ULONG maximum_length;
    ULONG length;
    ULONG flags;
    ULONG debug_flags;
    HANDLE console;
    ULONG console_flags;
    HANDLE standard_input;
    HANDLE standard_output;
    HANDLE standard_error;
    UNICODE_STRING current_directory;
    HANDLE current_directory_handle;
    UNICODE_STRING dll_path;
    UNICODE_STRING image_path;
    UNICODE_STRING command_line;
    WCHAR *environment;
    ULONG starting_x;
    ULONG starting_y;
    ULONG count_x;
    ULONG count_y;
    ULONG count_chars_x;
    ULONG count_chars_y;
    ULONG fill_attribute;
    ULONG window_flags;
    ULONG show_window_flags;
    UNICODE_STRING window_title;
    UNICODE_STRING desktop_info;
    UNICODE_STRING shell_info;
    UNICODE_STRING runtime_data;
    BYTE current_directories[32 * 16];
    ULONG environment_size;
};
#define PARAMETERS_NORMALIZED 1u
_Static_assert(offsetof(struct process_parameters, environment_size) == 0x290, "NT's layout");

/* LDR_DATA_TABLE_ENTRY. */
struct ldr_entry {
    LIST_ENTRY load_links;
    LIST_ENTRY memory_links;
    LIST_ENTRY initialization_links;
    void *base;
    void *entry_point;
    ULONG size;
    UNICODE_STRING full_name;
    UNICODE_STRING base_name;
    ULONG flags;
    USHORT load_count;
    USHORT tls_index;
    LIST_ENTRY hash_links;
    ULONG time_stamp;
    void *activation_context;
    void *patch_information;
};
_Static_assert(offsetof(struct ldr_entry, time_stamp) == 0x44, "NT's layout");

/* PEB_LDR_DATA. */
struct ldr_data {
    ULONG length;
    ULONG initialized;
    HANDLE ss_handle;
    LIST_ENTRY load_order;
    LIST_ENTRY memory_order;
    LIST_ENTRY initialization_order;
    void *entry_in_progress;
};
_Static_assert(sizeof(struct ldr_data) == 0x28, "NT's layout");

typedef struct _RTL_BITMAP {
    ULONG SizeOfBitMap;
    ULONG *Buffer;
} RTL_BITMAP;

struct peb {
    BYTE inherited_address_space;
    BYTE read_image_options;
    BYTE being_debugged;
    BYTE bits;
    HANDLE mutant;
    void *image_base;
    struct ldr_data *ldr;
    struct process_parameters *parameters;
    void *subsystem_data;
    HANDLE process_heap;
    RTL_CRITICAL_SECTION *fast_lock;
    void *atl_list;
    void *image_options_key;
    ULONG cross_process_flags;
    void *kernel_callbacks;
    ULONG reserved_30[2];
    void *api_set_map;
    ULONG tls_expansion_counter;
    RTL_BITMAP *tls_bitmap;
    ULONG tls_bitmap_bits[2];
    void *reserved_4c[3];
    void *code_page_data[3];
    ULONG processors;
    ULONG global_flag;
    ULONG reserved_6c;
    LARGE_INTEGER critical_section_timeout;
    ULONG heap_parameters[4];
    ULONG heaps;
    ULONG maximum_heaps;
    HANDLE *process_heaps;
    void *reserved_94[3];
    RTL_CRITICAL_SECTION *loader_lock;
    ULONG major_version;
    ULONG minor_version;
    USHORT build_number;
    USHORT service_pack;
    ULONG platform;
    ULONG image_subsystem;
    ULONG image_subsystem_major;
    ULONG image_subsystem_minor;
    ULONG affinity;
    ULONG reserved_c4[34];
    void *post_process_init;
    RTL_BITMAP *tls_expansion_bitmap;
    ULONG tls_expansion_bits[32];
    ULONG session;
    ULONG reserved_1d8[13];
    void *fls_callbacks;
    LIST_ENTRY fls_list;
    RTL_BITMAP *fls_bitmap;
    ULONG fls_bitmap_bits[4];
    ULONG fls_high_index;
};
_Static_assert(offsetof(struct peb, loader_lock) == 0xA0, "NT's layout");
_Static_assert(offsetof(struct peb, tls_expansion_bitmap) == 0x150, "NT's layout");
_Static_assert(offsetof(struct peb, fls_bitmap) == 0x218, "NT's layout");

struct client_id {
    HANDLE process;
    HANDLE thread;
};

struct teb {
    NT_TIB tib;
    void *environment_pointer;
    struct client_id client_id;
    void *active_rpc_handle;
    void **thread_local_storage;
    struct peb *peb;
    ULONG last_error;
    ULONG owned_critical_sections;
    ULONG reserved_3c[0x2EE];
    NTSTATUS last_status;
    UNICODE_STRING static_string;
    WCHAR static_buffer[261];
    void *stack_allocation;
    void *tls_slots[64];
    LIST_ENTRY tls_links;
    ULONG reserved_f18[31];
    void **tls_expansion_slots;
    ULONG reserved_f98[7];
    void **fls_slots;
};
_Static_assert(offsetof(struct teb, last_error) == 0x34, "NT's layout");
_Static_assert(offsetof(struct teb, last_status) == 0xBF4, "NT's layout");
_Static_assert(offsetof(struct teb, stack_allocation) == 0xE0C, "NT's layout");
_Static_assert(offsetof(struct teb, tls_expansion_slots) == 0xF94, "NT's layout");
_Static_assert(offsetof(struct teb, fls_slots) == 0xFB4, "NT's layout");

static inline struct teb *this_teb(void)
{
    struct teb *teb;
    __asm__ volatile("movl %%fs:0x18, %0" : "=r"(teb));
    return teb;
}

static inline struct peb *this_peb(void)
{
    struct peb *peb;
    __asm__ volatile("movl %%fs:0x30, %0" : "=r"(peb));
    return peb;
}

struct section_basic_information {
    void *base;
    ULONG attributes;
    LARGE_INTEGER size;
};

struct thread_basic_information {
    NTSTATUS exit_status;
    void *teb;
    struct client_id client_id;
    ULONG affinity;
    LONG priority;
    LONG base_priority;
};

struct process_basic_information {
    NTSTATUS exit_status;
    struct peb *peb;
    ULONG affinity;
    LONG priority;
    ULONG id;
    ULONG parent;
};

struct process_attribute {
    ULONG attribute;
    SIZE_T size;
    union {
        ULONG value;
        const void *in;
        void *out;
    };
    SIZE_T *returned;
};

struct process_create_info {
    SIZE_T size;
    ULONG state;
    BYTE rest[0x40];
};

NTSTATUS NTAPI NtYieldExecution(void);
NTSTATUS NTAPI NtDuplicateObject(HANDLE source_process, HANDLE source, HANDLE target_process,
                                 HANDLE *target, ACCESS_MASK access, ULONG attributes,
                                 ULONG options);
NTSTATUS NTAPI NtCompareObjects(HANDLE first, HANDLE second);
NTSTATUS NTAPI NtSetInformationObject(HANDLE handle, ULONG kind, const void *info, ULONG length);
NTSTATUS NTAPI NtWaitForMultipleObjects(ULONG count, const HANDLE *handles, ULONG wait_any,
                                        BOOLEAN alertable, LARGE_INTEGER *timeout);
NTSTATUS NTAPI NtSignalAndWaitForSingleObject(HANDLE signal, HANDLE wait, BOOLEAN alertable,
                                              LARGE_INTEGER *timeout);
NTSTATUS NTAPI NtCreateSection(HANDLE *section, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes,
                               LARGE_INTEGER *size, ULONG protection, ULONG allocation,
                               HANDLE file);
NTSTATUS NTAPI NtOpenSection(HANDLE *section, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes);
NTSTATUS NTAPI NtMapViewOfSection(HANDLE section, HANDLE process, void **base, ULONG_PTR zero_bits,
                                  SIZE_T commit, LARGE_INTEGER *offset, SIZE_T *size, ULONG inherit,
                                  ULONG type, ULONG protection);
NTSTATUS NTAPI NtUnmapViewOfSection(HANDLE process, void *base);
NTSTATUS NTAPI NtFlushVirtualMemory(HANDLE process, void **base, SIZE_T *size, IO_STATUS_BLOCK *io);
NTSTATUS NTAPI NtQuerySection(HANDLE section, ULONG kind, void *buffer, SIZE_T length,
                              SIZE_T *returned);
NTSTATUS NTAPI NtAllocateVirtualMemory(HANDLE process, void **base, ULONG_PTR zero_bits,
                                       SIZE_T *size, ULONG type, ULONG protection);
NTSTATUS NTAPI NtFreeVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
NTSTATUS NTAPI NtProtectVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG protection,
                                      ULONG *old);
NTSTATUS NTAPI NtLockVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
NTSTATUS NTAPI NtUnlockVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
NTSTATUS NTAPI NtQueryVirtualMemory(HANDLE process, const void *base, ULONG kind, void *buffer,
                                    SIZE_T length, SIZE_T *returned);
NTSTATUS NTAPI NtReadVirtualMemory(HANDLE process, const void *base, void *buffer, SIZE_T size,
                                   SIZE_T *done);
NTSTATUS NTAPI NtWriteVirtualMemory(HANDLE process, void *base, const void *buffer, SIZE_T size,
                                    SIZE_T *done);
NTSTATUS NTAPI NtCreateEvent(HANDLE *event, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes,
                             ULONG type, BOOLEAN state);
NTSTATUS NTAPI NtOpenEvent(HANDLE *event, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes);
NTSTATUS NTAPI NtSetEvent(HANDLE event, LONG *previous);
NTSTATUS NTAPI NtResetEvent(HANDLE event, LONG *previous);
NTSTATUS NTAPI NtPulseEvent(HANDLE event, LONG *previous);
NTSTATUS NTAPI NtCreateMutant(HANDLE *mutant, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes,
                              BOOLEAN owned);
NTSTATUS NTAPI NtOpenMutant(HANDLE *mutant, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes);
NTSTATUS NTAPI NtReleaseMutant(HANDLE mutant, LONG *previous);
NTSTATUS NTAPI NtCreateSemaphore(HANDLE *semaphore, ACCESS_MASK access,
                                 OBJECT_ATTRIBUTES *attributes, LONG count, LONG maximum);
NTSTATUS NTAPI NtOpenSemaphore(HANDLE *semaphore, ACCESS_MASK access,
                               OBJECT_ATTRIBUTES *attributes);
NTSTATUS NTAPI NtReleaseSemaphore(HANDLE semaphore, LONG count, LONG *previous);
NTSTATUS NTAPI NtReadFile(HANDLE file, HANDLE event, void *apc, void *context, IO_STATUS_BLOCK *io,
                          void *buffer, ULONG length, LARGE_INTEGER *offset, ULONG *key);
NTSTATUS NTAPI NtWriteFile(HANDLE file, HANDLE event, void *apc, void *context, IO_STATUS_BLOCK *io,
                           const void *buffer, ULONG length, LARGE_INTEGER *offset, ULONG *key);
NTSTATUS NTAPI NtQueryDirectoryFile(HANDLE file, HANDLE event, void *apc, void *context,
                                    IO_STATUS_BLOCK *io, void *buffer, ULONG length, ULONG kind,
                                    BOOLEAN single, UNICODE_STRING *mask, BOOLEAN restart);
NTSTATUS NTAPI NtQueryAttributesFile(OBJECT_ATTRIBUTES *attributes, FILE_BASIC_INFORMATION *info);
NTSTATUS NTAPI NtQueryFullAttributesFile(OBJECT_ATTRIBUTES *attributes,
                                         FILE_NETWORK_OPEN_INFORMATION *info);
NTSTATUS NTAPI NtFlushBuffersFile(HANDLE file, IO_STATUS_BLOCK *io);
NTSTATUS NTAPI NtLockFile(HANDLE file, HANDLE event, void *apc, void *context, IO_STATUS_BLOCK *io,
                          LARGE_INTEGER *offset, LARGE_INTEGER *length, ULONG key,
                          BOOLEAN fail_immediately, BOOLEAN exclusive);
NTSTATUS NTAPI NtUnlockFile(HANDLE file, IO_STATUS_BLOCK *io, LARGE_INTEGER *offset,
                            LARGE_INTEGER *length, ULONG key);
NTSTATUS NTAPI NtCreateUserProcess(HANDLE *process, HANDLE *thread, ACCESS_MASK process_access,
                                   ACCESS_MASK thread_access, OBJECT_ATTRIBUTES *process_attributes,
                                   OBJECT_ATTRIBUTES *thread_attributes, ULONG process_flags,
                                   ULONG thread_flags, struct process_parameters *parameters,
                                   struct process_create_info *info, void *attribute_list);
NTSTATUS NTAPI NtOpenProcess(HANDLE *process, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes,
                             struct client_id *id);
NTSTATUS NTAPI NtTerminateProcess(HANDLE process, NTSTATUS status);
NTSTATUS NTAPI NtCreateThreadEx(HANDLE *thread, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes,
                                HANDLE process, void *start, void *argument, ULONG flags,
                                ULONG_PTR zero_bits, SIZE_T commit, SIZE_T reserve,
                                void *attribute_list);
NTSTATUS NTAPI NtOpenThread(HANDLE *thread, ACCESS_MASK access, OBJECT_ATTRIBUTES *attributes,
                            struct client_id *id);
NTSTATUS NTAPI NtTerminateThread(HANDLE thread, NTSTATUS status);
NTSTATUS NTAPI NtSuspendThread(HANDLE thread, ULONG *previous);
NTSTATUS NTAPI NtResumeThread(HANDLE thread, ULONG *previous);
NTSTATUS NTAPI NtSetInformationThread(HANDLE thread, ULONG kind, const void *info, ULONG length);
NTSTATUS NTAPI NtGetContextThread(HANDLE thread, CONTEXT *context);
NTSTATUS NTAPI NtSetContextThread(HANDLE thread, const CONTEXT *context);
NTSTATUS NTAPI NtDelayExecution(BOOLEAN alertable, const LARGE_INTEGER *interval);
NTSTATUS NTAPI NtQueryPerformanceCounter(LARGE_INTEGER *counter, LARGE_INTEGER *frequency);
NTSTATUS NTAPI NtDisplayString(UNICODE_STRING *string);
NTSTATUS NTAPI NtShutdownSystem(ULONG action);

NTSTATUS NTAPI NtContinue(CONTEXT *context, BOOLEAN alert);
NTSTATUS NTAPI NtRaiseException(EXCEPTION_RECORD *record, CONTEXT *context, BOOLEAN first_chance);
NTSTATUS NTAPI NtQueryEvent(HANDLE event, ULONG kind, void *info, ULONG length, ULONG *returned);
NTSTATUS NTAPI NtExtendSection(HANDLE section, LARGE_INTEGER *size);
NTSTATUS NTAPI NtTestAlert(void);

/*
 * Heaps (heap.c). Blocks are 8-byte aligned.
 */
BOOLEAN NTAPI RtlLockHeap(HANDLE heap);
BOOLEAN NTAPI RtlUnlockHeap(HANDLE heap);
void *NTAPI RtlReAllocateHeap(HANDLE heap, ULONG flags, void *block, SIZE_T size);
SIZE_T NTAPI RtlSizeHeap(HANDLE heap, ULONG flags, const void *block);
BOOLEAN NTAPI RtlValidateHeap(HANDLE heap, ULONG flags, const void *block);
SIZE_T NTAPI RtlCompactHeap(HANDLE heap, ULONG flags);
ULONG NTAPI RtlGetProcessHeaps(ULONG count, HANDLE *heaps);
NTSTATUS NTAPI RtlWalkHeap(HANDLE heap, PROCESS_HEAP_ENTRY *entry);

/*
 * Locks (lock.c).
 */
void NTAPI RtlAcquirePebLock(void);
void NTAPI RtlReleasePebLock(void);
NTSTATUS NTAPI RtlInitializeCriticalSection(RTL_CRITICAL_SECTION *section);
NTSTATUS NTAPI RtlInitializeCriticalSectionAndSpinCount(RTL_CRITICAL_SECTION *section, ULONG spins);
NTSTATUS NTAPI RtlInitializeCriticalSectionEx(RTL_CRITICAL_SECTION *section, ULONG spins,
                                              ULONG flags);
ULONG NTAPI RtlSetCriticalSectionSpinCount(RTL_CRITICAL_SECTION *section, ULONG spins);
NTSTATUS NTAPI RtlEnterCriticalSection(RTL_CRITICAL_SECTION *section);
BOOLEAN NTAPI RtlTryEnterCriticalSection(RTL_CRITICAL_SECTION *section);
NTSTATUS NTAPI RtlLeaveCriticalSection(RTL_CRITICAL_SECTION *section);
NTSTATUS NTAPI RtlDeleteCriticalSection(RTL_CRITICAL_SECTION *section);
BOOLEAN NTAPI RtlIsCriticalSectionLocked(RTL_CRITICAL_SECTION *section);
ULONG NTAPI RtlIsCriticalSectionLockedByThread(RTL_CRITICAL_SECTION *section);

/*
 * Waiting on memory, and what is made of it (wait.c).
 */
NTSTATUS NTAPI RtlWaitOnAddress(const void *address, const void *compare, SIZE_T size,
                                const LARGE_INTEGER *timeout);
void NTAPI RtlWakeAddressSingle(const void *address);
void NTAPI RtlWakeAddressAll(const void *address);
void NTAPI RtlInitializeSRWLock(RTL_SRWLOCK *lock);
void NTAPI RtlAcquireSRWLockExclusive(RTL_SRWLOCK *lock);
void NTAPI RtlAcquireSRWLockShared(RTL_SRWLOCK *lock);
BOOLEAN NTAPI RtlTryAcquireSRWLockExclusive(RTL_SRWLOCK *lock);
BOOLEAN NTAPI RtlTryAcquireSRWLockShared(RTL_SRWLOCK *lock);
void NTAPI RtlReleaseSRWLockExclusive(RTL_SRWLOCK *lock);
void NTAPI RtlReleaseSRWLockShared(RTL_SRWLOCK *lock);
void NTAPI RtlInitializeConditionVariable(RTL_CONDITION_VARIABLE *variable);
void NTAPI RtlWakeConditionVariable(RTL_CONDITION_VARIABLE *variable);
void NTAPI RtlWakeAllConditionVariable(RTL_CONDITION_VARIABLE *variable);
NTSTATUS NTAPI RtlSleepConditionVariableCS(RTL_CONDITION_VARIABLE *variable,
                                           RTL_CRITICAL_SECTION *section,
                                           const LARGE_INTEGER *timeout);
NTSTATUS NTAPI RtlSleepConditionVariableSRW(RTL_CONDITION_VARIABLE *variable, RTL_SRWLOCK *lock,
                                            const LARGE_INTEGER *timeout, ULONG flags);
void NTAPI RtlRunOnceInitialize(RTL_RUN_ONCE *once);
NTSTATUS NTAPI RtlRunOnceBeginInitialize(RTL_RUN_ONCE *once, ULONG flags, void **context);
NTSTATUS NTAPI RtlRunOnceComplete(RTL_RUN_ONCE *once, ULONG flags, void *context);
NTSTATUS NTAPI RtlRunOnceExecuteOnce(RTL_RUN_ONCE *once, PRTL_RUN_ONCE_INIT_FN function,
                                     void *parameter, void **context);

/*
 * Exceptions (exception.c).
 */
void NTAPI RtlRaiseException(EXCEPTION_RECORD *record);
void NTAPI RtlRaiseStatus(NTSTATUS status);
BOOLEAN NTAPI RtlDispatchException(EXCEPTION_RECORD *record, CONTEXT *context);
void *NTAPI RtlAddVectoredExceptionHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler);
ULONG NTAPI RtlRemoveVectoredExceptionHandler(void *handle);
void *NTAPI RtlAddVectoredContinueHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler);
ULONG NTAPI RtlRemoveVectoredContinueHandler(void *handle);
/* What a thread's last frame asks about an exception that nothing handled: kernel32's filter. */
void NTAPI RtlSetUnhandledExceptionFilter(PTOP_LEVEL_EXCEPTION_FILTER filter);

/*
 * Threads and the process (process.c, parameters.c).
 */
void NTAPI RtlExitUserProcess(NTSTATUS status) __attribute__((noreturn));
void NTAPI RtlExitUserThread(NTSTATUS status) __attribute__((noreturn));
void NTAPI RtlUserThreadStart(void *start, void *argument) __attribute__((noreturn));
void NTAPI RtlFreeUserThreadStack(HANDLE process, HANDLE thread);
NTSTATUS NTAPI RtlCreateUserThread(HANDLE process, void *security, BOOLEAN suspended,
                                   ULONG zero_bits, SIZE_T reserve, SIZE_T commit, void *start,
                                   void *argument, HANDLE *thread, struct client_id *id);
NTSTATUS NTAPI RtlCreateProcessParameters(struct process_parameters **parameters,
                                          UNICODE_STRING *image_path, UNICODE_STRING *dll_path,
                                          UNICODE_STRING *current_directory,
                                          UNICODE_STRING *command_line, WCHAR *environment,
                                          UNICODE_STRING *title, UNICODE_STRING *desktop,
                                          UNICODE_STRING *shell, UNICODE_STRING *runtime);
NTSTATUS NTAPI RtlCreateProcessParametersEx(struct process_parameters **parameters,
                                            UNICODE_STRING *image_path, UNICODE_STRING *dll_path,
                                            UNICODE_STRING *current_directory,
                                            UNICODE_STRING *command_line, WCHAR *environment,
                                            UNICODE_STRING *title, UNICODE_STRING *desktop,
                                            UNICODE_STRING *shell, UNICODE_STRING *runtime,
                                            ULONG flags);
NTSTATUS NTAPI RtlDestroyProcessParameters(struct process_parameters *parameters);
struct process_parameters *NTAPI RtlNormalizeProcessParams(struct process_parameters *parameters);
struct process_parameters *NTAPI RtlDeNormalizeProcessParams(struct process_parameters *parameters);
NTSTATUS NTAPI RtlCreateEnvironment(BOOLEAN inherit, WCHAR **environment);
NTSTATUS NTAPI RtlDestroyEnvironment(WCHAR *environment);
/* ENVIRONMENT NULL: the process's own. */
NTSTATUS NTAPI RtlQueryEnvironmentVariable_U(WCHAR *environment, UNICODE_STRING *name,
                                             UNICODE_STRING *value);
NTSTATUS NTAPI RtlQueryEnvironmentVariable(WCHAR *environment, const WCHAR *name,
                                           SIZE_T name_length, WCHAR *value, SIZE_T value_length,
                                           SIZE_T *returned);
NTSTATUS NTAPI RtlSetEnvironmentVariable(WCHAR **environment, UNICODE_STRING *name,
                                         UNICODE_STRING *value);
NTSTATUS NTAPI RtlExpandEnvironmentStrings_U(WCHAR *environment, UNICODE_STRING *source,
                                             UNICODE_STRING *destination, ULONG *returned);
NTSTATUS NTAPI RtlGetVersion(RTL_OSVERSIONINFOW *version);
void NTAPI RtlGetNtVersionNumbers(ULONG *major, ULONG *minor, ULONG *build);
struct peb *NTAPI RtlGetCurrentPeb(void);
ULONG NTAPI RtlGetLastWin32Error(void);
void NTAPI RtlSetLastWin32Error(ULONG error);
void NTAPI RtlRestoreLastWin32Error(ULONG error);
NTSTATUS NTAPI RtlGetLastNtStatus(void);
void NTAPI RtlSetLastWin32ErrorAndNtStatusFromNtStatus(NTSTATUS status);
ULONG NTAPI RtlNtStatusToDosErrorNoTeb(NTSTATUS status);

/*
 * Loader (ldr.c and its neighbours).
 */
NTSTATUS NTAPI LdrLoadDll(WCHAR *path, ULONG *flags, UNICODE_STRING *name, HMODULE *module);
NTSTATUS NTAPI LdrUnloadDll(HMODULE module);
NTSTATUS NTAPI LdrGetDllHandle(WCHAR *path, ULONG *flags, UNICODE_STRING *name, HMODULE *module);
NTSTATUS NTAPI LdrGetDllHandleEx(ULONG flags, WCHAR *path, ULONG *characteristics,
                                 UNICODE_STRING *name, HMODULE *module);
NTSTATUS NTAPI LdrGetProcedureAddress(HMODULE module, STRING *name, ULONG ordinal, void **address);
NTSTATUS NTAPI LdrAddRefDll(ULONG flags, HMODULE module); /* flags 1: for good */
NTSTATUS NTAPI LdrDisableThreadCalloutsForDll(HMODULE module);
NTSTATUS NTAPI LdrFindEntryForAddress(void *address, struct ldr_entry **entry);
NTSTATUS NTAPI LdrLockLoaderLock(ULONG flags, ULONG *result, ULONG_PTR *cookie);
NTSTATUS NTAPI LdrUnlockLoaderLock(ULONG flags, ULONG_PTR cookie);
NTSTATUS NTAPI LdrShutdownProcess(void);
NTSTATUS NTAPI LdrShutdownThread(void);
IMAGE_NT_HEADERS *NTAPI RtlImageNtHeader(void *base);
void *NTAPI RtlImageDirectoryEntryToData(void *base, BOOLEAN mapped, USHORT directory, ULONG *size);

/*
 * Paths (path.c).
 */
enum rtl_path_type {
    RTL_PATH_UNKNOWN,
    RTL_PATH_UNC,            /* \\server\share\ */
    RTL_PATH_DRIVE_ABSOLUTE, /* C:\ */
    RTL_PATH_DRIVE_RELATIVE, /* C:name */
    RTL_PATH_ROOTED,         /* \name */
    RTL_PATH_RELATIVE,       /* name */
    RTL_PATH_LOCAL_DEVICE,   /* \\.\ or \\?\ */
    RTL_PATH_ROOT_LOCAL_DEVICE,
};
ULONG NTAPI RtlDetermineDosPathNameType_U(const WCHAR *path);
/* 0, or the device's name in the path: length << 16 | offset, in bytes. */
ULONG NTAPI RtlIsDosDeviceName_U(const WCHAR *path);
/* Bytes written without the terminator; with it when SIZE (bytes) is too small; 0: bad path. */
ULONG NTAPI RtlGetFullPathName_U(const WCHAR *name, ULONG size, WCHAR *buffer, WCHAR **file_part);
NTSTATUS NTAPI RtlDosPathNameToNtPathName_U_WithStatus(const WCHAR *path, UNICODE_STRING *nt_path,
                                                       const WCHAR **file_part, void *directory);
ULONG NTAPI RtlGetCurrentDirectory_U(ULONG size, WCHAR *buffer);
NTSTATUS NTAPI RtlSetCurrentDirectory_U(UNICODE_STRING *path);
BOOLEAN NTAPI RtlDoesFileExists_U(const WCHAR *path);
ULONG NTAPI RtlDosSearchPath_U(const WCHAR *path, const WCHAR *name, const WCHAR *extension,
                               ULONG size, WCHAR *buffer, WCHAR **file_part);

/*
 * Strings (string.c, unicode.c). The ANSI code page is 1252.
 */
NTSTATUS NTAPI RtlInitUnicodeStringEx(UNICODE_STRING *string, const WCHAR *source);
BOOLEAN NTAPI RtlCreateUnicodeString(UNICODE_STRING *string, const WCHAR *source);
NTSTATUS NTAPI RtlDuplicateUnicodeString(ULONG flags, const UNICODE_STRING *source,
                                         UNICODE_STRING *destination);
void NTAPI RtlCopyUnicodeString(UNICODE_STRING *destination, const UNICODE_STRING *source);
NTSTATUS NTAPI RtlAppendUnicodeToString(UNICODE_STRING *destination, const WCHAR *source);
NTSTATUS NTAPI RtlAppendUnicodeStringToString(UNICODE_STRING *destination,
                                              const UNICODE_STRING *source);
LONG NTAPI RtlCompareUnicodeString(const UNICODE_STRING *first, const UNICODE_STRING *second,
                                   BOOLEAN ignore_case);
LONG NTAPI RtlCompareUnicodeStrings(const WCHAR *first, SIZE_T first_length, const WCHAR *second,
                                    SIZE_T second_length, BOOLEAN ignore_case);
BOOLEAN NTAPI RtlEqualUnicodeString(const UNICODE_STRING *first, const UNICODE_STRING *second,
                                    BOOLEAN ignore_case);
BOOLEAN NTAPI RtlEqualString(const STRING *first, const STRING *second, BOOLEAN ignore_case);
LONG NTAPI RtlCompareString(const STRING *first, const STRING *second, BOOLEAN ignore_case);
WCHAR NTAPI RtlUpcaseUnicodeChar(WCHAR character);
WCHAR NTAPI RtlDowncaseUnicodeChar(WCHAR character);
NTSTATUS NTAPI RtlUpcaseUnicodeString(UNICODE_STRING *destination, const UNICODE_STRING *source,
                                      BOOLEAN allocate);
NTSTATUS NTAPI RtlDowncaseUnicodeString(UNICODE_STRING *destination, const UNICODE_STRING *source,
                                        BOOLEAN allocate);
CHAR NTAPI RtlUpperChar(CHAR character);
NTSTATUS NTAPI RtlMultiByteToUnicodeN(WCHAR *unicode, ULONG unicode_size, ULONG *returned,
                                      const CHAR *text, ULONG text_size);
NTSTATUS NTAPI RtlUnicodeToMultiByteN(CHAR *text, ULONG text_size, ULONG *returned,
                                      const WCHAR *unicode, ULONG unicode_size);
NTSTATUS NTAPI RtlMultiByteToUnicodeSize(ULONG *size, const CHAR *text, ULONG text_size);
/* Sizes in bytes. STATUS_BUFFER_TOO_SMALL, or STATUS_SOME_NOT_MAPPED (success) for bad input. */
NTSTATUS NTAPI RtlUTF8ToUnicodeN(WCHAR *unicode, ULONG unicode_size, ULONG *returned,
                                 const CHAR *text, ULONG text_size);
NTSTATUS NTAPI RtlUnicodeToUTF8N(CHAR *text, ULONG text_size, ULONG *returned, const WCHAR *unicode,
                                 ULONG unicode_size);
NTSTATUS NTAPI RtlIntegerToUnicodeString(ULONG value, ULONG base, UNICODE_STRING *string);
NTSTATUS NTAPI RtlUnicodeStringToInteger(const UNICODE_STRING *string, ULONG base, ULONG *value);
NTSTATUS NTAPI RtlHashUnicodeString(const UNICODE_STRING *string, BOOLEAN ignore_case,
                                    ULONG algorithm, ULONG *hash);

/*
 * Bitmaps, time, random numbers (misc.c).
 */
void NTAPI RtlInitializeBitMap(RTL_BITMAP *bitmap, ULONG *buffer, ULONG bits);
void NTAPI RtlClearAllBits(RTL_BITMAP *bitmap);
void NTAPI RtlSetAllBits(RTL_BITMAP *bitmap);
void NTAPI RtlSetBits(RTL_BITMAP *bitmap, ULONG start, ULONG count);
void NTAPI RtlClearBits(RTL_BITMAP *bitmap, ULONG start, ULONG count);
BOOLEAN NTAPI RtlAreBitsSet(const RTL_BITMAP *bitmap, ULONG start, ULONG count);
BOOLEAN NTAPI RtlAreBitsClear(const RTL_BITMAP *bitmap, ULONG start, ULONG count);
ULONG NTAPI RtlFindClearBits(const RTL_BITMAP *bitmap, ULONG count, ULONG hint);
ULONG NTAPI RtlFindClearBitsAndSet(RTL_BITMAP *bitmap, ULONG count, ULONG hint);
ULONG NTAPI RtlNumberOfSetBits(const RTL_BITMAP *bitmap);

typedef struct _TIME_FIELDS {
    SHORT Year;
    SHORT Month;
    SHORT Day;
    SHORT Hour;
    SHORT Minute;
    SHORT Second;
    SHORT Milliseconds;
    SHORT Weekday;
} TIME_FIELDS;
void NTAPI RtlTimeToTimeFields(const LARGE_INTEGER *time, TIME_FIELDS *fields);
BOOLEAN NTAPI RtlTimeFieldsToTime(const TIME_FIELDS *fields, LARGE_INTEGER *time);
void NTAPI RtlSecondsSince1970ToTime(ULONG seconds, LARGE_INTEGER *time);
ULONG NTAPI RtlRandom(ULONG *seed);
ULONG NTAPI RtlRandomEx(ULONG *seed);
ULONG NTAPI RtlComputeCrc32(ULONG crc, const void *data, ULONG length);
void NTAPI DbgBreakPoint(void);
ULONG NTAPI RtlGetNtGlobalFlags(void);

#endif
