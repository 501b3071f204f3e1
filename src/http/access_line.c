/*
 * access_line.c - lines of the access log, made of prepared pieces: no printf, no allocation, eight
 * bytes at a time where a client's bytes are harmless, as they mostly are.
 */
#include "http/access_line.h"

#include <assert.h>
#include <string.h>

#include "base/put.h"
#include "base/utf8.h"

/* All else in a line together: literals, numbers, addresses. */
#define LITTLE 384

_Static_assert(ACCESS_TARGET_MAX + ACCESS_HOST_MAX + ACCESS_REFERER_MAX + ACCESS_AGENT_MAX +
		       LITTLE <=
		   ACCESS_LINE_MAX,
	       "a line has room for all that is kept, cut to its bounds");
_Static_assert(ACCESS_TARGET_MAX + ACCESS_HOST_MAX + ACCESS_REFERER_MAX + ACCESS_AGENT_MAX + 160 <=
		   ACCESS_KEPT_MAX,
	       "so has what is kept of a request");
_Static_assert(ACCESS_KEPT_MAX <= UINT16_MAX, "its first part's length has two bytes");

/* With leading zeros. */
static char *
put_digits(char *p, unsigned number, size_t n)
{
	for (size_t i = n; i-- > 0; number /= 10)
		p[i] = (char)('0' + number % 10);
	return p + n;
}

/* ---- what a client sent ---- */

#define MARK "..."
/* The longest that one character becomes: \ud83d\udc0e */
#define UNIT_MAX 12

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#define ALL_BYTES(c) (UINT64_C(0x0101010101010101) * (c))

/* The same of eight bytes; each term has the high bit of a byte set that is not plain. */
static bool
is_plain_8(const char *data)
{
	uint64_t v;

	memcpy(&v, data, sizeof(v));
	uint64_t del = v ^ ALL_BYTES(0x7f), quote = v ^ ALL_BYTES('"'), slash = v ^ ALL_BYTES('\\');
	uint64_t below = (v - ALL_BYTES(0x20)) | (del - ALL_BYTES(1)) | (quote - ALL_BYTES(1)) |
			 (slash - ALL_BYTES(1));

	/*
	 * A borrow out of one byte makes the next one look too small, but then the first one was
	 * found. Where v has no high bit, neither have the others, so that ~v need not be told
	 * apart from ~del and the like.
	 */
	return ((v | below) & ALL_BYTES(0x80)) == 0;
}

static char *
put_hex(char *p, unsigned value, unsigned n, const char *digits)
{
	for (unsigned i = n; i-- > 0; value >>= 4)
		p[i] = digits[value & 15];
	return p + n;
}

static char *
put_u(char *p, unsigned unit)
{
	p = PUT_LIT(p, "\\u");
	return put_hex(p, unit, 4, "0123456789abcdef");
}

/* The character of n bytes at data, which is UTF-8. */
static unsigned
decode(const char *data, size_t n)
{
	static const uint8_t lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned c = (unsigned char)data[0] & lead[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)data[i] & 0x3f);
	return c;
}

/* The first character of data[0..len), at most UNIT_MAX bytes of it; *used of data are done. */
static char *
put_unit(char *p, enum access_form form, const char *data, size_t len, size_t *used)
{
	const unsigned char c = (unsigned char)data[0];

	*used = 1;
	if (is_plain(c)) {
		*p++ = (char)c;
		return p;
	}
	if (form == ACCESS_COMBINED) {
		p = PUT_LIT(p, "\\x");
		return put_hex(p, c, 2, "0123456789ABCDEF");
	}
	if (c == '"' || c == '\\') {
		*p++ = '\\';
		*p++ = (char)c;
		return p;
	}
	/* NUL is a character that many readers of JSON do not take */
	size_t n = c ? utf8_character(data, len) : 0;
	if (!n)
		return put_u(p, 0xfffd);
	*used = n;
	unsigned character = decode(data, n);
	if (character < 0x10000)
		return put_u(p, character);
	/* RFC 8259 7: beyond the first plane in two halves */
	p = put_u(p, 0xd800 + ((character - 0x10000) >> 10));
	return put_u(p, 0xdc00 + ((character - 0x10000) & 0x3ff));
}

/* At most `max` bytes of it, the mark of a cut included. */
static char *
put_escaped(char *p, size_t max, enum access_form form, struct span text)
{
	const char *data = text.ptr, *end_of_data = data + text.len;
	char *const end = p + max;
	char *const last = end - (sizeof(MARK) - 1); /* from here on, a mark has no place */
	char *cut = NULL;
	char unit[UNIT_MAX];

	while (data < end_of_data) {
		size_t left = (size_t)(end_of_data - data), used;

		if (left >= 8 && last - p >= 8 && is_plain_8(data)) {
			memcpy(p, data, 8);
			p += 8;
			data += 8;
			continue;
		}
		size_t n = (size_t)(put_unit(unit, form, data, left, &used) - unit);
		if (!cut && n > (size_t)(last - p))
			cut = p;
		if (n > (size_t)(end - p))
			return PUT_LIT(cut, MARK);
		p = put(p, unit, n);
		data += used;
	}
	return p;
}

