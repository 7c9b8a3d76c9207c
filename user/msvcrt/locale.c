/*
 * user/msvcrt/locale.c: the locale: there is the "C" locale, and it says so.
 */
#include "user/msvcrt/msvcrt.h"

#include <locale.h>

static char point[] = ".", empty[] = "";
static wchar_t wide_point[] = L".", wide_empty[] = L"";
static struct lconv c_locale = {
    .decimal_point = point,
    .thousands_sep = empty,
    .grouping = empty,
    .int_curr_symbol = empty,
    .currency_symbol = empty,
    .mon_decimal_point = empty,
    .mon_thousands_sep = empty,
    .mon_grouping = empty,
    .positive_sign = empty,
    .negative_sign = empty,
    .int_frac_digits = CHAR_MAX,
    .frac_digits = CHAR_MAX,
    .p_cs_precedes = CHAR_MAX,
    .p_sep_by_space = CHAR_MAX,
    .n_cs_precedes = CHAR_MAX,
    .n_sep_by_space = CHAR_MAX,
    .p_sign_posn = CHAR_MAX,
    .n_sign_posn = CHAR_MAX,
    ._W_decimal_point = wide_point,
    ._W_thousands_sep = wide_empty,
    ._W_int_curr_symbol = wide_empty,
    ._W_currency_symbol = wide_empty,
    ._W_mon_decimal_point = wide_empty,
    ._W_mon_thousands_sep = wide_empty,
    ._W_positive_sign = wide_empty,
    ._W_negative_sign = wide_empty,
};
int crt_lc_codepage;
int crt_lc_collate_cp;

/* Asking works; so does choosing "C"; any other locale is not there. */
char *setlocale(int category, const char *name)
{
    static char c_name[] = "C";
    if (category < LC_MIN || category > LC_MAX) {
        return NULL;
    }
    if (!name || !*name || !strcmp(name, "C") || !strcmp(name, "POSIX")) {
        return c_name;
    }
    return NULL;
}

wchar_t *_wsetlocale(int category, const wchar_t *name)
{
    static wchar_t c_name[] = L"C";
    char *text = name ? narrow(name) : NULL;
    wchar_t *result = (text || !name) && setlocale(category, text) ? c_name : NULL;
    free(text);
    return result;
}

struct lconv *localeconv(void)
{
    return &c_locale;
}

int __lconv_init(void)
{
    c_locale.int_frac_digits = (char)UCHAR_MAX;
    c_locale.frac_digits = (char)UCHAR_MAX;
    c_locale.p_cs_precedes = (char)UCHAR_MAX;
    c_locale.p_sep_by_space = (char)UCHAR_MAX;
    c_locale.n_cs_precedes = (char)UCHAR_MAX;
    c_locale.n_sep_by_space = (char)UCHAR_MAX;
    c_locale.p_sign_posn = (char)UCHAR_MAX;
    c_locale.n_sign_posn = (char)UCHAR_MAX;
    return 0;
}

int _configthreadlocale(int type)
{
    return type == 0 || type == 2 ? 2 : -1; /* one locale for the process */
}

int _getmbcp(void)
{
    return 0;
}

int _setmbcp(int code_page)
{
    return code_page == 0 || code_page == -2 || code_page == -3 || code_page == -4 ? 0 : -1;
}

int _ismbblead(unsigned c)
{
    (void)c;
    return 0;
}

int _ismbbtrail(unsigned c)
{
    (void)c;
    return 0;
}
