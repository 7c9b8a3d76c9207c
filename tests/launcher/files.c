/*
 * tests/launcher/files.c: prints the files that its arguments name.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        int c;

        if (file == NULL) {
            printf("no %s\n", argv[i]);
            return 1;
        }
        while ((c = getc(file)) != EOF) {
            putchar(c);
        }
        fclose(file);
    }
    return 0;
}
