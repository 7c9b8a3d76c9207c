/*
 * tests/user/crt.c: the C runtime as programs use it: printf, malloc, argv, environment, files for
 * reading, setjmp, qsort, time, mathematics.
 */
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <time.h>
#include <wchar.h>

#include "tap.h"

static char text[512];

/* What sprintf makes of FORMAT is EXPECTED. */
#define PRINTS(expected, ...)                                                                      \
    ok(sprintf(text, __VA_ARGS__) == (int)strlen(expected) && strcmp(text, expected) == 0,         \
       "printf: \"%s\"", expected)

static void test_printf(void)
{
    PRINTS("hello, world", "hello, %s", "world");
    PRINTS("-42 42 42 2a 2A 0x2a 052", "%d %u %i %x %X %#x %#o", -42, 42u, 42, 42u, 42u, 42u, 42u);
    PRINTS("   42|42   |00042|+42", "%5d|%-5d|%05d|%+d", 42, 42, 42, 42);
    PRINTS("1234567890123456789", "%lld", 1234567890123456789LL);
    PRINTS("fedcba9876543210", "%llx", 0xFEDCBA9876543210ULL);
    PRINTS("a|  b|c  |abc", "%c|%3s|%-3s|%.3s", 'a', "b", "c", "abcdef");
    PRINTS("3.141593", "%f", 3.14159265358979);
    PRINTS("3.14 -2.50 100", "%.2f %.2f %.0f", 3.14159, -2.5, 100.0);
    PRINTS("1.5 1e+100 0.0001 123457", "%g %g %g %g", 1.5, 1e100, 0.0001, 123456.789);
    PRINTS("0.1000000000000000", "%.16f", 0.1);
    PRINTS("1.500000e+200 -1.5e-200", "%e %.1e", 1.5e200, -1.5e-200);
    PRINTS("%", "%%");
    PRINTS("   1.50|1.50   |0001.50", "%7.2f|%-7.2f|%07.2f", 1.5, 1.5, 1.5);
    PRINTS("5 abc", "%*d %.*s", 1, 5, 3, "abcdef");
    ok(_snprintf(text, 5, "%s", "123456789") < 0 && memcmp(text, "12345", 5) == 0,
       "printf: _snprintf cuts off");
    ok(sprintf(text, "%s%n", "four", &errno) == 4 || 1, "printf: %%n does no harm");
}

static void test_numbers(void)
{
    char *end;

    ok(strtol("  -123abc", &end, 10) == -123 && strcmp(end, "abc") == 0, "strtol");
    ok(strtoul("0xFFFFFFFF", NULL, 0) == 0xFFFFFFFF, "strtoul, hexadecimal");
    ok(strtol("777", NULL, 8) == 511 && strtol("zz", NULL, 36) == 1295, "strtol, other bases");
    errno = 0;
    ok(strtol("99999999999", NULL, 10) == LONG_MAX && errno == ERANGE, "strtol, too large: ERANGE");
    ok(atoi("42x") == 42 && atof("2.5e3") == 2500.0, "atoi, atof");
    ok(strtod("1.7976931348623157e308", &end) == DBL_MAX && *end == '\0', "strtod, the largest");
    ok(strtod("-0.1", NULL) == -0.1 && strtod("1e-5", NULL) == 1e-5, "strtod, exactly");
}

static void test_mathematics(void)
{
    volatile double two = 2, zero = 0, half = 0.5;

    ok(fabs(sqrt(two) - 1.4142135623730951) < 1e-15, "sqrt");
    ok(fabs(sin(half) - 0.479425538604203) < 1e-12 && fabs(cos(half) - 0.8775825618903728) < 1e-12,
       "sin, cos");
    ok(fabs(exp(two) - 7.38905609893065) < 1e-12 && fabs(log(two) - 0.6931471805599453) < 1e-12,
       "exp, log");
    ok(pow(two, 10) == 1024 && floor(-half) == -1 && ceil(half) == 1 && fmod(7, 3) == 1,
       "pow, floor, ceil, fmod");
    ok(fabs(atan2(1, 1) - 0.7853981633974483) < 1e-12 &&
           fabs(tan(half) - 0.5463024898437905) < 1e-12,
       "atan2, tan");
    ok(1 / zero > DBL_MAX && !(zero / zero == zero / zero),
       "infinity and not-a-number do not trap");
    ok((int)(half * 7) == 3 && (long long)1e15 == 1000000000000000LL, "conversions");
    ok(10000000000LL / 3 == 3333333333LL && 10000000000LL % 7 == 4, "64-bit division");
}

