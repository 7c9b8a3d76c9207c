/*
 * kernel/x86/clock.c: time: the time-stamp counter, measured once against the interval timer, and
 * the battery-backed clock for the time of day.
 *
 * Nanoseconds are ticks * scale / 2^shift; the scale keeps 32 bits, so the product of the low half
 * fits 64. One CPU runs, so the counter never goes back.
 */
#include "kernel/clock.h"

#include "kernel/port.h"
#include "kernel/x86/x86.h"
#include "quire/assert.h"

/* The interval timer's channel 2 (Intel 8254), which interrupts nobody. */
#define PIT_HZ             1193182u
#define PIT_CHANNEL2       0x42u
#define PIT_COMMAND        0x43u
#define PIT_MODE0          0xB0u /* channel 2, both bytes, count down once */
#define PIT_LATCH          0x80u
#define PIT_GATE           0x61u
#define PIT_GATE_ON        1u
#define PIT_SPEAKER        2u
#define MEASURE_COUNTS     11932u /* 10 ms */
#define MEASURE_COUNTS_MAX 60000u
#define SAMPLE_TRIES       8u

#define RTC_INDEX    0x70u
#define RTC_DATA     0x71u
#define RTC_SECOND   0u
#define RTC_MINUTE   2u
#define RTC_HOUR     4u
#define RTC_DAY      7u
#define RTC_MONTH    8u
#define RTC_YEAR     9u
#define RTC_STATUS_A 10u
#define RTC_STATUS_B 11u
#define RTC_UPDATING 0x80u
#define RTC_24_HOURS 2u
#define RTC_BINARY   4u
#define RTC_PM       0x80u

#define SYSTEM_UNITS_PER_S 10000000ll
#define DAYS_1601_TO_1970  134774

static uint64_t tsc_start;
static uint64_t tsc_frequency;
static uint32_t scale;
static uint32_t scale_shift;
static int64_t system_start; /* system time when the clock was 0 */

/* ---- the counter ---- */

struct sample {
    uint64_t tsc;
    uint32_t counts; /* since the timer was started */
};

static uint32_t pit_read(void)
{
    port_write8(PIT_COMMAND, PIT_LATCH);
    uint32_t low = port_read8(PIT_CHANNEL2);
    return 0xFFFFu - (low | (uint32_t)port_read8(PIT_CHANNEL2) << 8);
}

/* Both counters as nearly at once as eight tries give: a virtual CPU may be stopped at any time. */
static struct sample sample_take(void)
{
    struct sample best = {0};
    uint64_t best_span = UINT64_MAX;
    for (uint32_t i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = read_tsc();
        uint32_t counts = pit_read();
        uint64_t after = read_tsc();
        if (after - before < best_span) {
            best_span = after - before;
            best = (struct sample){before + best_span / 2, counts};
        }
    }
    return best;
}

/* One measurement over 10 ms or more; 0 when the timer may have run out meanwhile. */
static uint64_t measure_once(void)
{
    port_write8(PIT_GATE, (uint8_t)((port_read8(PIT_GATE) & ~PIT_SPEAKER) | PIT_GATE_ON));
    port_write8(PIT_COMMAND, PIT_MODE0);
    port_write8(PIT_CHANNEL2, 0xFF);
    port_write8(PIT_CHANNEL2, 0xFF);
    struct sample first = sample_take();
    struct sample last;
    do {
        last = sample_take();
    } while (last.counts - first.counts < MEASURE_COUNTS);
    uint32_t counts = last.counts - first.counts;
    if (counts > MEASURE_COUNTS_MAX) {
        return 0;
    }
    return (last.tsc - first.tsc) * PIT_HZ / counts;
}

static bool is_near(uint64_t a, uint64_t b)
{
    uint64_t distance = a > b ? a - b : b - a;
    return distance < a / 128;
}

/* Two measurements in a row that agree within 1 %; after some tries, whatever came last. */
static uint64_t measure_frequency(void)
{
    uint64_t last = measure_once();
    for (uint32_t i = 0; i < 10; i++) {
        uint64_t next = measure_once();
        if (last != 0 && next != 0 && is_near(last, next)) {
            return (last + next) / 2;
        }
        last = next != 0 ? next : last;
    }
    return last != 0 ? last : (uint64_t)NS_PER_S;
}

