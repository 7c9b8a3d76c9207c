/*
 * user/kernel32/kernel32.h: what the files of kernel32 share: last errors from statuses, strings
 * in and out of UTF-16, DOS paths to NT paths, timeouts.
 */
#ifndef USER_KERNEL32_KERNEL32_H
#define USER_KERNEL32_KERNEL32_H

#include "abi/process.h"
#include "user/ntdll/ntdll.h"

#define NtCurrentProcess() THIS_PROCESS
#define NtCurrentThread()  THIS_THREAD

#define ANSI_CODE_PAGE 1252u
#define OEM_CODE_PAGE  437u

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* error.c */
BOOL fail(DWORD error);
BOOL finish(NTSTATUS status);

/* memory.c (the heap of the process) */
void *take_memory(SIZE_T nbytes);
void release_memory(void *block);

/* string.c */
void *memcpy(void *to, const void *from, size_t nbytes);
void *memmove(void *to, const void *from, size_t nbytes);
void *memset(void *to, int value, size_t nbytes);
int memcmp(const void *a, const void *b, size_t nbytes);
size_t wide_length(const WCHAR *text);
size_t narrow_length(const char *text);
WCHAR wide_upper(WCHAR c);
WCHAR wide_lower(WCHAR c);
BOOL wide_equal_insensitive(const WCHAR *a, const WCHAR *b, size_t count);
void wide_string(UNICODE_STRING *string, const WCHAR *text);

/* codepage.c */
WCHAR *wide_from_ansi(const char *text);
char *ansi_from_wide(const WCHAR *text);
DWORD give_ansi(const WCHAR *text, DWORD length, char *buffer, DWORD size);
DWORD give_wide(const WCHAR *text, DWORD length, WCHAR *buffer, DWORD size);

/* path.c */
WCHAR *full_path(const WCHAR *path);
BOOL nt_path(const WCHAR *path, UNICODE_STRING *nt);
DWORD dos_name(const WCHAR *path, const UNICODE_STRING *nt, WCHAR *buffer, DWORD size);
struct found_file {
    WCHAR *path; /* as it was put together, in the heap */
    UNICODE_STRING nt;
};
BOOL search_file(const WCHAR *directories, const WCHAR *name, const WCHAR *extension,
                 struct found_file *found);
void found_file_done(struct found_file *found);

/* object.c */
struct object_name {
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    BOOL in_heap;
};
enum name_rule {
    SECTION_NAME, /* no backslash at all */
    SYNC_NAME,    /* Global\ and Local\ are cut off */
};
BOOL object_name_create(struct object_name *object, const SECURITY_ATTRIBUTES *security,
                        const WCHAR *name, enum name_rule rule);
BOOL object_name_open(struct object_name *object, BOOL inherit, const WCHAR *name,
                      enum name_rule rule);
void object_name_done(struct object_name *object);
BOOL object_name_wide(const char *name, WCHAR buffer[MAX_PATH]);
HANDLE created(NTSTATUS status, HANDLE handle);

/* time.c */
LARGE_INTEGER *timeout_of(LARGE_INTEGER *buffer, DWORD milliseconds);

/* thread.c */
void thread_begins(void);
void thread_ends(void);

/*
 * The ANSI form of a function of one path: what CALL gives, in which WIDE is PATH in UTF-16;
 * FAILURE, with the last error, when there is no memory for it.
 */
#define WITH_WIDE(path, failure, call)                                                             \
    ({                                                                                             \
        WCHAR *wide = wide_from_ansi(path);                                                        \
        __typeof__(call) wide_result = wide ? (call) : (failure);                                  \
        release_memory(wide);                                                                      \
        wide_result;                                                                               \
    })

/* The same for two paths, WIDE and WIDE2, of which the second may be NULL. */
#define WITH_WIDE2(path, path2, failure, call)                                                     \
    ({                                                                                             \
        const char *narrow2 = (path2);                                                             \
        WCHAR *wide2 = narrow2 ? wide_from_ansi(narrow2) : NULL;                                   \
        __typeof__(failure) both = narrow2 && !wide2 ? (failure) : WITH_WIDE(path, failure, call); \
        release_memory(wide2);                                                                     \
        both;                                                                                      \
    })

/* file.c */
BOOL path_attributes(OBJECT_ATTRIBUTES *attributes, UNICODE_STRING *nt, const WCHAR *path,
                     const SECURITY_ATTRIBUTES *security);
HANDLE real_handle(HANDLE handle);
BOOL query_file(HANDLE file, void *info, ULONG length, ULONG class);
BOOL set_file(HANDLE file, void *info, ULONG length, ULONG class);

/* fileinfo.c */
DWORD device_type(HANDLE handle);
FILETIME time_of_number(LARGE_INTEGER number);

/* filename.c */
NTSTATUS query_attributes(const WCHAR *path, FILE_NETWORK_OPEN_INFORMATION *info);
BOOL rename_file(HANDLE file, const WCHAR *to, BOOL replace);
BOOL link_file(HANDLE file, const WCHAR *to);
BOOL is_same_file(HANDLE one, HANDLE two);

/* find.c */
NTSTATUS open_directory(const WCHAR *path, HANDLE *directory);

/* Exports that the SDK headers do not declare. */
void WINAPI RestoreLastError(DWORD error);
#undef InterlockedIncrement
#undef InterlockedDecrement
#undef InterlockedExchange
#undef InterlockedExchangeAdd
#undef InterlockedCompareExchange
LONG WINAPI InterlockedIncrement(volatile LONG *value);
LONG WINAPI InterlockedDecrement(volatile LONG *value);
LONG WINAPI InterlockedExchange(volatile LONG *target, LONG value);
LONG WINAPI InterlockedExchangeAdd(volatile LONG *target, LONG value);
LONG WINAPI InterlockedCompareExchange(volatile LONG *target, LONG value, LONG expected);

/* exception.c */
LONG WINAPI UnhandledExceptionFilter(EXCEPTION_POINTERS *pointers);

#endif