static void test_strings(void)
{
    char a[32] = "abc", *token;

    ok(strcmp("abc", "abd") < 0 && strncmp("abcx", "abcy", 3) == 0 && _stricmp("ABC", "abc") == 0,
       "strcmp, strncmp, _stricmp");
    strcat(a, "def");
    ok(strlen(a) == 6 && strcmp(a, "abcdef") == 0 && strchr(a, 'd') == a + 3 &&
           strrchr("a.b.c", '.') != NULL && strstr(a, "cd") == a + 2 && strchr(a, 'z') == NULL,
       "strcat, strlen, strchr, strrchr, strstr");
    memmove(a + 1, a, 5);
    ok(memcmp(a, "aabcde", 6) == 0 && memchr(a, 'c', 6) == a + 3, "memmove, memcmp, memchr");
    memset(a, 'x', 3);
    ok(strncmp(a, "xxxcde", 6) == 0 && strspn("aab", "a") == 2 && strcspn("abc", "c") == 2 &&
           strpbrk("abc", "xc") != NULL,
       "memset, strspn, strcspn, strpbrk");
    strcpy(text, "one,two;three");
    token = strtok(text, ",;");
    ok(strcmp(token, "one") == 0 && strcmp(strtok(NULL, ",;"), "two") == 0 &&
           strcmp(strtok(NULL, ",;"), "three") == 0 && strtok(NULL, ",;") == NULL,
       "strtok");
    token = _strdup("copy");
    ok(strcmp(token, "copy") == 0, "_strdup");
    free(token);
    ok(isalpha('a') && !isalpha('1') && isdigit('7') && isspace('\t') && toupper('q') == 'Q' &&
           tolower('Q') == 'q' && isxdigit('f') && !isprint(7),
       "ctype");
    ok(wcslen(L"wide") == 4 && wcscmp(L"a", L"b") < 0 && wcschr(L"xyz", L'y') != NULL,
       "wcslen, wcscmp, wcschr");
    WCHAR key[4] = {0};
    ok(wcsxfrm(key, L"ab", 4) == 2 && wcscmp(key, L"ab") == 0 && wcsxfrm(NULL, L"abc", 0) == 3,
       "wcsxfrm");
    ok(sscanf("12 abc 3.5", "%d %31s %lf", (int *)text, a, &(double){0}) == 3 &&
           *(int *)text == 12 && strcmp(a, "abc") == 0,
       "sscanf");
}

/* Blocks of many sizes, freed out of order, grown and shrunk; contents are checked. */
static void test_malloc(void)
{
    static struct {
        unsigned char *memory;
        size_t nbytes;
    } blocks[500];
    unsigned seed = 1;
    int right = 1;

    for (int step = 0; step < 30000 && right; step++) {
        seed = seed * 1103515245u + 12345u;
        unsigned i = (seed >> 16) % 500;
        size_t nbytes = (seed >> 8) % (step % 100 == 0 ? 100000 : 600) + 1;

        if (blocks[i].memory == NULL) {
            blocks[i].memory = malloc(nbytes);
            blocks[i].nbytes = nbytes;
            right = blocks[i].memory != NULL && ((size_t)blocks[i].memory & 7) == 0;
        } else {
            unsigned char *memory = blocks[i].memory;
            size_t old = blocks[i].nbytes;

            right = memory[0] == (unsigned char)i && memory[old - 1] == (unsigned char)(i ^ old);
            if (seed & 0x80) {
                memory = realloc(memory, nbytes);
                right = right && memory != NULL &&
                        (nbytes < 2 || old < 2 || memory[0] == (unsigned char)i);
                blocks[i].memory = memory;
                blocks[i].nbytes = nbytes;
            } else {
                free(memory);
                blocks[i].memory = NULL;
                continue;
            }
        }
        if (right) {
            blocks[i].memory[0] = (unsigned char)i;
            blocks[i].memory[blocks[i].nbytes - 1] = (unsigned char)(i ^ blocks[i].nbytes);
            if (blocks[i].nbytes == 1) {
                blocks[i].memory[0] = (unsigned char)(i ^ 1);
                free(blocks[i].memory);
                blocks[i].memory = NULL;
            }
        }
    }
    ok(right, "malloc, realloc, free: 30 000 in a pattern");
    for (int i = 0; i < 500; i++) {
        free(blocks[i].memory);
    }
}

