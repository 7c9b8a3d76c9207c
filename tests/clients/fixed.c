/*
 * tests/clients/fixed.c: time() that stands still, and Microsoft's rand(), so that a program that
 * asks chance makes the same choices wherever it is built.
 *
 * Linked beside the program's own objects it comes before the C library. It includes no header,
 * since mingw's declare what it defines as imported; calls through those declarations go through
 * the pointers below, which would otherwise lie in the import table.
 */
enum { NOW = 5 };

static unsigned state = 1;

int rand(void)
{
    state = state * 214013u + 2531011u;
    return (int)(state >> 16 & 0x7FFF);
}

void srand(unsigned seed)
{
    state = seed;
}

static long now(long *where)
{
    if (where) {
        *where = NOW;
    }
    return NOW;
}

#ifdef _WIN32
int (*_imp__rand)(void) = rand;
void (*_imp__srand)(unsigned) = srand;
long (*_imp___time32)(long *) = now;

long _time32(long *where)
{
    return now(where);
}
#else
long time(long *where)
{
    return now(where);
}
#endif
