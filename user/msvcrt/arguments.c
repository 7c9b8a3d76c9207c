/*
 * user/msvcrt/arguments.c: argc and argv out of the command line, by Microsoft's rules.
 *
 * Words end at blanks outside quotes. 2n backslashes before a quote are n backslashes and the quote
 * delimits; 2n+1 are n backslashes and a quote that is taken. Two quotes inside quotes are one. In
 * the first word (the program) backslashes mean nothing. Wild cards are left alone unless asked
 * for; then a word with * or ? outside quotes becomes the names that it matches.
 */
#include "user/msvcrt/msvcrt.h"

int crt_argc;
char **crt_argv;
wchar_t **crt_wargv;
char *crt_acmdln;
wchar_t *crt_wcmdln;
char *crt_pgmptr;
wchar_t *crt_wpgmptr;
char **crt_initenv;
wchar_t **crt_winitenv;

/* A list of words that grows; wild[i] tells of a wild card outside quotes. */
struct words {
    wchar_t **list;
    unsigned char *wild;
    int count;
    int room;
};

static int add_word(struct words *w, wchar_t *word, int wild)
{
    if (w->count + 2 > w->room) {
        int room = w->room ? 2 * w->room : 16;
        wchar_t **list = realloc(w->list, (size_t)room * sizeof(*list));
        unsigned char *flags = list ? realloc(w->wild, (size_t)room) : NULL;
        w->list = list ? list : w->list;
        if (!flags) {
            return 0;
        }
        w->wild = flags;
        w->room = room;
    }
    w->list[w->count] = word;
    w->wild[w->count++] = (unsigned char)wild;
    w->list[w->count] = NULL;
    return 1;
}

/* Takes one word from the line to `to`; returns where the line goes on. */
static const wchar_t *take_word(const wchar_t *s, wchar_t *to, int program, int *wild)
{
    int quoted = 0;
    *wild = 0;
    while (*s && (quoted || (*s != ' ' && *s != '\t'))) {
        size_t slashes = 0;
        while (!program && s[slashes] == '\\') {
            slashes++;
        }
        if (slashes) {
            int before_quote = s[slashes] == '"';
            for (size_t i = 0; i < (before_quote ? slashes / 2 : slashes); i++) {
                *to++ = '\\';
            }
            s += slashes;
            if (before_quote && (slashes & 1)) {
                *to++ = *s++;
            }
        } else if (*s == '"') {
            if (!program && quoted && s[1] == '"') {
                *to++ = '"';
                s++;
            } else {
                quoted = !quoted;
            }
            s++;
        } else {
            *wild |= !quoted && (*s == '*' || *s == '?');
            *to++ = *s++;
        }
    }
    *to = 0;
    return s;
}

static int split(struct words *w, const wchar_t *line)
{
    wchar_t *room = malloc((wcslen(line) + 2) * 2 * sizeof(wchar_t));
    if (!room) {
        return 0;
    }
    const wchar_t *s = line;
    do {
        int wild;
        s = take_word(s, room, !w->count, &wild);
        if (!add_word(w, room, wild)) {
            return 0;
        }
        room += wcslen(room) + 1;
        while (*s == ' ' || *s == '\t') {
            s++;
        }
    } while (*s);
    return 1;
}

/* Adds the names that a pattern matches, or the pattern when there are none. */
static int add_matches(struct words *w, wchar_t *pattern)
{
    WIN32_FIND_DATAW data;
    HANDLE find = FindFirstFileW(pattern, &data);
    if (find == INVALID_HANDLE_VALUE) {
        return add_word(w, pattern, 0);
    }
    size_t directory = wcslen(pattern);
    while (directory && !wcschr(L"\\/:", pattern[directory - 1])) {
        directory--;
    }
    int added = 0, good = 1;
    do {
        if (wcscmp(data.cFileName, L".") && wcscmp(data.cFileName, L"..")) {
            wchar_t *name = malloc((directory + wcslen(data.cFileName) + 1) * sizeof(wchar_t));
            good = name != NULL;
            if (good) {
                memcpy(name, pattern, directory * sizeof(wchar_t));
                wcscpy(name + directory, data.cFileName);
                good = add_word(w, name, 0);
                added++;
            }
        }
    } while (good && FindNextFileW(find, &data));
    FindClose(find);
    return good && (added || add_word(w, pattern, 0));
}

static int make_arguments(int expand)
{
    struct words plain = {0}, full = {0};
    if (!split(&plain, crt_wcmdln)) {
        return 0;
    }
    for (int i = 0; i < plain.count && expand; i++) {
        if (!(i && plain.wild[i] ? add_matches(&full, plain.list[i])
                                 : add_word(&full, plain.list[i], 0))) {
            return 0;
        }
    }
    struct words *w = expand ? &full : &plain;
    char **narrow_list = calloc((size_t)w->count + 1, sizeof(char *));
    if (!narrow_list) {
        return 0;
    }
    for (int i = 0; i < w->count; i++) {
        narrow_list[i] = narrow(w->list[i]);
        if (!narrow_list[i]) {
            return 0;
        }
    }
    crt_argc = w->count;
    crt_wargv = w->list;
    crt_argv = narrow_list;
    return 1;
}

int arguments_start(void)
{
    wchar_t program[MAX_PATH];
    crt_wcmdln = GetCommandLineW();
    crt_acmdln = narrow(crt_wcmdln);
    GetModuleFileNameW(NULL, program, MAX_PATH);
    crt_wpgmptr = _wcsdup(program);
    crt_pgmptr = narrow(program);
    return crt_acmdln && crt_wpgmptr && crt_pgmptr && make_arguments(0);
}

int __getmainargs(int *argc, char ***argv, char ***environment, int expand, int *startup)
{
    (void)startup;
    if (expand && !make_arguments(1)) {
        return -1;
    }
    *argc = crt_argc;
    *argv = crt_argv;
    *environment = environment_narrow();
    crt_initenv = *environment;
    return 0;
}

int __wgetmainargs(int *argc, wchar_t ***argv, wchar_t ***environment, int expand, int *startup)
{
    (void)startup;
    if (expand && !make_arguments(1)) {
        return -1;
    }
    *argc = crt_argc;
    *argv = crt_wargv;
    *environment = environment_wide();
    crt_winitenv = *environment;
    return 0;
}

int *__p___argc(void)
{
    return &crt_argc;
}

char ***__p___argv(void)
{
    return &crt_argv;
}

wchar_t ***__p___wargv(void)
{
    return &crt_wargv;
}

char **__p__acmdln(void)
{
    return &crt_acmdln;
}

wchar_t **__p__wcmdln(void)
{
    return &crt_wcmdln;
}

char **__p__pgmptr(void)
{
    return &crt_pgmptr;
}

wchar_t **__p__wpgmptr(void)
{
    return &crt_wpgmptr;
}

char ***__p___initenv(void)
{
    return &crt_initenv;
}

wchar_t ***__p___winitenv(void)
{
    return &crt_winitenv;
}
