/*
 * product_json.c - jansson only reads; we write, because it would print 12.5 for 12.50.
 */
#include "store/product_json.h"

#include <stdint.h>
#include <string.h>

static const char name_error[] = "must be a string of 1 to 1000 bytes of UTF-8";
static const char price_error[] =
    "must be a number or a string from 0 to 99999999.99 with at most two decimals";

/* RFC 6901 section 3: ~ is ~0 and / is ~1 */
static void
write_pointer(char *out, struct span key)
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
	*out = '\0';
}

/* `key` without a pointer means the whole body. */
static void
add_error(struct product_errors *errors, struct span key, const char *detail)
{
	if (errors->n == PRODUCT_ERRORS_MAX)
		return;
	size_t i = errors->n++;
	if (i == PRODUCT_ERRORS_MAX - 1)
		errors->error[i] = (struct problem_error){"", "and there is more"};
	else if (!key.ptr || key.len > PRODUCT_KEY_MAX)
		errors->error[i] = (struct problem_error){"", detail};
	else {
		write_pointer(errors->pointer[i], key);
		errors->error[i] = (struct problem_error){errors->pointer[i], detail};
	}
}

static void
read_name(const json_t *json, struct product_input *input, struct product_errors *errors)
{
	size_t len = json_string_length(json);

	if (!json_is_string(json) || len < 1 || len > PRODUCT_NAME_MAX)
		add_error(errors, SPAN_LIT("name"), name_error);
	else
		input->name = span_from(json_string_value(json), len);
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
		add_error(errors, SPAN_LIT("price"), wrong);
}

bool
product_read(const json_t *json, struct product_input *input, struct product_errors *errors)
{
	errors->n = 0;
	if (!json_is_object(json)) {
		add_error(errors, span_from(NULL, 0), "must be an object with name and price");
		return false;
	}
	const json_t *name = json_object_get(json, "name");
	const json_t *price = json_object_get(json, "price");
	if (name)
		read_name(name, input, errors);
	else
		add_error(errors, SPAN_LIT("name"),
			  "is missing: a string of 1 to 1000 bytes of UTF-8");
	if (price)
		read_price(price, input, errors);
	else
		add_error(errors, SPAN_LIT("price"),
			  "is missing: 0 to 99999999.99 with at most two decimals");
	/* jansson's iterator wants it writable, and does not write */
	json_t *object = (json_t *)(uintptr_t)json;
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const json_t *value = json_object_iter_value(it);
		const char *key = json_object_iter_key(it);
		if (value != name && value != price)
			add_error(errors, span_from(key, json_object_iter_key_len(it)),
				  "is not a member of a product; name and price are accepted");
	}
	return errors->n == 0;
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
