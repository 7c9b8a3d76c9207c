/*
 * tests/bench/paging.c: what a page costs when more memory is used than there is.
 *
 * A stock Win32 program for a machine with a paging file. `paging.exe private|shared PERCENT` takes
 * private memory, or a section backed by the paging file, of PERCENT of what is free; passes.h says
 * what is done with it.
 */
#include "passes.h"
#include "win32.h"

/* Each is a read of the paging file, and those the host counts. */
static ticks major_faults(void)
{
    return 0;
}

static unsigned free_bytes(void)
{
    MEMORYSTATUS status;
    struct quire_memory pages;

    if (read_memory(&pages)) {
        return (pages.free_pages + pages.zeroed_pages + pages.standby_pages) * PAGE;
    }
    GlobalMemoryStatus(&status);
    return status.dwAvailPhys;
}

int main(int argc, char **argv)
{
    unsigned percent = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

    if (percent == 0 || (strcmp(argv[1], "private") != 0 && strcmp(argv[1], "shared") != 0)) {
        fprintf(stderr, "usage: paging private|shared PERCENT-OF-FREE-MEMORY\n");
        return 2;
    }
    kind = argv[1];
    calibrate();
    show_frequency();
    unsigned available = free_bytes();
    npages = (unsigned)((ticks)available * percent / 100 / PAGE);
    if (strcmp(kind, "private") == 0) {
        memory = (unsigned *)(void *)allocate(npages * PAGE, MEM_RESERVE | MEM_COMMIT);
    } else {
        memory = (unsigned *)(void *)map(section(npages * PAGE), FILE_MAP_WRITE);
    }
    show_passes(available);
    return 0;
}
