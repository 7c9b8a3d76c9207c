/*
 * user/msvcrt/clock.c: the time of day, broken-down time, and its text. Local time is UTC.
 */
#include "user/msvcrt/msvcrt.h"

#include <sys/timeb.h>
#include <sys/utime.h>

#define EPOCH_SECONDS 11644473600LL /* from 1601 to 1970 */
#define MAX_TIME64    32535215999LL /* 2999-12-31 23:59:59 */

static const char day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
static const char month_names[12][10] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
static char zone_name[] = "UTC";
long crt_timezone;
int crt_daylight;
long crt_dstbias;
char *crt_tzname[2] = {zone_name, zone_name};

static __int64 seconds_of(const FILETIME *time)
{
    unsigned __int64 ticks = (unsigned __int64)time->dwHighDateTime << 32 | time->dwLowDateTime;
    return (__int64)(ticks / 10000000) - EPOCH_SECONDS;
}

__int64 crt_time64(__int64 *result)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    __int64 seconds = seconds_of(&now);
    if (result) {
        *result = seconds;
    }
    return seconds;
}

long crt_time32(long *result)
{
    long seconds = (long)crt_time64(NULL);
    if (result) {
        *result = seconds;
    }
    return seconds;
}

double crt_difftime32(long a, long b)
{
    return (double)a - (double)b;
}

double crt_difftime64(__int64 a, __int64 b)
{
    return (double)(a - b);
}

clock_t clock(void)
{
    static ULONGLONG first;
    FILETIME creation, end, kernel, user;
    if (!first) {
        ULONGLONG now = GetTickCount64();
        FILETIME wall;
        GetSystemTimeAsFileTime(&wall);
        first = now;
        if (GetProcessTimes(GetCurrentProcess(), &creation, &end, &kernel, &user)) {
            ULARGE_INTEGER began = {.u = {creation.dwLowDateTime, creation.dwHighDateTime}};
            ULARGE_INTEGER is = {.u = {wall.dwLowDateTime, wall.dwHighDateTime}};
            if (began.QuadPart && is.QuadPart > began.QuadPart) {
                first -= (is.QuadPart - began.QuadPart) / 10000;
            }
        }
    }
    return (clock_t)(GetTickCount64() - first);
}

