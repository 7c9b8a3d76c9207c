/*
 * tests/launcher/flood.c: writes 4 MiB of numbers, in order, to standard output as fast as it can.
 */
#include <fcntl.h>
#include <io.h>

int main(void)
{
    static unsigned words[4096];
    unsigned next = 0;

    _setmode(1, _O_BINARY);
    for (int block = 0; block < 256; block++) {
        for (unsigned i = 0; i < 4096; i++) {
            words[i] = next++;
        }
        if (_write(1, words, sizeof words) != (int)sizeof words) {
            return 2;
        }
    }
    return 0;
}
