/*
 * product_json.c - jansson only reads; we write, because it would print 12.5 for 12.50.
 */
#include "store/product_json.h"

#include <stdint.h>
#include <string.h>

#include "base/put.h"
#include "base/utf8.h"

static const char name_error[] = "must be a string of 1 to 1000 bytes of UTF-8";
static const char nul_error[] = "must not contain U+0000, which cannot be stored";
static const char price_error[] =
    "must be a number or a string from 0 to 99999999.99 with at most two decimals";

void
product_errors_init(struct product_errors *errors)
{
	errors->n = 0;
	errors->item = -1;
}

/* RFC 6901 section 3: ~ is ~0 and / is ~1 */
static char *
put_key(char *out, struct span key)
{
	*out++ = '/';
	for (size_t i = 0; i < key.len; i++) {
		char c = key.ptr[i];
		if (c == '~' || c == '/') {
			*out++ = '~';
			*out++ = c == '~' ? '0' : '1';
		} else {
			*out++ = c;
		}
	}
	return out;
}

void
product_errors_add(struct product_errors *errors, struct span key, const char *detail)
{
	if (errors->n == PRODUCT_ERRORS_MAX)
		return;
	size_t i = errors->n++;
	char *p = errors->pointer[i];
	if (i == PRODUCT_ERRORS_MAX - 1) {
		errors->error[i] = (struct problem_error){"", "and there is more"};
		return;
	}
	if (errors->item >= 0 && errors->item <= 9999) {
		*p++ = '/';
		p = put_number(p, (uint64_t)errors->item);
	}
	if (key.ptr && key.len <= PRODUCT_KEY_MAX)
		p = put_key(p, key);
	*p = '\0';
	errors->error[i] = (struct problem_error){errors->pointer[i], detail};
}

static bool
is_utf8(struct span s)
{
	while (s.len) {
		const size_t n = utf8_character(s.ptr, s.len);

		if (!n)
			return false;
		s = span_from(s.ptr + n, s.len - n);
	}
	return true;
}

/* The bytes of a name, UTF-8 or not. */
static void
take_name(struct span name, struct product_input *input, struct product_errors *errors)
{
	if (name.len < 1 || name.len > PRODUCT_NAME_MAX || !is_utf8(name))
		product_errors_add(errors, SPAN_LIT("name"), name_error);
	else if (memchr(name.ptr, '\0', name.len))
		product_errors_add(errors, SPAN_LIT("name"), nul_error);
	else
		input->name = name;
}

static void
read_name(const json_t *json, struct product_input *input, struct product_errors *errors)
{
	if (json_is_string(json))
		take_name(span_from(json_string_value(json), json_string_length(json)), input,
			  errors);
	else
		product_errors_add(errors, SPAN_LIT("name"), name_error);
}

static void
read_price(const json_t *json, struct product_input *input, struct product_errors *errors)
{
	const char *wrong = price_error;

	if (json_is_number(json))
		wrong = price_from_number(json_number_value(json), input->price);
	else if (json_is_string(json))
		wrong = price_from_text(
		    span_from(json_string_value(json), json_string_length(json)), input->price);
	if (wrong)
		product_errors_add(errors, SPAN_LIT("price"), wrong);
}

/* A member that is neither name nor price. */
static void
read_other(struct span key, const json_t *value, enum product_form form, int64_t id,
	   struct product_errors *errors)
{
	if (form != PRODUCT_NEW && span_eq(key, SPAN_LIT("id"))) {
		if (!json_is_number(value) || json_number_value(value) != (double)id)
			product_errors_add(errors, key,
					   "must be the id of the path, or be left out");
	} else if (form != PRODUCT_NEW && span_eq(key, SPAN_LIT("version"))) {
		product_errors_add(errors, key,
				   "is not set by clients; If-Match says which version is meant");
	} else {
		product_errors_add(errors, key,
				   "is not a member of a product; name and price are accepted");
	}
}

bool
product_read(const json_t *json, enum product_form form, int64_t id, struct product_input *input,
	     struct product_errors *errors)
{
	const size_t n = errors->n;

