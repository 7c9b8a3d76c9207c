/*
 * tests/bench/linux/paging.c: tests/bench/paging.c in the terms of POSIX, for the peer.
 *
 * `init private|shared PERCENT`: an anonymous mapping or a memfd, of PERCENT of what is free, on a
 * machine that swaps to its first virtio disk. ../passes.h says what is done with it.
 */
#include <sys/resource.h>
#include <sys/swap.h>

#include "../passes.h"
#include "linux.h"

static ticks major_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (ticks)usage.ru_majflt;
}

/* What the kernel says could be used without paging. */
static unsigned free_bytes(void)
{
    char text[2000] = "";
    int file = open("/proc/meminfo", O_RDONLY);

    if (file < 0 || read(file, text, sizeof text - 1) <= 0 || !strstr(text, "MemAvailable:")) {
        give_up("/proc/meminfo");
    }
    close(file);
    return (unsigned)strtoul(strstr(text, "MemAvailable:") + 13, NULL, 10) * 1024u;
}

int main(int argc, char **argv)
{
    set_up();
    if (argc < 3) {
        give_up("the command line");
    }
    if (swapon("/dev/vda", 0) != 0) {
        give_up("swapon");
    }
    kind = argv[argc - 2]; /* before them stand options that the kernel did not know */
    calibrate();
    show_frequency();
    count_idle();
    unsigned available = free_bytes();
    npages = (unsigned)((ticks)available * strtoul(argv[argc - 1], NULL, 10) / 100 / PAGE);
    if (strcmp(kind, "private") == 0) {
        memory = (unsigned *)(void *)private_memory(npages * PAGE);
    } else {
        memory = (unsigned *)(void *)map_shared(section(npages * PAGE), npages * PAGE);
    }
    show_passes(available);
    printf("done\n");
    finish();
    return 0;
}
