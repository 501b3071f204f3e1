/*
 * product_json.c - what each member may be, and the pointer to what is not that.
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
		errors->error[i] =
		    (struct problem_error){.pointer = "", .detail = "and there is more"};
		return;
	}
	if (errors->item >= 0 && errors->item <= 9999) {
		*p++ = '/';
		p = put_number(p, (uint64_t)errors->item);
	}
	if (key.ptr && key.len <= PRODUCT_KEY_MAX)
		p = put_key(p, key);
	*p = '\0';
	errors->error[i] = (struct problem_error){.pointer = errors->pointer[i], .detail = detail};
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
