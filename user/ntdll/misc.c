/*
 * user/ntdll/misc.c: bitmaps, calendar time, random numbers, checksums.
 */
#include "user/ntdll/loader.h"

#define NOT_FOUND 0xFFFFFFFFu

/*
 * Bitmaps
 */

static bool bit(const RTL_BITMAP *bitmap, ULONG index)
{
    return bitmap->Buffer[index / 32] >> index % 32 & 1;
}

void NTAPI RtlInitializeBitMap(RTL_BITMAP *bitmap, ULONG *buffer, ULONG bits)
{
    bitmap->SizeOfBitMap = bits;
    bitmap->Buffer = buffer;
}

void NTAPI RtlClearAllBits(RTL_BITMAP *bitmap)
{
    memset(bitmap->Buffer, 0, (bitmap->SizeOfBitMap + 31) / 32 * 4);
}

void NTAPI RtlSetAllBits(RTL_BITMAP *bitmap)
{
    memset(bitmap->Buffer, 0xFF, (bitmap->SizeOfBitMap + 31) / 32 * 4);
}

void NTAPI RtlSetBits(RTL_BITMAP *bitmap, ULONG start, ULONG count)
{
    for (; count > 0 && start < bitmap->SizeOfBitMap; count--, start++) {
        bitmap->Buffer[start / 32] |= 1u << start % 32;
    }
}

void NTAPI RtlClearBits(RTL_BITMAP *bitmap, ULONG start, ULONG count)
{
    for (; count > 0 && start < bitmap->SizeOfBitMap; count--, start++) {
        bitmap->Buffer[start / 32] &= ~(1u << start % 32);
    }
}

static bool are_bits(const RTL_BITMAP *bitmap, ULONG start, ULONG count, bool set)
{
    if (count == 0 || start >= bitmap->SizeOfBitMap || count > bitmap->SizeOfBitMap - start) {
        return false;
    }
    for (ULONG i = start; i < start + count; i++) {
        if (bit(bitmap, i) != set) {
            return false;
        }
    }
    return true;
}

BOOLEAN NTAPI RtlAreBitsSet(const RTL_BITMAP *bitmap, ULONG start, ULONG count)
{
    return are_bits(bitmap, start, count, true);
}

BOOLEAN NTAPI RtlAreBitsClear(const RTL_BITMAP *bitmap, ULONG start, ULONG count)
{
    return are_bits(bitmap, start, count, false);
}

static ULONG find_clear(const RTL_BITMAP *bitmap, ULONG count, ULONG from, ULONG to)
{
    ULONG run = 0;

    for (ULONG i = from; i < to; i++) {
        run = bit(bitmap, i) ? 0 : run + 1;
        if (run == count) {
            return i + 1 - count;
        }
    }
    return NOT_FOUND;
}

/* The start of COUNT clear bits, looked for from HINT on, then from the start; 0xFFFFFFFF. */
ULONG NTAPI RtlFindClearBits(const RTL_BITMAP *bitmap, ULONG count, ULONG hint)
{
    ULONG size = bitmap->SizeOfBitMap;

    if (count == 0 || count > size) {
        return count ? NOT_FOUND : 0;
    }
    hint = hint < size ? hint : 0;
    ULONG found = find_clear(bitmap, count, hint, size);
    if (found == NOT_FOUND && hint) {
        found = find_clear(bitmap, count, 0, size);
    }
    return found;
}

ULONG NTAPI RtlFindClearBitsAndSet(RTL_BITMAP *bitmap, ULONG count, ULONG hint)
{
    ULONG found = RtlFindClearBits(bitmap, count, hint);

    if (found != NOT_FOUND) {
        RtlSetBits(bitmap, found, count);
    }
    return found;
}

ULONG NTAPI RtlNumberOfSetBits(const RTL_BITMAP *bitmap)
{
    ULONG count = 0;

    for (ULONG i = 0; i < bitmap->SizeOfBitMap; i++) {
        count += bit(bitmap, i);
    }
    return count;
}

/*
 * Time: 100-nanosecond units since 1601-01-01. Years 1601 to 30827.
 */

#define TICKS_PER_MILLISECOND 10000u
#define MILLISECONDS_PER_DAY  86400000u
#define DAYS_PER_400_YEARS    146097u
#define SECONDS_1601_TO_1970  11644473600ull

static const uint16_t days_before[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
};

