/*
 * tests/user/vectors.c: page faults and thread switches leave the vector registers alone, whatever
 * the kernel does with a page meanwhile: fills it with zeroes, copies it, brings it from disk.
 */
#include "tap.h"

#define THREADS 4
#define ROUNDS  40
#define NPAGES  64

struct vectors {
    unsigned words[8][4];
};

/* Loads all eight registers, stores a word at ADDRESS, and stores the registers. */
static void store_between(const struct vectors *in, struct vectors *out, volatile unsigned *address)
{
    __asm__ volatile("movups 0x00(%0), %%xmm0\n\tmovups 0x10(%0), %%xmm1\n\t"
                     "movups 0x20(%0), %%xmm2\n\tmovups 0x30(%0), %%xmm3\n\t"
                     "movups 0x40(%0), %%xmm4\n\tmovups 0x50(%0), %%xmm5\n\t"
                     "movups 0x60(%0), %%xmm6\n\tmovups 0x70(%0), %%xmm7\n\t"
                     "addl $1, (%2)\n\t"
                     "movups %%xmm0, 0x00(%1)\n\tmovups %%xmm1, 0x10(%1)\n\t"
                     "movups %%xmm2, 0x20(%1)\n\tmovups %%xmm3, 0x30(%1)\n\t"
                     "movups %%xmm4, 0x40(%1)\n\tmovups %%xmm5, 0x50(%1)\n\t"
                     "movups %%xmm6, 0x60(%1)\n\tmovups %%xmm7, 0x70(%1)\n\t"
                     :
                     : "r"(in), "r"(out), "r"(address)
                     : "memory", "cc");
}

struct outcome {
    unsigned seed, bad_registers, bad_pages;
};

static void touch_all(struct outcome *it, volatile unsigned *pages, unsigned before)
{
    struct vectors in, out;

    for (unsigned page = 0; page < NPAGES; page++) {
        volatile unsigned *words = pages + page * (PAGE / 4);
        for (unsigned i = 0; i < 32; i++) {
            in.words[i / 4][i % 4] = it->seed * 0x01000193u ^ (page << 8 | i);
        }
        memset(&out, 0, sizeof out);
        store_between(&in, &out, words + page % 1024);
        it->bad_registers += memcmp(&in, &out, sizeof in) != 0;
        for (unsigned i = 0; i < 1024; i++) {
            unsigned expected = before == 0 ? 0 : before + i;
            it->bad_pages += words[i] != expected + (i == page % 1024);
        }
    }
}

static HANDLE section;

static DWORD WINAPI fault_in_rounds(void *parameter)
{
    struct outcome *it = parameter;

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned *fresh =
            VirtualAlloc(NULL, NPAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        unsigned *copies = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0);
        if (fresh == NULL || copies == NULL) {
            it->bad_pages++;
            return 1;
        }
        touch_all(it, fresh, 0);
        touch_all(it, copies, 0x1000);
        VirtualFree(fresh, 0, MEM_RELEASE);
        UnmapViewOfFile(copies);
    }
    return 0;
}

int main(void)
{
    struct outcome outcomes[THREADS];
    HANDLE threads[THREADS];
    unsigned bad_registers = 0, bad_pages = 0;

    tap_begin();
    section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, NPAGES * PAGE, NULL);
    unsigned *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    ok(view != NULL, "a section of %u pages", NPAGES);
    for (unsigned i = 0; view != NULL && i < NPAGES * PAGE / 4; i++) {
        view[i] = 0x1000 + i % 1024;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        outcomes[i] = (struct outcome){i + 1, 0, 0};
        threads[i] = CreateThread(NULL, 0, fault_in_rounds, &outcomes[i], 0, NULL);
    }
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    for (unsigned i = 0; i < THREADS; i++) {
        bad_registers += outcomes[i].bad_registers;
        bad_pages += outcomes[i].bad_pages;
    }
    ok(bad_registers == 0, "no register has changed over a fault");
    ok(bad_pages == 0, "every page was zero, or a copy");
    return tap_end();
}
