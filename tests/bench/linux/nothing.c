/*
 * tests/bench/linux/nothing.c: a program that only ends; it has no library.
 */
void _start(void);

void _start(void)
{
    __asm__ volatile("int $0x80" ::"a"(1), "b"(0)); /* exit(0) */
}