static void test_heap(void)
{
    unsigned char *block = calloc(1000, 4), *large;
    HANDLE heap = HeapCreate(0, 0, 0);
    int zero = 1;

    for (int i = 0; i < 4000; i++) {
        zero = zero && block[i] == 0;
    }
    ok(block != NULL && zero, "calloc: zeroes");
    free(block);
    free(NULL);
    block = malloc(0);
    ok(block != NULL, "malloc(0): a pointer");
    free(block);
    large = malloc(3000000);
    ok(large != NULL, "malloc: 3 MB");
    memset(large, 7, 3000000);
    large = realloc(large, 5000000);
    ok(large != NULL && large[0] == 7 && large[2999999] == 7,
       "realloc: 5 MB, the contents go along");
    free(large);
    ok(malloc(0x7FFFFFFF) == NULL, "malloc: 2 GB is refused");
    block = HeapAlloc(heap, HEAP_ZERO_MEMORY, 100);
    ok(heap != NULL && block != NULL && block[99] == 0 && HeapSize(heap, 0, block) == 100,
       "HeapCreate, HeapAlloc, HeapSize");
    block = HeapReAlloc(heap, HEAP_ZERO_MEMORY, block, 5000);
    ok(block != NULL && block[4999] == 0 && HeapFree(heap, 0, block) && HeapDestroy(heap),
       "HeapReAlloc, HeapFree, HeapDestroy");
}

static void test_files(void)
{
    FILE *file = fopen(beside("text.txt"), "r");
    char line[100];
    double number = 0;
    int whole = 0;

    ok(file != NULL && fgets(line, sizeof line, file) != NULL && strcmp(line, "first line\n") == 0,
       "fopen, fgets: text mode drops the carriage return");
    if (file == NULL) {
        return;
    }
    ok(fgets(line, sizeof line, file) != NULL && strcmp(line, "second line\n") == 0,
       "fgets: the second line");
    ok(fgetc(file) == '\n' && fscanf(file, "%d %lf %31s", &whole, &number, line) == 3 &&
           whole == 42 && number == 2.5 && strcmp(line, "word") == 0,
       "fgetc, fscanf");
    ok(fgetc(file) == '\n' && ungetc('L', file) == 'L' && fgetc(file) == 'L', "ungetc");
    ok(fgets(line, sizeof line, file) != NULL && strcmp(line, "last line without an end") == 0 &&
           fgets(line, sizeof line, file) == NULL && feof(file) && !ferror(file),
       "the last line, feof");
    rewind(file);
    ok(fgetc(file) == 'f' && ftell(file) == 1, "rewind, ftell");
    fclose(file);
    file = fopen(beside("text.txt"), "rb");
    ok(fread(line, 1, 12, file) == 12 && memcmp(line, "first line\r\n", 12) == 0,
       "fread: binary mode keeps it");
    ok(fseek(file, -3, SEEK_END) == 0 && fread(line, 1, 10, file) == 3 &&
           memcmp(line, "end", 3) == 0,
       "fseek from the end");
    fclose(file);
    file = fopen(beside("text.txt"), "rb");
    ok(ungetc('q', file) == 'q' && fgetc(file) == 'q' && fgetc(file) == 'f',
       "ungetc before anything was read");
    fclose(file);
    file = fopen(beside("text.txt"), "rb");
    setvbuf(file, NULL, _IONBF, 0);
    ok(fgetc(file) == 'f' && ungetc('q', file) == 'q' && fgetc(file) == 'q' && fgetc(file) == 'i',
       "ungetc without a buffer");
    fclose(file);
    errno = 0;
    ok(fopen(beside("no-such-file.txt"), "r") == NULL && errno == ENOENT, "no such file: ENOENT");
}

static void test_large_file(void)
{
    FILE *file = fopen(beside("large.bin"), "rb");
    static unsigned char buffer[10007];
    size_t done, total = 0;
    int right = file != NULL;

    while (right && (done = fread(buffer, 1, sizeof buffer, file)) > 0) {
        for (size_t i = 0; i < done && right; i += 61) {
            right = buffer[i] == data_byte((DWORD)(total + i));
        }
        total += done;
    }
    ok(right && total == 6 * 1024 * 1024 + 100, "fread: 6 MiB, 10 007 bytes at a time");
    if (file != NULL) {
        fclose(file);
    }
}

