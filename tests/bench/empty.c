/*
 * tests/bench/empty.c: the smallest ordinary program: what a process costs with its DLLs.
 */
int main(void)
{
    return 0;
}
