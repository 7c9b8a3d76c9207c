/*
 * tests/launcher/hello.c: the program that must be through, all in, in under two seconds.
 */
#include <stdio.h>

int main(void)
{
    printf("Hello, %s!\n", "world");
    return 0;
}