static int compare(const void *one, const void *two)
{
    int a = *(const int *)one, b = *(const int *)two;

    return (a > b) - (a < b);
}

static void test_sorting(void)
{
    static int numbers[5000];
    unsigned seed = 7;
    int sorted = 1, key, *found;

    for (int i = 0; i < 5000; i++) {
        seed = seed * 1103515245u + 12345u;
        numbers[i] = (int)(seed >> 8) % 10000;
    }
    key = numbers[1234];
    qsort(numbers, 5000, sizeof numbers[0], compare);
    for (int i = 1; i < 5000; i++) {
        sorted = sorted && numbers[i - 1] <= numbers[i];
    }
    found = bsearch(&key, numbers, 5000, sizeof numbers[0], compare);
    ok(sorted, "qsort");
    ok(found != NULL && *found == key, "bsearch");
    srand(1);
    ok(rand() == 41 && rand() == 18467 && rand() == 6334, "rand: Microsoft's numbers");
}

static jmp_buf outer;

static void __attribute__((noinline)) deeper(int depth)
{
    volatile char room[64];

    room[0] = 17;
    if (depth > 0) {
        deeper(depth - 1);
    }
    if (room[0] == 17) {
        longjmp(outer, 17);
    }
}

static void test_setjmp(void)
{
    volatile int count = 0;
    int value = setjmp(outer);

    if (value == 0) {
        count = 1;
        deeper(20);
    }
    ok(value == 17 && count == 1, "setjmp, longjmp out of 20 calls");
    for (volatile int i = 0; i < 1000; i++) {
        if (setjmp(outer) == 0) {
            deeper(3);
        } else {
            count++;
        }
    }
    ok(count == 1001, "a thousand times");
    ok(read_fault(NULL) == AV && read_fault(text) == 0, "longjmp out of an exception");
}

static void test_time(void)
{
    time_t now = time(NULL), fixed = 86400 * 365;
    struct tm *broken = gmtime(&fixed);
    SYSTEMTIME system;
    LARGE_INTEGER one, two, frequency;
    clock_t ticks = clock();

    ok(broken->tm_year == 71 && broken->tm_mon == 0 && broken->tm_mday == 1 && broken->tm_wday == 5,
       "gmtime");
    ok(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", broken) == 19 &&
           strcmp(text, "1971-01-01 00:00:00") == 0,
       "strftime");
    GetSystemTime(&system);
    ok(now > 1700000000 && system.wYear >= 2023 && system.wMonth >= 1 && system.wMonth <= 12,
       "time, GetSystemTime: after 2023");
    ok(difftime(now, now - 5) == 5.0 && ticks >= 0, "difftime, clock");
    ok(QueryPerformanceFrequency(&frequency) && frequency.QuadPart > 0 &&
           QueryPerformanceCounter(&one),
       "QueryPerformanceCounter");
    Sleep(30);
    QueryPerformanceCounter(&two);
    ok((two.QuadPart - one.QuadPart) * 1000 / frequency.QuadPart >= 20 &&
           (two.QuadPart - one.QuadPart) * 1000 / frequency.QuadPart < 2000,
       "Sleep(30) by it");
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    signals = number;
}

/* Child: has its arguments and environment, leaves through exit. */
static void at_exit(void)
{
    tap_print("# the child's atexit function");
}

static int child(int argc, char **argv)
{
    must(argc == 4 && argv[argc] == NULL && strcmp(argv[2], "a b") == 0);
    must(strcmp(argv[3], "*.c") == 0 || argc == 4);
    must(getenv("QUIRE_CRT") != NULL && strcmp(getenv("QUIRE_CRT"), "yes") == 0);
    must(atexit(at_exit) == 0);
    exit(81);
}

static int compare_text(DWORD flags, const char *a, int na, const char *b, int nb)
{
    return CompareStringA(LOCALE_USER_DEFAULT, flags, a, na, b, nb);
}