/* ---- the two parts that come from the request ---- */

/* In quotes; absent is "-" or null. */
static char *
put_field(char *p, size_t max, enum access_form form, struct span value)
{
	if (!value.ptr && form == ACCESS_JSON)
		return PUT_LIT(p, "null");
	*p++ = '"';
	p = value.ptr ? put_escaped(p, max, form, value) : PUT_LIT(p, "-");
	*p++ = '"';
	return p;
}

static char *
put_request(char *p, enum access_form form, const struct request *request)
{
	const struct span method = http_method_name(request->method);
	const char minor = request->version_minor ? '1' : '0';

	if (form == ACCESS_JSON) {
		p = PUT_LIT(p, "\"method\":\"");
		p = put(p, method.ptr, method.len);
		p = PUT_LIT(p, "\",\"target\":\"");
		p = put_escaped(p, ACCESS_TARGET_MAX, form, request->target);
		p = PUT_LIT(p, "\",\"proto\":\"HTTP/1.");
	} else {
		*p++ = '"';
		p = put(p, method.ptr, method.len);
		*p++ = ' ';
		p = put_escaped(p, ACCESS_TARGET_MAX, form, request->target);
		p = PUT_LIT(p, " HTTP/1.");
	}
	*p++ = minor;
	*p++ = '"';
	return p;
}

static char *
put_fields(char *p, enum access_form form, const struct request *request)
{
	const struct span referer = request_first(request, FIELD_REFERER);
	const struct span agent = request_first(request, FIELD_USER_AGENT);

	if (form == ACCESS_JSON) {
		const struct span none = {0}, host = request->host.len ? request->host : none;

		p = PUT_LIT(p, "\"host\":");
		p = put_field(p, ACCESS_HOST_MAX, form, host);
		p = PUT_LIT(p, ",\"referer\":");
		p = put_field(p, ACCESS_REFERER_MAX, form, referer);
		p = PUT_LIT(p, ",\"user_agent\":");
	} else {
		p = put_field(p, ACCESS_REFERER_MAX, form, referer);
		*p++ = ' ';
	}
	return put_field(p, ACCESS_AGENT_MAX, form, agent);
}

/* The first line of what came, without empty ones before it (RFC 9112 2.2). */
static struct span
first_line(struct span head)
{
	while (head.len && (*head.ptr == '\r' || *head.ptr == '\n')) {
		head.ptr++;
		head.len--;
	}
	for (size_t i = 0; i < head.len; i++) {
		if (head.ptr[i] == '\r' || head.ptr[i] == '\n')
			head.len = i;
	}
	return head.len ? head : span_from(NULL, 0);
}

static char *
put_bad_request(char *p, enum access_form form, struct span bad)
{
	struct span line = first_line(bad);

	if (form == ACCESS_COMBINED)
		return put_field(p, ACCESS_BAD_MAX, form, line);
	p = PUT_LIT(p, "\"method\":null,\"target\":");
	p = put_field(p, ACCESS_BAD_MAX, form, line);
	return PUT_LIT(p, ",\"proto\":null");
}

static char *
put_no_fields(char *p, enum access_form form)
{
	return form == ACCESS_COMBINED
		   ? PUT_LIT(p, "\"-\" \"-\"")
		   : PUT_LIT(p, "\"host\":null,\"referer\":null,\"user_agent\":null");
}

size_t
access_line_keep(char *out, enum access_form form, const struct request *request)
{
	char *begin = out + sizeof(uint16_t);
	char *middle = put_request(begin, form, request);
	uint16_t len = (uint16_t)(middle - begin);

	memcpy(out, &len, sizeof(len));
	size_t kept = (size_t)(put_fields(middle, form, request) - out);
	assert(kept <= ACCESS_KEPT_MAX);
	return kept;
}

static struct span
kept_request(struct span kept)
{
	uint16_t len;

	memcpy(&len, kept.ptr, sizeof(len));
	return span_from(kept.ptr + sizeof(len), len);
}

static char *
put_entry_request(char *p, enum access_form form, const struct access_entry *entry)
{
	if (entry->request)
		return put_request(p, form, entry->request);
	if (!entry->kept.len)
		return put_bad_request(p, form, entry->bad);
	struct span part = kept_request(entry->kept);
	return put(p, part.ptr, part.len);
}

static char *
put_entry_fields(char *p, enum access_form form, const struct access_entry *entry)
{
	if (entry->request)
		return put_fields(p, form, entry->request);
	if (!entry->kept.len)
		return put_no_fields(p, form);
	struct span part = kept_request(entry->kept);
	const char *from = part.ptr + part.len;
	return put(p, from, (size_t)(entry->kept.ptr + entry->kept.len - from));
}

/* ---- who asked, and when ---- */

