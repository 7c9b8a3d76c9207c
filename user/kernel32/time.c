/*
 * user/kernel32/time.c: the time of day, ticks, and the forms of a time.
 *
 * The clock is UTC and so is local time: there is no time zone. A FILETIME counts 100 ns since
 * 1601-01-01. The page at 0x7FFE0000 holds the times that are cheap to read.
 */
#include "abi/quire.h"
#include "user/kernel32/kernel32.h"

#define TICKS_PER_SECOND 10000000
#define TICKS_PER_DAY    (86400LL * TICKS_PER_SECOND)
#define DOS_EPOCH_YEAR   1980

static const volatile struct nt_shared_data *shared(void)
{
    const volatile struct nt_shared_data *page;
    __asm__("movl %1, %0" : "=r"(page) : "i"(QUIRE_SHARED_PAGE));
    return page;
}

static LONGLONG read_time(const volatile struct nt_system_time *time)
{
    LONG high;
    ULONG low;
    do {
        high = time->high1;
        low = time->low;
    } while (high != time->high2);
    return (LONGLONG)high << 32 | low;
}

static LONGLONG number_of(const FILETIME *time)
{
    return (LONGLONG)((ULONGLONG)time->dwHighDateTime << 32 | time->dwLowDateTime);
}

static FILETIME file_time(LONGLONG number)
{
    return (FILETIME){(DWORD)number, (DWORD)((ULONGLONG)number >> 32)};
}

void WINAPI GetSystemTimeAsFileTime(FILETIME *time)
{
    *time = file_time(read_time(&shared()->system_time));
}

void WINAPI GetSystemTimePreciseAsFileTime(FILETIME *time)
{
    LARGE_INTEGER now;
    NtQuerySystemTime(&now);
    *time = file_time(now.QuadPart);
}

ULONGLONG WINAPI GetTickCount64(void)
{
    return (ULONGLONG)read_time(&shared()->interrupt_time) / 10000;
}

DWORD WINAPI GetTickCount(void)
{
    return (DWORD)GetTickCount64();
}

/* Kernel time contains the idle time, as it does in NT. */
BOOL WINAPI GetSystemTimes(FILETIME *idle, FILETIME *kernel, FILETIME *user)
{
    struct nt_system_processor_performance processors[MAXIMUM_PROCESSORS];
    LONGLONG sums[3] = {0, 0, 0};
    ULONG nbytes = 0;
    NTSTATUS status =
        NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)NT_SYSTEM_PROCESSOR_PERFORMANCE,
                                 processors, sizeof(processors), &nbytes);
    if (!NT_SUCCESS(status)) {
        return finish(status);
    }
    for (ULONG i = 0; i < nbytes / sizeof(processors[0]); i++) {
        sums[0] += processors[i].idle_time;
        sums[1] += processors[i].kernel_time;
        sums[2] += processors[i].user_time;
    }
    FILETIME *const answers[] = {idle, kernel, user};
    for (ULONG i = 0; i < COUNT_OF(answers); i++) {
        if (answers[i]) {
            *answers[i] = file_time(sums[i]);
        }
    }
    return TRUE;
}

BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *counter)
{
    return finish(NtQueryPerformanceCounter(counter, NULL));
}

BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *frequency)
{
    LARGE_INTEGER counter;
    return finish(NtQueryPerformanceCounter(&counter, frequency));
}

/* Days since 1601-01-01 of a date of the Gregorian calendar, and back. */
static LONG days_of(LONG year, LONG month, LONG day)
{
    if (month <= 2) {
        year--;
        month += 12;
    }
    LONG y = year - 1600;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 306;
}

static void date_of(LONG days, SYSTEMTIME *time)
{
    LONG z = days + 306; /* from 1600-03-01 */
    LONG era = z / 146097, rest = z % 146097;
    LONG year = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
    LONG day = rest - (365 * year + year / 4 - year / 100);
    LONG month = (5 * day + 2) / 153;
    time->wDay = (WORD)(day - (153 * month + 2) / 5 + 1);
    time->wMonth = (WORD)(month < 10 ? month + 3 : month - 9);
    time->wYear = (WORD)(1600 + era * 400 + year + (month >= 10));
    time->wDayOfWeek = (WORD)((days + 1) % 7); /* 1601-01-01 was a Monday */
}

