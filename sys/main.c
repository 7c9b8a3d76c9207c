/*
 * sys/main.c: kernel_main: the floors start in order, then the self-tests or the first program.
 *
 *   memory -> scheduler (this becomes thread 0) -> interrupts -> devices -> volume -> system calls
 *   -> self-tests (`selftest`), or the program behind `--` on the command line (the shell, when
 *   nothing is there) -> its end is reported and the machine is switched off
 *
 * docs/testing.md lists the words of the command line. Thread 0 only waits for the first program.
 */
#include "fs/file.h"
#include "fs/volume.h"
#include "kernel/boot.h"
#include "kernel/channel.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/cpu.h"
#include "kernel/device.h"
#include "kernel/format.h"
#include "kernel/log.h"
#include "kernel/serial.h"
#include "kernel/stream.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "mm/audit.h"
#include "mm/init.h"
#include "mm/pfn.h"
#include "mm/pool.h"
#include "mm/statistics.h"
#include "sys/calls.h"
#include "sys/exception.h"
#include "sys/file.h"
#include "sys/image.h"
#include "sys/pagefile.h"
#include "sys/process.h"
#include "sys/section.h"
#include "sys/start.h"
#include "sys/sync.h"
#include "sys/system.h"
#include "sys/trace.h"
#include "tests/kernel/selftest.h"

#define SHELL          "C:\\quire\\programs\\shell.exe /k demo" /* runs it, then asks for more */
#define PATH_NBYTES    512u
#define MESSAGE_NBYTES 256u
#define MEMORY_LEAST   "16 MiB"
#define LEAST_NBYTES   (15ull << 20) /* firmware keeps some of the 16 MiB */
#define OPTION_NBYTES  128u

static bool uses_channel; /* [c] the first program's streams go through the channel */

/* ---- the end ----------------------------------------------------------------------------------
 */

void system_end(uint32_t exit_code)
{
    fs_finish();
    trace_end();
    if (uses_channel) {
        channel_send_exit(exit_code);
    }
    log_print("sys: the end, with exit code 0x%08x\n", exit_code);
    machine_power_off();
}

void system_fail(const char *text)
{
    serial_show_log(true);
    log_print("%s\n", text);
    channel_send_failure(text);
    machine_stop(2);
}

/* ---- the first program ------------------------------------------------------------------------
 */

static const uint16_t first_environment[] = u"COMPUTERNAME=QUIRE\0"
                                            u"COMSPEC="
                                            u"C:\\quire\\programs\\shell.exe\0"
                                            u"HOMEDRIVE=C:\0"
                                            u"HOMEPATH=\\\0"
                                            u"NUMBER_OF_PROCESSORS=1\0"
                                            u"OS=Windows_NT\0"
                                            u"PATH=C:\\quire\\system;C:\\quire\\programs;C:\\\0"
                                            u"PATHEXT=.EXE\0"
                                            u"PROCESSOR_ARCHITECTURE=x86\0"
                                            u"SystemDrive=C:\0"
                                            u"SystemRoot=C:\\quire\0"
                                            u"TEMP=C:\\\0"
                                            u"TMP=C:\\\0"
                                            u"USERNAME=user\0"
                                            u"windir=C:\\quire\0";

/* The code point at *TEXT, which moves on; a byte that is no UTF-8 stands for itself. */
static uint32_t next_code_point(const char **text)
{
    const uint8_t *bytes = (const uint8_t *)*text;
    uint32_t length = 1;
    uint32_t value = bytes[0];
    if (value >= 0xF0 && value < 0xF8) {
        length = 4;
        value &= 7u;
    } else if (value >= 0xE0 && value < 0xF0) {
        length = 3;
        value &= 15u;
    } else if (value >= 0xC0 && value < 0xE0) {
        length = 2;
        value &= 31u;
    }
    for (uint32_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0u) != 0x80u) {
            *text += 1;
            return bytes[0];
        }
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    *text += length;
    return value;
}

/* TEXT in UTF-16; TARGET has room for twice as many characters as TEXT has bytes. */
static uint32_t to_utf16(const char *text, uint16_t *target)
{
    uint32_t length = 0;
    while (*text != '\0') {
        uint32_t point = next_code_point(&text);
        if (point >= 0x10000) {
            target[length++] = (uint16_t)(0xD800u + ((point - 0x10000) >> 10 & 0x3FFu));
            target[length++] = (uint16_t)(0xDC00u + (point & 0x3FFu));
        } else {
            target[length++] = (uint16_t)point;
        }
    }
    return length;
}

/* The path of the program that COMMAND_LINE begins with: as given, below C:\ when it is relative.
 */
