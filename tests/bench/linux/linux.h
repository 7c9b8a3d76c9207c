/*
 * tests/bench/linux/linux.h: what the programs for the peer share. Each is /init, alone on the
 * machine: this mounts what it needs and loads the modules that are in /modules, in the order of
 * their names, then says what kernel it is:
 *     system <release>
 *
 * This kernel keeps account of idle time in whole ticks only. So where there is some, a process of
 * its lowest class counts how often it goes round a loop of three instructions: what the processor
 * does when there is nothing else to do. TLB flushes and CR3 writes Linux does not count.
 */
#ifndef BENCH_LINUX_H
#define BENCH_LINUX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../measure.h"

#define IDLE_LOOP 3 /* instructions */

static volatile ticks *idle_turns; /* NULL: idle time is not counted */

/* Ends the machine too: nothing runs beside /init. */
static void finish(void)
{
    fflush(stdout);
    tcdrain(1);
    reboot(RB_AUTOBOOT);
}

static void give_up(const char *what)
{
    printf("error\t%s: %s\n", what, strerror(errno));
    finish();
    _exit(1);
}

static void read_counters(struct counters *counters)
{
    memset(counters, 0, sizeof *counters);
    counters->idle = idle_turns != NULL ? *idle_turns * IDLE_LOOP : 0;
}

static inline void count_idle(void)
{
    const struct sched_param none = {.sched_priority = 0};

    idle_turns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (idle_turns == MAP_FAILED) {
        give_up("mmap");
    }
    *idle_turns = 0;
    pid_t child = fork();
    if (child == 0) {
        if (sched_setscheduler(0, SCHED_IDLE, &none) != 0 || mlockall(MCL_CURRENT) != 0) {
            _exit(1);
        }
        __asm__ volatile("1: addl $1, (%0); adcl $0, 4(%0); jmp 1b" ::"r"(idle_turns));
    }
    if (child < 0) {
        give_up("fork");
    }
}

static void show_frequency(void)
{
    struct timespec first, last;
    ticks past;

    clock_gettime(CLOCK_MONOTONIC, &first);
    ticks before = now();
    do {
        clock_gettime(CLOCK_MONOTONIC, &last);
        past = (ticks)(last.tv_sec - first.tv_sec) * 1000000000u + (ticks)last.tv_nsec -
               (ticks)first.tv_nsec;
    } while (past < 100000000u);
    printf("frequency\t%llu\t%llu\n", now() - before, past);
}

static void load_modules(void)
{
    struct dirent **names;
    int count = scandir("/modules", &names, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        char path[300];
        if (names[i]->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0 || syscall(SYS_finit_module, file, "", 0) != 0) {
            give_up(path);
        }
        close(file);
    }
}

static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY);

    if (file < 0 || write(file, text, strlen(text)) < 0) {
        give_up(path);
    }
    close(file);
}

static void set_up(void)
{
    struct termios terminal;
    struct utsname system;

    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    load_modules();
    write_file("/proc/sys/vm/overcommit_memory", "1");
    tcgetattr(0, &terminal);
    terminal.c_lflag &= ~(tcflag_t)ECHO; /* or the host's answers come back */
    terminal.c_oflag &= ~(tcflag_t)OPOST;
    tcsetattr(0, TCSANOW, &terminal);
    uname(&system);
    printf("system\t%s\n", system.release);
}

/* ---- memory ---- */

static void *map_file(int file, unsigned nbytes, int protection, int flags)
{
    void *at = mmap(NULL, nbytes, protection, flags, file, 0);

    if (at == MAP_FAILED) {
        give_up("mmap");
    }
    return at;
}

static inline char *private_memory(unsigned nbytes)
{
    char *at = map_file(-1, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);

    madvise(at, nbytes, MADV_NOHUGEPAGE);
    return at;
}

static inline int section(unsigned nbytes)
{
    int file = (int)syscall(SYS_memfd_create, "bench", 0);

    if (file < 0 || ftruncate(file, (off_t)nbytes) != 0) {
        give_up("memfd_create");
    }
    return file;
}

static inline char *map_shared(int file, unsigned nbytes)
{
    return map_file(file, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED);
}

#endif