static void set_scale(void)
{
    scale_shift = 31;
    while ((uint64_t)NS_PER_S << scale_shift >= tsc_frequency << 32) {
        scale_shift--;
    }
    scale = (uint32_t)(((uint64_t)NS_PER_S << scale_shift) / tsc_frequency);
}

int64_t clock_now(void)
{
    uint64_t ticks = read_tsc() - tsc_start;
    uint64_t low = (uint64_t)(uint32_t)ticks * scale >> scale_shift;
    uint64_t high = ((ticks >> 32) * scale << 1) << (31 - scale_shift);
    return (int64_t)(low + high);
}

uint64_t clock_tsc_frequency(void)
{
    return tsc_frequency;
}

void clock_spin(int64_t ns)
{
    int64_t end = clock_now() + ns;
    while (clock_now() < end) {
        __builtin_ia32_pause();
    }
}

/* ---- the time of day ---- */

struct date {
    uint32_t second, minute, hour, day, month, year;
};

static uint8_t rtc_read(uint8_t index)
{
    port_write8(RTC_INDEX, index);
    return port_read8(RTC_DATA);
}

static uint32_t from_bcd(uint32_t value)
{
    return (value >> 4) * 10 + (value & 15u);
}

static struct date rtc_read_raw(void)
{
    while ((rtc_read(RTC_STATUS_A) & RTC_UPDATING) != 0) {
        __builtin_ia32_pause();
    }
    return (struct date){
        .second = rtc_read(RTC_SECOND),
        .minute = rtc_read(RTC_MINUTE),
        .hour = rtc_read(RTC_HOUR),
        .day = rtc_read(RTC_DAY),
        .month = rtc_read(RTC_MONTH),
        .year = rtc_read(RTC_YEAR),
    };
}

static bool date_is_equal(const struct date *a, const struct date *b)
{
    return a->second == b->second && a->minute == b->minute && a->hour == b->hour &&
           a->day == b->day && a->month == b->month && a->year == b->year;
}

/* Reads until two readings agree: an update may come between two registers. */
static struct date rtc_read_date(void)
{
    struct date last = rtc_read_raw();
    struct date date = rtc_read_raw();
    while (!date_is_equal(&last, &date)) {
        last = date;
        date = rtc_read_raw();
    }
    uint8_t mode = rtc_read(RTC_STATUS_B);
    bool is_pm = (mode & RTC_24_HOURS) == 0 && (date.hour & RTC_PM) != 0;
    date.hour &= (mode & RTC_24_HOURS) == 0 ? 0x7Fu : 0xFFu;
    if ((mode & RTC_BINARY) == 0) {
        date.second = from_bcd(date.second);
        date.minute = from_bcd(date.minute);
        date.hour = from_bcd(date.hour);
        date.day = from_bcd(date.day);
        date.month = from_bcd(date.month);
        date.year = from_bcd(date.year);
    }
    if ((mode & RTC_24_HOURS) == 0) {
        date.hour = date.hour % 12 + (is_pm ? 12 : 0);
    }
    date.year += 2000;
    return date;
}

/* Days from 1970-01-01; years count from March, so that the leap day is the last of a year. */
static int64_t days_since_1970(const struct date *date)
{
    uint32_t year = date->month <= 2 ? date->year - 1 : date->year;
    uint32_t month = (date->month + 9) % 12;
    uint32_t day_of_year = (153 * month + 2) / 5 + date->day - 1;
    return (int64_t)year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static int64_t rtc_system_time(void)
{
    struct date date = rtc_read_date();
    int64_t days = days_since_1970(&date) + DAYS_1601_TO_1970;
    int64_t seconds = ((days * 24 + date.hour) * 60 + date.minute) * 60 + date.second;
    return seconds * SYSTEM_UNITS_PER_S;
}

int64_t clock_system_time(void)
{
    return system_start + clock_now() / 100;
}

void clock_start(void)
{
    tsc_frequency = measure_frequency();
    set_scale();
    tsc_start = read_tsc();
    system_start = rtc_system_time();
}