static unsigned is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1601-01-01 to the first day of YEAR. */
static uint32_t days_to_year(unsigned year)
{
    unsigned past = year - 1601;

    return past * 365 + past / 4 - past / 100 + past / 400;
}

void NTAPI RtlTimeToTimeFields(const LARGE_INTEGER *time, TIME_FIELDS *fields)
{
    uint64_t milliseconds = (uint64_t)time->QuadPart / TICKS_PER_MILLISECOND;
    uint32_t days = (uint32_t)(milliseconds / MILLISECONDS_PER_DAY);
    uint32_t rest = (uint32_t)(milliseconds % MILLISECONDS_PER_DAY);
    unsigned year = 1601 + (unsigned)((uint64_t)days * 400 / DAYS_PER_400_YEARS);
    unsigned month = 1;

    if (days_to_year(year) > days) {
        year--;
    } else if (days_to_year(year + 1) <= days) {
        year++;
    }
    uint32_t day = days - days_to_year(year);
    while (days_before[is_leap(year)][month] <= day) {
        month++;
    }
    fields->Year = (SHORT)year;
    fields->Month = (SHORT)month;
    fields->Day = (SHORT)(day - days_before[is_leap(year)][month - 1] + 1);
    fields->Hour = (SHORT)(rest / 3600000);
    fields->Minute = (SHORT)(rest / 60000 % 60);
    fields->Second = (SHORT)(rest / 1000 % 60);
    fields->Milliseconds = (SHORT)(rest % 1000);
    fields->Weekday = (SHORT)((days + 1) % 7); /* 1601-01-01 was a Monday */
}

BOOLEAN NTAPI RtlTimeFieldsToTime(const TIME_FIELDS *fields, LARGE_INTEGER *time)
{
    if (fields->Year < 1601 || fields->Year > 30827 || fields->Month < 1 || fields->Month > 12 ||
        fields->Hour < 0 || fields->Hour > 23 || fields->Minute < 0 || fields->Minute > 59 ||
        fields->Second < 0 || fields->Second > 59 || fields->Milliseconds < 0 ||
        fields->Milliseconds > 999 || fields->Day < 1) {
        return FALSE;
    }
    unsigned year = (unsigned)fields->Year;
    const uint16_t *before = days_before[is_leap(year)];
    if (fields->Day > before[fields->Month] - before[fields->Month - 1]) {
        return FALSE;
    }
    uint32_t days = days_to_year(year) + before[fields->Month - 1] + (uint32_t)fields->Day - 1;
    uint32_t rest =
        (((uint32_t)fields->Hour * 60 + (uint32_t)fields->Minute) * 60 + (uint32_t)fields->Second) *
            1000 +
        (uint32_t)fields->Milliseconds;
    time->QuadPart =
        (LONGLONG)(((uint64_t)days * MILLISECONDS_PER_DAY + rest) * TICKS_PER_MILLISECOND);
    return TRUE;
}

void NTAPI RtlSecondsSince1970ToTime(ULONG seconds, LARGE_INTEGER *time)
{
    time->QuadPart = (LONGLONG)((seconds + SECONDS_1601_TO_1970) * 10000000u);
}

BOOLEAN NTAPI RtlTimeToSecondsSince1970(PLARGE_INTEGER time, PULONG seconds)
{
    int64_t since = time->QuadPart / 10000000 - (int64_t)SECONDS_1601_TO_1970;

    if (since < 0 || since > UINT32_MAX) {
        return FALSE;
    }
    *seconds = (ULONG)since;
    return TRUE;
}

/*
 * Random numbers and checksums
 */

/* Lehmer's generator: 0 to 0x7FFFFFFE. */
ULONG NTAPI RtlUniform(PULONG seed)
{
    *seed = (ULONG)(((uint64_t)*seed * 0x7FFFFFED + 0x7FFFFFC3) % 0x7FFFFFFF);
    return *seed;
}

ULONG NTAPI RtlRandom(ULONG *seed)
{
    ULONG high = RtlUniform(seed);

    return (high ^ RtlUniform(seed) << 7) & 0x7FFFFFFF;
}

ULONG NTAPI RtlRandomEx(ULONG *seed)
{
    return RtlRandom(seed);
}

ULONG NTAPI RtlComputeCrc32(ULONG crc, const void *data, ULONG length)
{
    const uint8_t *at = data;

    crc = ~crc;
    for (; length > 0; length--) {
        crc ^= *at++;
        for (unsigned i = 0; i < 8; i++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}