static int is_leap(__int64 year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days before each month. */
static const short month_days[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
};

/* Days from 1970-01-01 to the first of January of a year. */
static __int64 days_before(__int64 year)
{
    __int64 y = year - 1;
    return 365 * (year - 1970) + (y / 4 - 492) - (y / 100 - 19) + (y / 400 - 4);
}

static struct tm *break_down(__int64 seconds, struct tm *tm)
{
    if (seconds < -43200 || seconds > MAX_TIME64) {
        errno = EINVAL;
        return NULL;
    }
    __int64 days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    __int64 year = 1970 + days / 366;
    while (days_before(year + 1) <= days) {
        year++;
    }
    int yday = (int)(days - days_before(year)), month = 0;
    while (month_days[is_leap(year)][month + 1] <= yday) {
        month++;
    }
    tm->tm_sec = (int)(rest % 60);
    tm->tm_min = (int)(rest / 60 % 60);
    tm->tm_hour = (int)(rest / 3600);
    tm->tm_mday = yday - month_days[is_leap(year)][month] + 1;
    tm->tm_mon = month;
    tm->tm_year = (int)(year - 1900);
    tm->tm_wday = (int)((days + 4 + 7) % 7);
    tm->tm_yday = yday;
    tm->tm_isdst = 0;
    return tm;
}

struct tm *crt_gmtime64(const __int64 *time)
{
    return break_down(*time, &thread_data()->broken_down);
}

struct tm *crt_gmtime32(const long *time)
{
    return break_down(*time, &thread_data()->broken_down);
}

/* The seconds of a broken-down time, whose fields may be out of range; they come back in range. */
static __int64 put_together(struct tm *tm)
{
    __int64 year = tm->tm_year + 1900LL + tm->tm_mon / 12;
    int month = tm->tm_mon % 12;
    if (month < 0) {
        month += 12;
        year--;
    }
    __int64 days = days_before(year) + month_days[is_leap(year)][month] + tm->tm_mday - 1;
    __int64 seconds = days * 86400 + tm->tm_hour * 3600LL + tm->tm_min * 60LL + tm->tm_sec;
    if (seconds < 0 || !break_down(seconds, tm)) {
        errno = EINVAL;
        return -1;
    }
    return seconds;
}

__int64 crt_mktime64(struct tm *tm)
{
    return put_together(tm);
}

long crt_mktime32(struct tm *tm)
{
    __int64 seconds = put_together(tm);
    return seconds > LONG_MAX ? -1 : (long)seconds;
}

static char *put_two(char *to, int value)
{
    *to++ = (char)('0' + value / 10 % 10);
    *to++ = (char)('0' + value % 10);
    return to;
}

char *asctime(const struct tm *tm)
{
    char *text = thread_data()->time_text, *to = text;
    if (tm->tm_wday < 0 || tm->tm_wday > 6 || tm->tm_mon < 0 || tm->tm_mon > 11) {
        errno = EINVAL;
        return NULL;
    }
    memcpy(to, day_names[tm->tm_wday], 3);
    to[3] = ' ';
    memcpy(to + 4, month_names[tm->tm_mon], 3);
    to[7] = ' ';
    to = put_two(to + 8, tm->tm_mday);
    *to++ = ' ';
    to = put_two(to, tm->tm_hour);
    *to++ = ':';
    to = put_two(to, tm->tm_min);
    *to++ = ':';
    to = put_two(to, tm->tm_sec);
    *to++ = ' ';
    to = put_two(to, (tm->tm_year + 1900) / 100);
    to = put_two(to, (tm->tm_year + 1900) % 100);
    *to++ = '\n';
    *to = 0;
    return text;
}

wchar_t *_wasctime(const struct tm *tm)
{
    const char *text = asctime(tm);
    wchar_t *wide = thread_data()->wide_time_text;
    if (!text) {
        return NULL;
    }
    mbstowcs(wide, text, 26);
    return wide;
}

char *crt_ctime64(const __int64 *time)
{
    struct tm *tm = crt_gmtime64(time);
    return tm ? asctime(tm) : NULL;
}

char *crt_ctime32(const long *time)
{
    struct tm *tm = crt_gmtime32(time);
    return tm ? asctime(tm) : NULL;
}

/* Where strftime puts its text. */
struct output {
    char *to;
    size_t left;
    int full;
};

static void put_text(struct output *out, const char *text)
{
    for (; *text; text++) {
        if (out->left <= 1) {
            out->full = 1;
            return;
        }
        *out->to++ = *text;
        out->left--;
    }
}

static void put_decimal(struct output *out, int value, int width)
{
    char text[16];
    int at = 15;
    text[15] = 0;
    for (; value || width > 0; value /= 10, width--) {
        text[--at] = (char)('0' + value % 10);
    }
    put_text(out, text + at);
}

static void put_week(struct output *out, const struct tm *tm, int first_day)
{
    put_decimal(out, (tm->tm_yday + 7 - (tm->tm_wday - first_day + 7) % 7) / 7, 2);
}

static void put_date(struct output *out, const struct tm *tm, int plain)
{
    put_decimal(out, tm->tm_mon + 1, 2);
    put_text(out, "/");
    put_decimal(out, tm->tm_mday, 2);
    put_text(out, "/");
    put_decimal(out, tm->tm_year % 100, 2);
    if (plain) {
        return;
    }
    put_text(out, " ");
}

static void put_time(struct output *out, const struct tm *tm)
{
    put_decimal(out, tm->tm_hour, 2);
    put_text(out, ":");
    put_decimal(out, tm->tm_min, 2);
    put_text(out, ":");
    put_decimal(out, tm->tm_sec, 2);
}

/* One conversion; 0 when there is none of that letter. */
static int put_field(struct output *out, const struct tm *tm, char letter)
{
    char three[4] = {0};
    switch (letter) {
    case 'a':
        put_text(out, memcpy(three, day_names[tm->tm_wday % 7], 3));
        break;
    case 'A':
        put_text(out, day_names[tm->tm_wday % 7]);
        break;
    case 'b':
        put_text(out, memcpy(three, month_names[tm->tm_mon % 12], 3));
        break;
    case 'B':
        put_text(out, month_names[tm->tm_mon % 12]);
        break;
    case 'c':
        put_date(out, tm, 0);
        put_time(out, tm);
        break;
    case 'd':
        put_decimal(out, tm->tm_mday, 2);
        break;
    case 'H':
        put_decimal(out, tm->tm_hour, 2);
        break;
    case 'I':
        put_decimal(out, tm->tm_hour % 12 ? tm->tm_hour % 12 : 12, 2);
        break;
    case 'j':
        put_decimal(out, tm->tm_yday + 1, 3);
        break;
    case 'm':
        put_decimal(out, tm->tm_mon + 1, 2);
        break;
    case 'M':
        put_decimal(out, tm->tm_min, 2);
        break;
    case 'p':
        put_text(out, tm->tm_hour < 12 ? "AM" : "PM");
        break;
    case 'S':
        put_decimal(out, tm->tm_sec, 2);
        break;
    case 'U':
        put_week(out, tm, 0);
        break;
    case 'W':
        put_week(out, tm, 1);
        break;
    case 'w':
        put_decimal(out, tm->tm_wday, 1);
        break;
    case 'x':
        put_date(out, tm, 1);
        break;
    case 'X':
        put_time(out, tm);
        break;
    case 'y':
        put_decimal(out, tm->tm_year % 100, 2);
        break;
    case 'Y':
        put_decimal(out, tm->tm_year + 1900, 4);
        break;
    case 'z':
    case 'Z':
        put_text(out, zone_name);
        break;
    case '%':
        put_text(out, "%");
        break;
    default:
        return 0;
    }
    return 1;
}

size_t strftime(char *buffer, size_t size, const char *format, const struct tm *tm)
{
    struct output out = {buffer, size, 0};
    for (; *format && !out.full; format++) {
        if (*format == '%' && format[1]) {
            format += format[1] == '#' ? 2 : 1;
            if (!put_field(&out, tm, *format)) {
                break;
            }
        } else {
            char one[2] = {*format, 0};
            put_text(&out, one);
        }
    }
    if (out.full || !size) {
        if (size) {
            buffer[0] = 0;
        }
        errno = ERANGE;
        return 0;
    }
    *out.to = 0;
    return (size_t)(out.to - buffer);
}

size_t wcsftime(wchar_t *buffer, size_t size, const wchar_t *format, const struct tm *tm)
{
    char *narrow_format = narrow(format), *text = malloc(size + 1);
    size_t n = narrow_format && text ? strftime(text, size, narrow_format, tm) : 0;
    if (size) {
        buffer[0] = 0;
    }
    if (n) {
        mbstowcs(buffer, text, size);
    }
    free(narrow_format);
    free(text);
    return n;
}

void crt_tzset(void)
{
}

void crt_ftime64(struct __timeb64 *time)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    unsigned __int64 ticks = (unsigned __int64)now.dwHighDateTime << 32 | now.dwLowDateTime;
    time->time = seconds_of(&now);
    time->millitm = (unsigned short)(ticks / 10000 % 1000);
    time->timezone = 0;
    time->dstflag = 0;
}