static void program_path(const char *command_line, char *path, size_t nbytes)
{
    char end = ' ';
    while (*command_line == ' ') {
        command_line++;
    }
    if (*command_line == '"') {
        end = '"';
        command_line++;
    }
    size_t length = 0;
    while (command_line[length] != '\0' && command_line[length] != end) {
        length++;
    }
    bool is_absolute = length > 2 && command_line[1] == ':';
    bool is_rooted = length > 0 && command_line[0] == '\\';
    const char *before = is_absolute ? "" : (is_rooted ? "C:" : "C:\\");
    (void)kformat(path, nbytes, "%s%.*s", before, (int)length, command_line);
}

static const char *words_for_open(status_t status)
{
    switch (status) {
    case STATUS_OBJECT_NAME_NOT_FOUND:
    case STATUS_OBJECT_PATH_NOT_FOUND:
    case STATUS_NO_SUCH_FILE:
        return "there is no such file";
    case STATUS_FILE_IS_A_DIRECTORY:
        return "it is a directory";
    case STATUS_INVALID_FILE_FOR_SECTION:
        return "the file is empty";
    case STATUS_INVALID_IMAGE_NOT_MZ:
        return "it is no Windows program";
    case STATUS_DLL_NOT_FOUND:
        return "it needs " NTDLL_PATH ", which is missing";
    case STATUS_COMMITMENT_LIMIT:
    case STATUS_INSUFFICIENT_RESOURCES:
    case STATUS_NO_MEMORY:
        return "there is not enough memory";
    default:
        return "it cannot be loaded";
    }
}

static NORETURN void fail_to_run(const char *path, const char *problem, status_t status)
{
    char text[MESSAGE_NBYTES];
    (void)kformat(text, sizeof(text), "quire: cannot run %s: %s (0x%08X)", path,
                  problem[0] != '\0' ? problem : words_for_open(status), (uint32_t)status);
    system_fail(text);
}

/* Opens the program; without an extension `.exe` is tried too. */
static struct open_file *open_program(char *path)
{
    struct open_file *open;
    status_t status = fs_open_kernel(path, &open);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        size_t length = strnlen(path, PATH_NBYTES);
        if (length + 5 < PATH_NBYTES) {
            memcpy(path + length, ".exe", 5);
            status = fs_open_kernel(path, &open);
            path[length] = is_error(status) ? '\0' : '.';
        }
    }
    if (is_error(status)) {
        fail_to_run(path, "", status);
    }
    return open;
}

static void give_streams(struct program_start *start)
{
    const uint32_t access = file_type.generic_read | file_type.generic_write;
    for (uint32_t i = 0; i < START_STANDARD_HANDLES; i++) {
        struct file_object *file;
        status_t status = file_create_stream(stream_get((enum stream_role)i), &file);
        if (is_error(status)) {
            system_fail("quire: not enough memory for the first program");
        }
        start->standard[i] = &file->object;
        start->standard_access[i] = access;
    }
}

static void give_text(struct program_start *start, enum start_text_role role, const char *text)
{
    uint16_t *target = mm_allocate((uint32_t)(strlen(text) * 4u + 4u));
    if (target == NULL) {
        system_fail("quire: not enough memory for the first program");
    }
    start->texts[role].kernel = target; /* lives as long as the system */
    start->texts[role].nbytes = to_utf16(text, target) * 2u;
}

/* Runs the first program to its end; its exit code. */
static uint32_t run_first_program(const char *command_line)
{
    static struct program_start start;
    static char path[PATH_NBYTES];
    struct process *process;
    struct user_thread *thread;
    program_path(command_line, path, sizeof(path));
    start.image = open_program(path);
    give_streams(&start);
    give_text(&start, START_IMAGE_PATH, path);
    give_text(&start, START_COMMAND_LINE, command_line);
    give_text(&start, START_CURRENT_DIRECTORY, "C:\\");
    give_text(&start, START_WINDOW_TITLE, path);
    start.texts[START_ENVIRONMENT].kernel = first_environment;
    start.texts[START_ENVIRONMENT].nbytes = sizeof(first_environment);
    status_t status = program_create(&start, &process, &thread);
    fs_close(start.image);
    if (is_error(status)) {
        fail_to_run(path, start.problem, status);
    }
    for (uint32_t i = 0; i < START_STANDARD_HANDLES; i++) {
        ob_unref(start.standard[i]);
    }
    ps_start_thread(thread);
    ob_unref(&thread->object);
    status = wait_for(&process->ended, WAIT_FOREVER, false);
    VERIFY(status == STATUS_SUCCESS);
    uint32_t exit_code = (uint32_t)process->exit_status;
    ob_unref(&process->object);
    return exit_code;
}

