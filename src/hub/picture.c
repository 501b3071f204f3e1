/*
 * picture.c - see picture.h.
 */
#include "hub/picture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hub/wire.h"

/* Far more than PICTURE_MAX members twice, each name of nothing but escapes. */
#define JSON_MAX (1024 * 1024)

static int
compare(const void *a, const void *b)
{
	const struct log_member *x = a, *y = b;

	return x->conn < y->conn ? -1 : x->conn > y->conn;
}

void
picture_sort(struct log_member *member, size_t n)
{
	if (n > 1)
		qsort(member, n, sizeof(*member), compare);
}

bool
picture_assign(struct picture *picture, const struct log_member *sorted, size_t n)
{
	struct log_member *member = NULL;

	if (n > 0) {
		member = malloc(n * sizeof(*member));
		if (!member)
			return false;
		memcpy(member, sorted, n * sizeof(*member));
	}
	picture_fini(picture);
	picture->member = member;
	picture->n = n;
	return true;
}

void
picture_fini(struct picture *picture)
{
	free(picture->member);
	*picture = (struct picture){0};
}

static bool
same_name(const struct log_member *a, const struct log_member *b)
{
	return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

static bool
write_member(struct buffer *out, const struct log_member *m, bool is_first)
{
	char conn[WIRE_NUMBER_SIZE];

	if (!buffer_printf(out, JSON_MAX, "%s{\"conn\":\"%s\"", is_first ? "" : ",",
			   wire_number(conn, m->conn)))
		return false;
	if (m->name_len > 0 && (!buffer_append(out, ",\"name\":", 8, JSON_MAX) ||
				!wire_string(out, span_from(m->name, m->name_len))))
		return false;
	return buffer_printf(out, JSON_MAX, ",\"since\":%" PRIu64 "}", m->since_ms);
}

bool
picture_write_members(struct buffer *out, const struct log_member *member, size_t n)
{
	if (!buffer_append(out, "[", 1, JSON_MAX))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!write_member(out, &member[i], i == 0))
			return false;
	}
	return buffer_append(out, "]", 1, JSON_MAX);
}

/* Those of `a` that are not in `b`; with `changed` also those that are there as somebody else. */
static bool
write_others(struct buffer *out, const struct picture *a, const struct picture *b, bool changed)
{
	bool is_first = true;
	size_t j = 0;

	if (!buffer_append(out, "[", 1, JSON_MAX))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct log_member *m = &a->member[i];

		while (j < b->n && b->member[j].conn < m->conn)
			j++;
		if (j < b->n && b->member[j].conn == m->conn &&
		    (!changed ||
		     (b->member[j].since_ms == m->since_ms && same_name(&b->member[j], m))))
			continue;
		if (!write_member(out, m, is_first))
			return false;
		is_first = false;
	}
	return buffer_append(out, "]", 1, JSON_MAX);
}

bool
picture_write_change(struct buffer *out, const struct picture_change *change)
{
	static const struct picture nobody;
	const struct picture *before = change->before ? change->before : &nobody;

	if (!buffer_append(out, "{\"t\":\"pres\",\"room\":", 19, JSON_MAX) ||
	    !wire_string(out, change->room) ||
	    !buffer_printf(out, JSON_MAX, ",\"pseq\":%" PRIu64, change->presence_seq))
		return false;
	if (change->now) {
		if (!change->before && !buffer_append(out, ",\"all\":true", 11, JSON_MAX))
			return false;
		if (!buffer_append(out, ",\"join\":", 8, JSON_MAX) ||
		    !write_others(out, change->now, before, true) ||
		    !buffer_append(out, ",\"leave\":", 9, JSON_MAX) ||
		    !write_others(out, before, change->now, false))
			return false;
	}
	return buffer_printf(out, JSON_MAX, ",\"count\":%" PRIu32 "}", change->count);
}