static char *
put_ipv6(char *p, const uint8_t address[16])
{
	unsigned group[8];
	size_t zeros_at = 8, n_zeros = 1; /* RFC 5952 4.2.2: a single one is no run */

	for (size_t i = 0; i < 8; i++)
		group[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
	for (size_t i = 0; i < 8; i++) {
		size_t n = 0;

		while (i + n < 8 && group[i + n] == 0)
			n++;
		if (n > n_zeros) {
			n_zeros = n;
			zeros_at = i;
		}
		i += n;
	}
	for (size_t i = 0; i < 8; i++) {
		if (i == zeros_at) {
			p = PUT_LIT(p, "::");
			i += n_zeros - 1;
			continue;
		}
		if (i && i != zeros_at + n_zeros)
			*p++ = ':';
		unsigned digits = 1;
		while (digits < 4 && group[i] >> 4 * digits)
			digits++;
		p = put_hex(p, group[i], digits, "0123456789abcdef");
	}
	return p;
}

static char *
put_address(char *p, const struct access_peer *peer)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t none[16];
	const uint8_t *address = peer->address;

	if (memcmp(address, mapped, sizeof(mapped)) == 0) {
		for (size_t i = 12; i < 16; i++) {
			p = put_number(p, address[i]);
			*p++ = '.';
		}
		return p - 1;
	}
	if (memcmp(address, none, sizeof(none)) == 0)
		return PUT_LIT(p, "unix:");
	return put_ipv6(p, address);
}

void
access_stamp_set(struct access_stamp *stamp, enum access_form form, time_t second)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;
	char *p = stamp->text;

	gmtime_r(&second, &tm);
	unsigned year = (unsigned)tm.tm_year + 1900, month = (unsigned)tm.tm_mon;
	if (form == ACCESS_COMBINED) {
		p = put_digits(p, (unsigned)tm.tm_mday, 2);
		*p++ = '/';
		p = put(p, months + 3 * month, 3);
		*p++ = '/';
		p = put_digits(p, year, 4);
		*p++ = ':';
	} else {
		p = put_digits(p, year, 4);
		*p++ = '-';
		p = put_digits(p, month + 1, 2);
		*p++ = '-';
		p = put_digits(p, (unsigned)tm.tm_mday, 2);
		*p++ = 'T';
	}
	p = put_digits(p, (unsigned)tm.tm_hour, 2);
	*p++ = ':';
	p = put_digits(p, (unsigned)tm.tm_min, 2);
	*p++ = ':';
	p = put_digits(p, (unsigned)tm.tm_sec, 2);
	stamp->len = (size_t)(p - stamp->text);
}

/* ---- lines ---- */

static char *
put_combined(char *p, const struct access_stamp *stamp, const struct access_entry *entry)
{
	p = put_address(p, entry->peer);
	p = PUT_LIT(p, " - - [");
	p = put(p, stamp->text, stamp->len);
	p = PUT_LIT(p, " +0000] ");
	p = put_entry_request(p, ACCESS_COMBINED, entry);
	*p++ = ' ';
	p = put_digits(p, (unsigned)entry->status, 3);
	*p++ = ' ';
	p = put_number(p, entry->bytes_out);
	*p++ = ' ';
	return put_entry_fields(p, ACCESS_COMBINED, entry);
}

static char *
put_json(char *p, const struct access_stamp *stamp, const struct access_entry *entry)
{
	uint64_t duration_us = 0;

	if (entry->since_us && stamp->now_us > entry->since_us)
		duration_us = stamp->now_us - entry->since_us;
	p = PUT_LIT(p, "{\"time\":\"");
	p = put(p, stamp->text, stamp->len);
	*p++ = '.';
	p = put_digits(p, stamp->ms, 3);
	p = PUT_LIT(p, "Z\",\"worker\":");
	p = put_number(p, entry->worker);
	p = PUT_LIT(p, ",\"addr\":\"");
	p = put_address(p, entry->peer);
	p = PUT_LIT(p, "\",\"port\":");
	p = put_number(p, entry->peer->port);
	*p++ = ',';
	p = put_entry_request(p, ACCESS_JSON, entry);
	p = PUT_LIT(p, ",\"status\":");
	p = put_digits(p, (unsigned)entry->status, 3);
	p = PUT_LIT(p, ",\"bytes_in\":");
	p = put_number(p, entry->bytes_in);
	p = PUT_LIT(p, ",\"bytes_out\":");
	p = put_number(p, entry->bytes_out);
	p = PUT_LIT(p, ",\"duration_us\":");
	p = put_number(p, duration_us);
	*p++ = ',';
	p = put_entry_fields(p, ACCESS_JSON, entry);
	p = PUT_LIT(p, ",\"requests\":");
	p = put_number(p, entry->n_requests);
	*p++ = '}';
	return p;
}

size_t
access_line_write(char *out, enum access_form form, const struct access_stamp *stamp,
		  const struct access_entry *entry)
{
	char *p =
	    form == ACCESS_COMBINED ? put_combined(out, stamp, entry) : put_json(out, stamp, entry);

	*p++ = '\n';
	assert(p - out <= ACCESS_LINE_MAX);
	return (size_t)(p - out);
}