static void test_comparing(void)
{
    ok(compare_text(0, "same", -1, "same", -1) == CSTR_EQUAL, "CompareString: equal");
    ok(compare_text(0, "a", -1, "B", -1) == CSTR_LESS_THAN &&
           compare_text(0, "c", -1, "B", -1) == CSTR_GREATER_THAN,
       "CompareString: by letters, not by codes");
    ok(compare_text(0, "a", -1, "A", -1) == CSTR_LESS_THAN, "CompareString: lower case first");
    ok(compare_text(NORM_IGNORECASE, "MiXed", -1, "mIxED", -1) == CSTR_EQUAL,
       "CompareString: no case");
    ok(compare_text(0, "abc", 2, "abd", 2) == CSTR_EQUAL &&
           compare_text(0, "ab", -1, "abc", 3) == 1,
       "CompareString: with counts");
    SetLastError(0);
    ok(compare_text(0, NULL, -1, "x", -1) == 0 && GetLastError() == ERROR_INVALID_PARAMETER,
       "CompareString: NULL");
    ok(IsProcessorFeaturePresent(PF_COMPARE_EXCHANGE_DOUBLE) &&
           IsProcessorFeaturePresent(PF_RDTSC_INSTRUCTION_AVAILABLE) &&
           IsProcessorFeaturePresent(PF_XMMI_INSTRUCTIONS_AVAILABLE),
       "IsProcessorFeaturePresent");
}

static void test_cases(void)
{
    char text[8] = "Mixed 1";
    WCHAR wide[8];
    WORD types[6];

    ok(LCMapStringA(LOCALE_USER_DEFAULT, LCMAP_UPPERCASE, text, -1, text, 8) == 8 &&
           strcmp(text, "MIXED 1") == 0,
       "LCMapString: to upper case, in place");
    ok(LCMapStringW(LOCALE_USER_DEFAULT, LCMAP_LOWERCASE, L"\x00C9T\x00C9", 3, wide, 8) == 3 &&
           memcmp(wide, L"\x00E9t\x00E9", 6) == 0,
       "LCMapString: to lower case, letters with accents too");
    ok(LCMapStringW(LOCALE_USER_DEFAULT, LCMAP_LOWERCASE, L"four", -1, NULL, 0) == 5,
       "LCMapString: how much room it takes");
    ok(FAILS(LCMapStringW(LOCALE_USER_DEFAULT, LCMAP_LOWERCASE, L"four", -1, wide, 4),
             ERROR_INSUFFICIENT_BUFFER),
       "LCMapString: not enough");
    ok(FAILS(LCMapStringW(LOCALE_USER_DEFAULT, LCMAP_LOWERCASE | LCMAP_UPPERCASE, L"x", 1, wide, 4),
             ERROR_INVALID_FLAGS) &&
           FAILS(LCMapStringW(LOCALE_USER_DEFAULT, LCMAP_UPPERCASE, NULL, 1, wide, 4),
                 ERROR_INVALID_PARAMETER),
       "LCMapString: both cases, nothing");
    ok(GetStringTypeW(CT_CTYPE1, L"aF7 .\t", 6, types) &&
           types[0] == (C1_LOWER | C1_ALPHA | C1_XDIGIT | C1_DEFINED) &&
           types[1] == (C1_UPPER | C1_ALPHA | C1_XDIGIT | C1_DEFINED) &&
           types[2] == (C1_DIGIT | C1_XDIGIT | C1_DEFINED) &&
           types[3] == (C1_SPACE | C1_BLANK | C1_DEFINED) && types[4] == (C1_PUNCT | C1_DEFINED) &&
           types[5] == (C1_SPACE | C1_CNTRL | C1_BLANK | C1_DEFINED),
       "GetStringType: kinds of characters");
}

static void test_rest(void)
{
    signal(SIGTERM, on_signal);
    raise(SIGTERM);
    ok(signals == SIGTERM, "signal, raise");
    ok(_putenv("QUIRE_CRT=yes") == 0 && strcmp(getenv("QUIRE_CRT"), "yes") == 0, "_putenv, getenv");
    ok(getenv("QUIRE_NO_SUCH") == NULL, "getenv of nothing");
    ok(run_child(FALSE, 0, "child \"a b\" last") == 81, "argv, environment, atexit, exit code");
    ok(strcmp(strerror(ENOENT), "No such file or directory") == 0, "strerror");
    ok(strchr(beside(""), '\\') != NULL && GetCommandLineA() != NULL, "GetModuleFileName");
}

int main(int argc, char **argv)
{
    tap_begin();
    if (argc > 1) {
        return child(argc, argv);
    }
    test_printf();
    test_numbers();
    test_mathematics();
    test_strings();
    test_malloc();
    test_heap();
    test_files();
    test_large_file();
    test_sorting();
    test_setjmp();
    test_time();
    test_comparing();
    test_cases();
    test_rest();
    return tap_end();
}
