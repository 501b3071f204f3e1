/*
 * chars.c - the classes of all bytes, and nothing else.
 */
#include "http/chars.h"

#define URI        (CHAR_PATH | CHAR_QUERY)
#define UNRESERVED (URI | CHAR_HOST | CHAR_TOKEN)
#define SUB_DELIM  (URI | CHAR_HOST)

const uint8_t char_classes[256] = {
    ['0' ... '9'] = UNRESERVED | CHAR_DIGIT | CHAR_HEX,
    ['A' ... 'F'] = UNRESERVED | CHAR_ALPHA | CHAR_HEX,
    ['G' ... 'Z'] = UNRESERVED | CHAR_ALPHA,
    ['a' ... 'f'] = UNRESERVED | CHAR_ALPHA | CHAR_HEX,
    ['g' ... 'z'] = UNRESERVED | CHAR_ALPHA,
    ['-'] = UNRESERVED,
    ['.'] = UNRESERVED,
    ['_'] = UNRESERVED,
    ['~'] = UNRESERVED,
    ['!'] = SUB_DELIM | CHAR_TOKEN,
    ['$'] = SUB_DELIM | CHAR_TOKEN,
    ['&'] = SUB_DELIM | CHAR_TOKEN,
    ['\''] = SUB_DELIM | CHAR_TOKEN,
    ['*'] = SUB_DELIM | CHAR_TOKEN,
    ['+'] = SUB_DELIM | CHAR_TOKEN,
    ['('] = SUB_DELIM,
    [')'] = SUB_DELIM,
    [','] = SUB_DELIM,
    [';'] = SUB_DELIM,
    ['='] = SUB_DELIM,
    [':'] = URI,
    ['@'] = URI,
    ['/'] = URI,
    ['?'] = CHAR_QUERY,
    ['#'] = CHAR_TOKEN,
    ['%'] = CHAR_TOKEN,
    ['^'] = CHAR_TOKEN,
    ['`'] = CHAR_TOKEN,
    ['|'] = CHAR_TOKEN,
};