BOOL WINAPI FileTimeToSystemTime(const FILETIME *file, SYSTEMTIME *time)
{
    LONGLONG number = number_of(file);
    if (number < 0) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    LONG seconds = (LONG)(number % TICKS_PER_DAY / TICKS_PER_SECOND);
    date_of((LONG)(number / TICKS_PER_DAY), time);
    time->wHour = (WORD)(seconds / 3600);
    time->wMinute = (WORD)(seconds / 60 % 60);
    time->wSecond = (WORD)(seconds % 60);
    time->wMilliseconds = (WORD)(number / 10000 % 1000);
    return TRUE;
}

static LONG days_in(LONG year, LONG month)
{
    static const BYTE days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    BOOL leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

BOOL WINAPI SystemTimeToFileTime(const SYSTEMTIME *time, FILETIME *file)
{
    if (time->wYear < 1601 || time->wYear > 30827 || time->wMonth < 1 || time->wMonth > 12 ||
        time->wDay < 1 || time->wDay > days_in(time->wYear, time->wMonth) || time->wHour > 23 ||
        time->wMinute > 59 || time->wSecond > 59 || time->wMilliseconds > 999) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    LONGLONG seconds = days_of(time->wYear, time->wMonth, time->wDay) * 86400LL +
                       time->wHour * 3600 + time->wMinute * 60 + time->wSecond;
    *file = file_time(seconds * TICKS_PER_SECOND + time->wMilliseconds * 10000LL);
    return TRUE;
}

void WINAPI GetSystemTime(SYSTEMTIME *time)
{
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    FileTimeToSystemTime(&now, time);
}

void WINAPI GetLocalTime(SYSTEMTIME *time)
{
    GetSystemTime(time);
}

BOOL WINAPI FileTimeToLocalFileTime(const FILETIME *file, FILETIME *local)
{
    *local = *file;
    return TRUE;
}

BOOL WINAPI LocalFileTimeToFileTime(const FILETIME *local, FILETIME *file)
{
    *file = *local;
    return TRUE;
}

BOOL WINAPI SystemTimeToTzSpecificLocalTime(const TIME_ZONE_INFORMATION *zone,
                                            const SYSTEMTIME *time, SYSTEMTIME *local)
{
    if (zone && (zone->Bias || zone->DaylightDate.wMonth)) {
        return fail(ERROR_CALL_NOT_IMPLEMENTED);
    }
    *local = *time;
    return TRUE;
}

LONG WINAPI CompareFileTime(const FILETIME *a, const FILETIME *b)
{
    LONGLONG x = number_of(a), y = number_of(b);
    return x < y ? -1 : x > y;
}

BOOL WINAPI FileTimeToDosDateTime(const FILETIME *file, WORD *date, WORD *time)
{
    SYSTEMTIME t;
    if (!FileTimeToSystemTime(file, &t)) {
        return FALSE;
    }
    if (t.wYear < DOS_EPOCH_YEAR || t.wYear > DOS_EPOCH_YEAR + 127) {
        return fail(ERROR_INVALID_PARAMETER);
    }
    *date = (WORD)((t.wYear - DOS_EPOCH_YEAR) << 9 | t.wMonth << 5 | t.wDay);
    *time = (WORD)(t.wHour << 11 | t.wMinute << 5 | t.wSecond / 2);
    return TRUE;
}

BOOL WINAPI DosDateTimeToFileTime(WORD date, WORD time, FILETIME *file)
{
    SYSTEMTIME t = {
        .wYear = (WORD)(DOS_EPOCH_YEAR + (date >> 9)),
        .wMonth = date >> 5 & 15,
        .wDay = date & 31,
        .wHour = time >> 11,
        .wMinute = time >> 5 & 63,
        .wSecond = (WORD)((time & 31) * 2),
    };
    return SystemTimeToFileTime(&t, file);
}

DWORD WINAPI GetTimeZoneInformation(TIME_ZONE_INFORMATION *zone)
{
    memset(zone, 0, sizeof(*zone));
    lstrcpyW(zone->StandardName, L"UTC");
    lstrcpyW(zone->DaylightName, L"UTC");
    return TIME_ZONE_ID_UNKNOWN;
}

BOOL WINAPI GetSystemTimeAdjustment(DWORD *adjustment, DWORD *increment, BOOL *disabled)
{
    *adjustment = *increment = 156250;
    *disabled = TRUE;
    return TRUE;
}

BOOL WINAPI IsProcessorFeaturePresent(DWORD feature)
{
    return feature < 64 && shared()->processor_features[feature];
}
