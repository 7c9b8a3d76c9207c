/*
 * tests/launcher/copy.c: copies standard input to standard output, byte by byte the same, and says
 * on standard error how much it was.
 */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>

int main(void)
{
    static char buffer[5000]; /* no divisor of anything */
    unsigned long total = 0;
    int n;

    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    while ((n = _read(0, buffer, sizeof buffer)) > 0) {
        for (int done = 0, part; done < n; done += part) {
            part = _write(1, buffer + done, (unsigned)(n - done));
            if (part <= 0) {
                return 2;
            }
        }
        total += (unsigned long)n;
    }
    fprintf(stderr, "%lu bytes\n", total);
    return n < 0;
}
