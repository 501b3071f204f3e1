/*
 * product_match.c - lists of entity-tags like "7-3", taken apart.
 */
#include "store/product_match.h"

#include <string.h>

#include "base/put.h"
#include "http/etag.h"

static const char match_error[] =
    "If-Match must be * or a list of at most 16 entity-tags, each in quotes, such as \"7-3\"";
static const char none_match_error[] =
    "If-None-Match must be * or a list of at most 16 entity-tags, each in quotes, such as \"7-3\"";

/* What has been read of one of the two fields, over all its lines. */
struct list {
	bool is_given;
	bool is_any; /* "*" */
	bool takes_weak;
	size_t n;
	char *text, *end; /* "{3,7" so far */
};

static struct span
skip(struct span s, size_t n)
{
	return span_from(s.ptr + n, s.len - n);
}

/* Digits at the front, canonical and at most INT64_MAX; the rest is behind them. */
static bool
read_number(struct span *s, int64_t *number)
{
	int64_t value = 0;
	size_t at = 0;

	for (; at < s->len && s->ptr[at] >= '0' && s->ptr[at] <= '9'; at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, s->ptr[at] - '0', &value))
			return false;
	if (at == 0 || (s->ptr[0] == '0' && at > 1))
		return false;
	*number = value;
	*s = skip(*s, at);
	return true;
}

/* Whether the opaque part of a tag is one that we made for a version of `id`. */
static bool
is_ours(struct span opaque, int64_t id, int64_t *version)
{
	int64_t number;

	if (!read_number(&opaque, &number) || number != id || !opaque.len || opaque.ptr[0] != '-')
		return false;
	opaque = skip(opaque, 1);
	return read_number(&opaque, version) && opaque.len == 0;
}

/* One line of the field; several are as good as one with commas between (RFC 9110 5.2). */
static bool
read_line(struct span value, int64_t id, struct list *list)
{
	struct span rest = value, tag;
	enum etag_next next;

	list->is_given = true;
	if (etag_is_any(value)) {
		list->is_any = true;
		return true;
	}
	while ((next = etag_list_next(&rest, &tag)) == ETAG_TAG) {
		const bool is_weak = tag.ptr[0] == 'W';
		int64_t version;

		if (list->n++ == PRODUCT_MATCH_MAX)
			return false;
		if (is_weak && !list->takes_weak)
			continue;
		tag = skip(tag, is_weak ? 3 : 1);
		if (!is_ours(span_from(tag.ptr, tag.len - 1), id, &version))
			continue;
		if (list->end != list->text + 1)
			*list->end++ = ',';
		list->end = put_number(list->end, (uint64_t)version);
	}
	return next == ETAG_END;
}

/* "*" is alone, and a list has at least one tag. */
static bool
is_whole(const struct list *list)
{
	return !list->is_given || list->is_any == (list->n == 0);
}

const char *
product_match_read(const struct request *request, int64_t id, struct product_match *match)
{
	struct list list[2] = {{.text = match->text[0]},
			       {.text = match->text[1], .takes_weak = true}};
	static const char *const errors[2] = {match_error, none_match_error};
	size_t stars[2] = {0};

	for (size_t i = 0; i < 2; i++) {
		list[i].end = list[i].text;
		*list[i].end++ = '{';
	}
	for (size_t i = 0; i < request->n_fields; i++) {
		const struct request_field *field = &request->field[i];
		size_t at;

		if (field->id == FIELD_IF_MATCH)
			at = 0;
		else if (field->id == FIELD_IF_NONE_MATCH)
			at = 1;
		else
			continue;
		if (!read_line(field->value, id, &list[at]))
			return errors[at];
		stars[at]++;
	}
	for (size_t i = 0; i < 2; i++) {
		if (!is_whole(&list[i]) || (list[i].is_any && stars[i] > 1))
			return errors[i];
		memcpy(list[i].end, "}", 2);
	}
	match->has_match = list[0].is_given;
	match->has_none_match = list[1].is_given;
	match->one_of = list[0].is_given && !list[0].is_any ? list[0].text : NULL;
	match->none_of = list[1].is_given && !list[1].is_any ? list[1].text : NULL;
	/* a product that is there is what "*" means, and so it must be none of its versions */
	if (list[1].is_any) {
		memcpy(match->text[0], "{}", 3);
		match->one_of = match->text[0];
	}
	return NULL;
}
