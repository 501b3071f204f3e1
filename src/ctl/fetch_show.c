/*
 * fetch_show.c - lines of fields with tabs between them, which are nowhere else in a line.
 */
#include "ctl/fetch_show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/json_text.h"
#include "ctl/lines.h"

/* One line's worth of it: no field holds what stands between fields. */
static void
put_field(FILE *out, struct span text)
{
	for (const char *tab; text.len && (tab = memchr(text.ptr, '\t', text.len)) != NULL;) {
		const size_t n = (size_t)(tab - text.ptr);

		line_put(out, span_from(text.ptr, n));
		fputs("\\x09", out);
		text = span_from(tab + 1, text.len - n - 1);
	}
	line_put(out, text);
}

static void
put_string(FILE *out, const json_t *json)
{
	put_field(out, span_from(json_string_value(json), json_string_length(json)));
}

/* "-" where there is none. */
static void
put_number(FILE *out, const json_t *json)
{
	if (json_is_integer(json))
		fprintf(out, "%" JSON_INTEGER_FORMAT "\t", json_integer_value(json));
	else
		fputs("-\t", out);
}

/* name=value, a text bare and all else as JSON; only the name of what was not found. */
static void
put_value(FILE *out, const char *name, struct span values, const json_t *result)
{
	const json_t *missing = json_object_get(result, "missing"), *item;
	struct span value = {NULL, 0};
	size_t i;

	putc('\t', out);
	put_field(out, span_str(name));
	json_array_foreach(missing, i, item)
	{
		if (strcmp(json_string_value(item) ? json_string_value(item) : "", name) == 0)
			return;
	}
	if (!json_text_member(values, name, &value))
		return;
	putc('=', out);
	if (value.ptr[0] == '"') {
		json_t *json =
		    json_loadb(value.ptr, value.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		put_string(out, json);
		json_decref(json);
	} else {
		json_text_line(out, value);
	}
}

/* True: it has a status. */
static bool
show_line(FILE *out, const struct fetch_url *url, const struct fetch_form *form)
{
	const struct span text = span_str(url->result ? url->result : "");
	json_t *json = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
	const json_t *status = json_object_get(json, "status");
	const json_t *error = json_object_get(json, "error");
	const bool has_status = json_is_integer(status);
	struct span values = {NULL, 0};

	put_number(out, status);
	put_number(out, json_object_get(json, "ms"));
	put_number(out, json_object_get(json, "bytes"));
	put_field(out, span_str(url->text));
	putc('\t', out);
	if (json_is_string(error))
		put_string(out, error);
	else
		put_field(out, span_str(url->error ? url->error : "-"));
	json_text_member(text, "values", &values);
	for (size_t i = 0; i < form->n_names; i++)
		put_value(out, form->name[i], values, json);
	putc('\n', out);
	json_decref(json);
	return has_status;
}

/* As the server would have it, had it been asked. */
static void
show_refused(FILE *out, const struct fetch_url *url)
{
	json_t *json = json_pack("{s:s, s:n, s:n, s:n, s:n, s:{}, s:[], s:s}", "url", url->text,
				 "status", "ms", "bytes", "text", "values", "missing", "error",
				 url->error ? url->error : "");
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_text_line(out, span_str(text ? text : "null"));
	free(text);
	json_decref(json);
}

static bool
show_json(FILE *out, const struct fetch_url *url)
{
	const struct span text = span_str(url->result ? url->result : "");
	struct span status = {NULL, 0};

	if (!url->result) {
		show_refused(out, url);
		return false;
	}
	json_text_line(out, text);
	return json_text_member(text, "status", &status) && status.ptr[0] != 'n';
}

bool
fetch_show(FILE *out, struct fetch_list *list, const struct fetch_form *form)
{
	bool ok = true;

	if (form->is_json && list->shown == 0)
		fputs("{\"urls\":[", out);
	while (list->shown < list->n && !fetch_url_is_open(&list->url[list->shown])) {
		struct fetch_url *url = &list->url[list->shown];

		if (form->is_json) {
			fputs(list->shown ? ",\n" : "\n", out);
			ok = show_json(out, url) && ok;
		} else {
			ok = show_line(out, url, form) && ok;
		}
		fetch_url_forget(url);
		if (++list->shown == list->n && form->is_json)
			fputs("\n]}\n", out);
	}
	return ok;
}
