/*
 * examples/hello.c: the least a program can be. Built as anywhere else,
 *     i686-w64-mingw32-gcc hello.c -o hello.exe
 * it runs on Quire as it is: ./quire run hello.exe
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    printf("Hello, world, from %s", argv[0]);
    for (int i = 1; i < argc; i++) {
        printf(" %s", argv[i]);
    }
    printf(": %.3f\n", 22.0 / 7);
    return 0;
}
