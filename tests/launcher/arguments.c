/*
 * tests/launcher/arguments.c: prints every argument in hexadecimal, a line each.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (const char *c = argv[i]; *c != '\0'; c++) {
            printf("%02x", (unsigned char)*c);
        }
        printf("\n");
    }
    return 0;
}
