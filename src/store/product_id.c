/*
 * product_id.c - digits to a number.
 */
#include "store/product_id.h"

bool
product_parse_id(struct span s, int64_t *id)
{
	int64_t value = 0;

	if (s.len < 1 || s.ptr[0] == '0')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const int digit = s.ptr[i] - '0';
		if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*id = value;
	return true;
}
