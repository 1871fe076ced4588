#include "dgon/utc.h"

#include <string.h>

#define DAY          86400
#define DAYS_TO_1970 719468 /* from 1 March of the year 0, where the count of days begins */

static bool is_form(const char *p, size_t n)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    if (n != sizeof form - 1)
        return false;
    for (size_t i = 0; i < n; i++)
        if (form[i] == '0' ? p[i] < '0' || p[i] > '9' : p[i] != form[i])
            return false;
    return true;
}

static int number(const char *p, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++)
        v = 10 * v + (p[i] - '0');
    return v;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Years begin in March here, so that the leap day is the last one. */
static int64_t day_number(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - DAYS_TO_1970;
}

bool dgon_utc_read(const char *p, size_t n, int64_t *seconds)
{
    if (!is_form(p, n))
        return false;
    int year = number(p, 4), month = number(p + 5, 2), day = number(p + 8, 2);
    int hour = number(p + 11, 2), minute = number(p + 14, 2), second = number(p + 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, month) ||
        hour > 23 || minute > 59 || second > 60)
        return false;
    *seconds = day_number(year, month, day) * DAY + hour * 3600 + minute * 60 +
               (second == 60 ? 59 : second);
    return true;
}

static void digits(char *p, size_t n, int64_t v)
{
    while (n-- > 0) {
        p[n] = (char)('0' + v % 10);
        v /= 10;
    }
}

void dgon_utc_write(char out[DGON_UTC_SIZE], int64_t seconds)
{
    if (seconds < 0)
        seconds = 0;
    if (seconds > DGON_UTC_MAX)
        seconds = DGON_UTC_MAX;
    int64_t day = seconds / DAY, rest = seconds % DAY;
    int year = 1970 + (int)(day / 366), month = 1;
    while (day_number(year + 1, 1, 1) <= day)
        year++;
    while (month < 12 && day_number(year, month + 1, 1) <= day)
        month++;
    memcpy(out, "0000-00-00T00:00:00Z", DGON_UTC_SIZE);
    digits(out, 4, year);
    digits(out + 5, 2, month);
    digits(out + 8, 2, day - day_number(year, month, 1) + 1);
    digits(out + 11, 2, rest / 3600);
    digits(out + 14, 2, rest / 60 % 60);
    digits(out + 17, 2, rest % 60);
}
