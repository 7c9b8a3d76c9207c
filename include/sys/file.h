/*
 * include/sys/file.h: file objects: an open file or directory, a stream, or nothing (NUL).
 */
#ifndef SYS_FILE_H
#define SYS_FILE_H

#include "kernel/wait.h"
#include "sys/object.h"

struct open_file;
struct stream;

struct file_object {
    struct object object;
    struct waitable signalled; /* always: every call ends before it returns */
    struct open_file *open;    /* [c] a file or directory, or NULL */
    struct stream *stream;     /* [c] CONIN$, CONOUT$, the channel; or NULL */
};                             /* neither: NUL */

extern struct object_type file_type;

void file_start(void);

/* A file object of its own for STREAM (NULL: NUL), with the caller's reference. */
MUST_CHECK status_t file_create_stream(struct stream *stream, struct file_object **file);

/* The file object behind a handle of the current process, with ACCESS granted; referenced. */
MUST_CHECK status_t file_reference(uint32_t handle, uint32_t access, struct file_object **file);

/* The NT path at a UNICODE_STRING, captured, and the directory that it is relative to. */
struct captured_path {
    uint16_t *text; /* from mm_allocate, or NULL */
    uint32_t nbytes;
    uint32_t attributes;
    struct file_object *root; /* referenced, or NULL */
};
MUST_CHECK status_t capture_file_path(uaddr_t object_attributes, struct captured_path *path);
void captured_path_release(struct captured_path *path);

#endif
