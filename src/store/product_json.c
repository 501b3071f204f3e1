/*
 * product_json.c - what each member may be, and the pointer to what is not that.
 */
#include "store/product_json.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static const char name_error[] = "must be a string of 1 to 1000 bytes of UTF-8";
static const char nul_error[] = "must not contain U+0000, which cannot be stored";
static const char price_error[] =
    "must be a number or a string from 0 to 99999999.99 with at most two decimals";

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
take_name(struct span name, struct product_input *input, struct mistakes *errors)
{
	if (name.len < 1 || name.len > PRODUCT_NAME_MAX || !is_utf8(name))
		mistakes_add_key(errors, SPAN_LIT("name"), "%s", name_error);
	else if (memchr(name.ptr, '\0', name.len))
		mistakes_add_key(errors, SPAN_LIT("name"), "%s", nul_error);
	else
		input->name = name;
}

static void
read_name(const json_t *json, struct product_input *input, struct mistakes *errors)
{
	if (json_is_string(json))
		take_name(span_from(json_string_value(json), json_string_length(json)), input,
			  errors);
	else
		mistakes_add_key(errors, SPAN_LIT("name"), "%s", name_error);
}

static void
read_price(const json_t *json, struct product_input *input, struct mistakes *errors)
{
	const char *wrong = price_error;

	if (json_is_number(json))
		wrong = price_from_number(json_number_value(json), input->price);
	else if (json_is_string(json))
		wrong = price_from_text(
		    span_from(json_string_value(json), json_string_length(json)), input->price);
	if (wrong)
		mistakes_add_key(errors, SPAN_LIT("price"), "%s", wrong);
}

/* A member that is neither name nor price. */
static void
read_other(struct span key, const json_t *value, enum product_form form, int64_t id,
	   struct mistakes *errors)
{
	if (form != PRODUCT_NEW && span_eq(key, SPAN_LIT("id"))) {
		if (!json_is_number(value) || json_number_value(value) != (double)id)
			mistakes_add_key(errors, key, "must be the id of the path, or be left out");
	} else if (form != PRODUCT_NEW && span_eq(key, SPAN_LIT("version"))) {
		mistakes_add_key(errors, key,
				 "is not set by clients; If-Match says which version is meant");
	} else {
		mistakes_add_key(errors, key,
				 "is not a member of a product; name and price are accepted");
	}
}

bool
product_read(const json_t *json, enum product_form form, int64_t id, struct product_input *input,
	     struct mistakes *errors)
{
	const size_t n = errors->n;

	*input = (struct product_input){0};
	if (!json_is_object(json)) {
		mistakes_add(errors, "%s",
			     form == PRODUCT_PATCH ? "must be an object with name, price or both"
						   : "must be an object with name and price");
		return false;
	}
	const json_t *name = json_object_get(json, "name");
	const json_t *price = json_object_get(json, "price");
	if (name)
		read_name(name, input, errors);
	else if (form != PRODUCT_PATCH)
		mistakes_add_key(errors, SPAN_LIT("name"),
				 "is missing: a string of 1 to 1000 bytes of UTF-8");
	if (price)
		read_price(price, input, errors);
	else if (form != PRODUCT_PATCH)
		mistakes_add_key(errors, SPAN_LIT("price"),
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
		  struct mistakes *errors)
{
	const size_t n = errors->n;

	*input = (struct product_input){0};
	take_name(name, input, errors);
	const char *wrong = price_from_text(price, input->price);
	if (wrong)
		mistakes_add_key(errors, SPAN_LIT("price"), "%s", wrong);
	return errors->n == n;
}
