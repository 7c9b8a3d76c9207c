/*
 * include/sys/start.h: making a process from an image file: memory, PEB, parameters, first thread.
 */
#ifndef SYS_START_H
#define SYS_START_H

#include "abi/process.h"
#include "sys/process.h"

struct open_file;

/* A piece of UTF-16 text, in the kernel or in the caller's memory. */
struct start_text {
    const uint16_t *kernel; /* NULL: at USER */
    uint32_t user;
    uint32_t nbytes;
};

enum start_text_role {
    START_CURRENT_DIRECTORY,
    START_DLL_PATH,
    START_IMAGE_PATH,
    START_COMMAND_LINE,
    START_WINDOW_TITLE,
    START_DESKTOP,
    START_SHELL,
    START_RUNTIME_DATA,
    START_ENVIRONMENT,
    START_TEXTS
};

#define START_STANDARD_HANDLES 3u /* input, output, error */
#define START_ENVIRONMENT_MAX  0x100000u

struct program_start {
    struct process *parent; /* NULL: the kernel starts it */
    bool inherit;
    bool is_suspended;
    struct open_file *image;                 /* opened to execute; the caller closes it */
    struct nt_process_parameters parameters; /* what is to be copied beside the texts */
    struct start_text texts[START_TEXTS];
    /* Standard handles that the child gets anew, NULL: the value in PARAMETERS stays. */
    struct object *standard[START_STANDARD_HANDLES];
    uint32_t standard_access[START_STANDARD_HANDLES];
    char problem[64]; /* out: what is wrong with the image, in words */
    uint32_t parameters_address;
};

/*
 * Makes the process and its first thread, which ps_start_thread then lets run. Both are referenced
 * for the caller. Nothing is left behind on an error.
 */
MUST_CHECK status_t program_create(struct program_start *it, struct process **process,
                                   struct user_thread **thread);

#endif
