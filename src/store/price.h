/*
 * price.h - an exact price, 0 to 99999999.99, from what a client sent. Pure; never rounds.
 */
#ifndef PLAZA_STORE_PRICE_H
#define PLAZA_STORE_PRICE_H

#include "base/span.h"

/* "99999999.99" and its terminator */
#define PRICE_TEXT_SIZE 12

/*
 * Both write the price with two decimals into `text` ("1e2" gives "100.00") and return NULL; or
 * they return what is wrong and what is accepted, a literal, and leave `text` alone.
 */

/*
 * A JSON number counts by its double: digits that a double cannot hold are not seen, -0 is 0. More
 * than two decimals are noticed because the two-decimal text then gives another double.
 */
const char *price_from_number(double value, char text[PRICE_TEXT_SIZE]);

/* A string must match (0|[1-9][0-9]{0,7})(\.[0-9]{1,2})? */
const char *price_from_text(struct span s, char text[PRICE_TEXT_SIZE]);

#endif