void crt_ftime32(struct __timeb32 *time)
{
    struct __timeb64 wide;
    crt_ftime64(&wide);
    time->time = (long)wide.time;
    time->millitm = wide.millitm;
    time->timezone = 0;
    time->dstflag = 0;
}

char *_strdate(char *buffer)
{
    __int64 now = crt_time64(NULL);
    struct tm tm;
    break_down(now, &tm);
    strftime(buffer, 9, "%m/%d/%y", &tm);
    return buffer;
}

char *_strtime(char *buffer)
{
    __int64 now = crt_time64(NULL);
    struct tm tm;
    break_down(now, &tm);
    strftime(buffer, 9, "%H:%M:%S", &tm);
    return buffer;
}

static FILETIME file_time(__int64 seconds)
{
    unsigned __int64 ticks = (unsigned __int64)(seconds + EPOCH_SECONDS) * 10000000;
    return (FILETIME){(DWORD)ticks, (DWORD)(ticks >> 32)};
}

/* Sets the times of an open file; 0, or -1 with errno. */
static int set_times(HANDLE file, __int64 access_time, __int64 write_time)
{
    FILETIME access = file_time(access_time), write = file_time(write_time);
    return SetFileTime(file, NULL, &access, &write) ? 0 : fail_win32();
}

static int set_times_of(const wchar_t *path, __int64 access_time, __int64 write_time)
{
    HANDLE file = CreateFileW(path, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        return fail_win32();
    }
    int result = set_times(file, access_time, write_time);
    CloseHandle(file);
    return result;
}

/* By descriptor, by path: in the two widths of times. NULL is now. */
#define UTIME_FUNCTIONS(bits)                                                                      \
    int crt_futime##bits(int fd, const struct __utimbuf##bits *times)                              \
    {                                                                                              \
        __int64 now = crt_time64(NULL);                                                            \
        if (!is_descriptor(fd)) {                                                                  \
            return fail_with(EBADF);                                                               \
        }                                                                                          \
        return set_times(descriptors[fd].handle, times ? times->actime : now,                      \
                         times ? times->modtime : now);                                            \
    }                                                                                              \
    int crt_wutime##bits(const wchar_t *path, const struct __utimbuf##bits *times)                 \
    {                                                                                              \
        __int64 now = crt_time64(NULL);                                                            \
        return set_times_of(path, times ? times->actime : now, times ? times->modtime : now);      \
    }                                                                                              \
    int crt_utime##bits(const char *path, const struct __utimbuf##bits *times)                     \
    {                                                                                              \
        wchar_t *wide = widen(path);                                                               \
        int result = wide ? crt_wutime##bits(wide, times) : -1;                                    \
        free(wide);                                                                                \
        return result;                                                                             \
    }
UTIME_FUNCTIONS(32)
UTIME_FUNCTIONS(64)

int *__p__daylight(void)
{
    return &crt_daylight;
}

long *__p__dstbias(void)
{
    return &crt_dstbias;
}

long *__p__timezone(void)
{
    return &crt_timezone;
}

char **__p__tzname(void)
{
    return crt_tzname;
}
