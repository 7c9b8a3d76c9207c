/*
 * user/msvcrt/msvcrt.h: what the files of msvcrt share: data of a thread, errors, low-level files,
 * streams, locks.
 *
 * msvcrt.dll is the C library that mingw's programs import. Its printf, scanf, strtod and most of
 * its mathematics come from mingw's libmingwex.a, which calls back here for streams, memory and
 * strings. Where mingw's headers define a function inline, it is called crt_... here and exported
 * under its own name by msvcrt.def.
 */
#ifndef USER_MSVCRT_MSVCRT_H
#define USER_MSVCRT_MSVCRT_H

#define _CRTIMP
#define __USE_MINGW_ANSI_STDIO 0
#define _CRT_NONSTDC_NO_DEPRECATE
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <wchar.h>

/* Most of what is defined is for programs; the SDK's headers do not declare all of it. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wattributes"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What a thread has for itself (thread.c). */
struct thread_data {
    int error;
    unsigned long dos_error;
    unsigned seed; /* of rand */
    char *token;   /* of strtok */
    wchar_t *wide_token;
    struct tm broken_down;
    char time_text[26];
    wchar_t wide_time_text[26];
    char *error_text;
    wchar_t *wide_error_text;
    char conversion[80]; /* of _ecvt, _fcvt */
    void *exception_pointers;
    int floating_code;
};
struct thread_data *thread_data(void);
void thread_data_free(void);
int thread_data_start(void);

/* errors.c */
int fail_with(int error); /* sets errno, returns -1 */
int fail_win32(void);     /* the same from the last Win32 error */
void set_win32_error(DWORD error);

/* locks.c: the numbered locks of _lock */
enum crt_lock {
    SIGNAL_LOCK = 0,
    ENVIRONMENT_LOCK = 7,
    EXIT_LOCK = 8,
    FILE_TABLE_LOCK = 11,
    STREAM_TABLE_LOCK = 12,
    LOCK_COUNT = 36,
};
#define FREE_SECTION                                                                               \
    {                                                                                              \
        .DebugInfo = (void *)-1, .LockCount = -1                                                   \
    } /* as initialized */
void _lock(int number);
void _unlock(int number);

/*
 * For a large variable: it lies behind all others, so that those that every program writes to when
 * it starts are on one page, of which the process makes a copy of its own.
 */
#define BIG_TABLE __attribute__((section(".data$zzz")))

/* lowio.c: file descriptors */
#define FD_COUNT 512
enum {
    FD_OPEN = 0x01,
    FD_END = 0x02, /* Ctrl+Z was read */
    FD_PIPE = 0x08,
    FD_APPEND = 0x20,
    FD_DEVICE = 0x40,
    FD_TEXT = 0x80,
};
struct descriptor {
    HANDLE handle;
    unsigned char flags;
    int pushed; /* a byte read ahead in text mode, or -1 */
};
extern struct descriptor descriptors[FD_COUNT];
void descriptors_start(void);
int is_descriptor(int fd);
int raw_read(int fd, void *buffer, unsigned count);
int crt_wsopen(const wchar_t *path, int flags, int share, int mode);

/* streams (stream.c, file.c) */
struct stream {
    FILE file; /* first: a FILE * is a struct stream * beyond the first STATIC_STREAMS */
    CRITICAL_SECTION lock;
    __int64 fill_position; /* where in the file the buffer's first byte was read */
    int in_use;
    HANDLE child; /* of _popen */
};
#define STATIC_STREAMS 20
#define STREAM_COMMITS 0x4000 /* fflush waits for the device: mode "c" */
#ifndef _IOSETVBUF
#define _IOSETVBUF 0x0400 /* setvbuf was called */
#endif
extern FILE crt_iob[STATIC_STREAMS];
void streams_end(void);
struct stream *stream_of(FILE *file);
FILE *stream_new(void);
void stream_free(FILE *file);
void stream_lock(FILE *file);
void stream_unlock(FILE *file);
int stream_flush(FILE *file); /* the lock is held */
void stream_take_buffer(FILE *file);
int stream_temporary_buffer(FILE *file);
void stream_end_temporary(FILE *file, int was_given);
size_t stream_write(FILE *file, const void *data, size_t nbytes); /* the lock is held */
void stream_each(int (*visit)(FILE *file));

/* path.c */
int temporary_file(void);

/* wide.c */
wchar_t *widen(const char *text); /* ANSI code page; to be freed */
char *narrow(const wchar_t *text);

/* environment.c, arguments.c */
int environment_start(void);
char **environment_narrow(void);
wchar_t **environment_wide(void);
int arguments_start(void);

/* exit.c */
void run_exit_functions(void);

/* ctype.c */
extern const unsigned short crt_ctype[257];

#undef stdin
#undef stdout
#undef stderr
#define stdin  (&crt_iob[0])
#define stdout (&crt_iob[1])
#define stderr (&crt_iob[2])

#endif