/*
 * The word `audit`: the memory manager's invariants, checked when the last program has ended and
 * its threads are reaped. Programs that the first one left running are waited for at most a second.
 */
static void audit_at_end(void)
{
    struct process_counts counts;
    int64_t deadline = clock_now() + NS_PER_S;
    do {
        status_t status;
        thread_sleep_until(clock_now() + 5 * NS_PER_MS, false, &status);
        ps_count(&counts);
    } while ((counts.processes != 0 || counts.threads != 0) && clock_now() < deadline);
    if (counts.processes != 0 || counts.threads != 0) {
        log_print("audit: left out: %u processes are still there\n", counts.processes);
        return;
    }
    uint32_t violations = mm_audit();
    log_print("audit: %u violations\n", violations);
    if (violations != 0) {
        system_fail("quire: the audit found violations; the log names them");
    }
}

/* ---- the beginning ----------------------------------------------------------------------------
 */

static void report_bad_memory(void)
{
    if (boot_info.badmem_is_wrong) {
        log_print("quire: badmem= wants ADDRESS+BYTES[,ADDRESS+BYTES...]\n");
        machine_stop(2);
    }
    for (uint32_t i = 0; i < boot_info.nbad; i++) {
        const struct memory_range *bad = &boot_info.bad[i];
        if (bad->first < boot_info.image_end.v && bad->end > boot_info.image_first.v) {
            log_print("quire: the loader put the kernel into memory that is bad\n");
            machine_stop(2);
        }
    }
    if (boot_info.nbad != 0) {
        struct mm_frame_uses uses;
        mm_count_frame_uses(&uses);
        log_print("mm: %u frames are bad and left alone\n", uses.bad);
    }
}

static void memory_start(void)
{
    char text[MESSAGE_NBYTES];
    if (boot_info.total_bytes < LEAST_NBYTES || is_error(mm_init(&boot_info))) {
        (void)kformat(text, sizeof(text),
                      "quire: Quire needs at least " MEMORY_LEAST " of memory, found %u KiB",
                      (uint32_t)(boot_info.total_bytes / 1024u));
        log_print("%s\n", text);
        machine_stop(2);
    }
    report_bad_memory();
}

/* What the objects, processes and system calls need before the first program. */
static void system_start(void)
{
    if (is_error(mm_balancer_start())) {
        log_print("quire: no memory for the balancer\n");
        machine_stop(2);
    }
    ps_init();
    section_start();
    sync_start();
    file_start();
    exception_start();
    syscalls_start();
    shared_data_start();
}

static void streams_start(void)
{
    char console[OPTION_NBYTES];
    uses_channel =
        boot_option("console", console, sizeof(console)) && strcmp(console, "channel") == 0;
    if (!uses_channel) {
        console_use();
    } else if (channel_is_present()) {
        channel_use();
    } else {
        uses_channel = false;
        system_fail("quire: console=channel, but there is no virtio-console device");
    }
}

static NORETURN void run_selftests(const char *pattern)
{
    uint32_t failed;
    selftest_prepare();
    failed = selftest_run(pattern);
    machine_stop(failed != 0 ? 1 : 0);
}

void kernel_main(void)
{
    static const struct device_memory device_memory = {mm_take_contiguous};
    static char pattern[OPTION_NBYTES];
    memory_start();
    scheduler_start();
    interrupts_start();
    system_start();
    devices_start(&device_memory);
    trace_start();
    status_t mounted = fs_start(); /* says itself what is wrong */
    pagefile_start();
    if (is_success(mounted) && is_error(fs_start_paging())) {
        log_print("paging: there is no more than RAM to commit\n");
    }
    if (is_success(mounted) && is_error(fs_start_writer())) {
        system_fail("quire: not enough memory to write volumes");
    }
    image_start();
    streams_start();
    if (boot_flag("selftest") || boot_option("selftest", pattern, sizeof(pattern))) {
        run_selftests(pattern);
    }
    if (is_error(mounted)) {
        channel_send_failure("quire: no usable system disk");
        machine_stop(2);
    }
    const char *command_line = boot_rest();
    while (command_line != NULL && *command_line == ' ') {
        command_line++;
    }
    bool has_program = command_line != NULL && *command_line != '\0';
    serial_show_log(uses_channel);
    uint32_t exit_code = run_first_program(has_program ? command_line : SHELL);
    if (boot_flag("audit")) {
        audit_at_end();
    }
    system_end(exit_code);
}