	*input = (struct product_input){0};
	if (!json_is_object(json)) {
		product_errors_add(errors, span_from(NULL, 0),
				   form == PRODUCT_PATCH
				       ? "must be an object with name, price or both"
				       : "must be an object with name and price");
		return false;
	}
	const json_t *name = json_object_get(json, "name");
	const json_t *price = json_object_get(json, "price");
	if (name)
		read_name(name, input, errors);
	else if (form != PRODUCT_PATCH)
		product_errors_add(errors, SPAN_LIT("name"),
				   "is missing: a string of 1 to 1000 bytes of UTF-8");
	if (price)
		read_price(price, input, errors);
	else if (form != PRODUCT_PATCH)
		product_errors_add(errors, SPAN_LIT("price"),
				   "is missing: 0 to 99999999.99 with at most two decimals");
	/* jansson's iterator wants it writable, and does not write */
	json_t *object = (json_t *)(uintptr_t)json;
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const json_t *value = json_object_iter_value(it);
		const char *key = json_object_iter_key(it);
		if (value != name && value != price)
			read_other(span_from(key, json_object_iter_key_len(it)), value, form, id,
				   errors);
	}
	return errors->n == n;
}

bool
product_read_text(struct span name, struct span price, struct product_input *input,
		  struct product_errors *errors)
{
	const size_t n = errors->n;

	*input = (struct product_input){0};
	take_name(name, input, errors);
	const char *wrong = price_from_text(price, input->price);
	if (wrong)
		product_errors_add(errors, SPAN_LIT("price"), wrong);
	return errors->n == n;
}

/* RFC 8259 section 7: 0x08 to 0x0d have letters, but for 0x0b */
static const char escape_letters[] = "btn?fr";

static bool
has_letter(unsigned char c)
{
	return c >= 0x08 && c <= 0x0d && c != 0x0b;
}

/* How long it is in a JSON string. */
static size_t
escaped_len(unsigned char c)
{
	if (c < 0x20 && !has_letter(c))
		return 6;
	return c < 0x20 || c == '"' || c == '\\' ? 2 : 1;
}

static char *
put_escaped(char *p, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";

	if (escaped_len(c) == 1) {
		*p++ = (char)c;
		return p;
	}
	*p++ = '\\';
	if (c >= 0x20) {
		*p++ = (char)c;
	} else if (has_letter(c)) {
		*p++ = escape_letters[c - 0x08];
	} else {
		memcpy(p, "u00", 3);
		p[3] = digits[c >> 4];
		p[4] = digits[c & 15];
		p += 5;
	}
	return p;
}

/* Whoever writes names decides what is in them: all escapes, too, are done at once. */
static bool
write_string(struct buffer *out, struct span s, size_t max)
{
	size_t len = 2;

	for (size_t i = 0; i < s.len; i++)
		len += escaped_len((unsigned char)s.ptr[i]);
	if (!buffer_reserve(out, len, max))
		return false;
	char *p = out->data + out->len;
	*p++ = '"';
	if (len == s.len + 2 && s.len) {
		memcpy(p, s.ptr, s.len);
		p += s.len;
	} else {
		for (size_t i = 0; i < s.len; i++)
			p = put_escaped(p, (unsigned char)s.ptr[i]);
	}
	*p = '"';
	out->len += len;
	return true;
}

static size_t
skip_digits(struct span s, size_t at)
{
	while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9')
		at++;
	return at;
}

/* RFC 8259 section 6, without exponents, which numeric never has */
static bool
is_json_number(struct span s)
{
	size_t begin = s.len && s.ptr[0] == '-' ? 1 : 0;
	size_t at = skip_digits(s, begin);

	if (at == begin || (s.ptr[begin] == '0' && at > begin + 1))
		return false;
	if (at < s.len && s.ptr[at] == '.') {
		size_t end = skip_digits(s, at + 1);
		if (end == at + 1)
			return false;
		at = end;
	}
	return at == s.len;
}

static bool
write_number(struct buffer *out, struct span s, size_t max)
{
	return is_json_number(s) ? buffer_append(out, s.ptr, s.len, max)
				 : write_string(out, s, max);
}

bool
product_write(struct buffer *out, const struct product *product, size_t max)
{
	return buffer_append(out, "{\"id\":", 6, max) && write_number(out, product->id, max) &&
	       buffer_append(out, ",\"name\":", 8, max) && write_string(out, product->name, max) &&
	       buffer_append(out, ",\"price\":", 9, max) &&
	       write_number(out, product->price, max) && buffer_append(out, "}", 1, max);
}
