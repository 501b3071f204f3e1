/*
 * price.c - prices as text with two decimals, checked without ever rounding one.
 */
#include "store/price.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char range_error[] = "must be from 0 to 99999999.99";
static const char decimals_error[] = "must have at most two decimals; it is never rounded";
static const char text_error[] =
    "as a string must be 0 to 99999999.99 in plain digits such as \"12.50\": no sign, exponent, "
    "space or leading zero, at most two decimals";

const char *
price_from_number(double value, char text[PRICE_TEXT_SIZE])
{
	char digits[PRICE_TEXT_SIZE];

	/* written so that NaN fails too */
	if (!(value >= 0 && value <= 99999999.99))
		return range_error;
	/* fabs: -0 has passed, and would print a sign */
	snprintf(digits, sizeof(digits), "%.2f", fabs(value));
	if (strtod(digits, NULL) != value)
		return decimals_error;
	memcpy(text, digits, sizeof(digits));
	return NULL;
}

static size_t
count_digits(struct span s, size_t at)
{
	size_t n = 0;

	while (at + n < s.len && s.ptr[at + n] >= '0' && s.ptr[at + n] <= '9')
		n++;
	return n;
}

const char *
price_from_text(struct span s, char text[PRICE_TEXT_SIZE])
{
	size_t whole = count_digits(s, 0);
	size_t decimals = 0;

	if (whole < 1 || whole > 8 || (whole > 1 && s.ptr[0] == '0'))
		return text_error;
	if (whole < s.len) {
		decimals = count_digits(s, whole + 1);
		if (s.ptr[whole] != '.' || decimals < 1 || whole + 1 + decimals != s.len)
			return text_error;
		if (decimals > 2)
			return decimals_error;
	}
	memcpy(text, s.ptr, whole);
	memcpy(text + whole, ".00", 4);
	if (decimals)
		memcpy(text + whole + 1, s.ptr + whole + 1, decimals);
	return NULL;
}
