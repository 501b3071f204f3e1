/*
 * conninfo.c - libpq connection strings: checked, and shown without their secrets. libpq itself
 * reads them, so that keywords, quoting and URIs mean here what they mean when it connects.
 */
#include "config/conninfo.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define MASK "***"
/* Far above any real connection string; a bound is all that buffer.h asks for. */
#define CONNINFO_MAX (1u << 20)

#define ACCEPTED                                                                           \
	"accepted: a libpq connection string, as in host=/run/postgresql dbname=plaza or " \
	"postgresql://plaza@db.example/plaza"

/* libpq marks the options that a dialog would hide with "*": password and sslpassword */
static bool
is_secret(const PQconninfoOption *option)
{
	return option->dispchar[0] == '*' && option->val != NULL;
}

static bool
has_secret(const PQconninfoOption *options)
{
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (is_secret(o))
			return true;
	}
	return false;
}

/*
 * libpq quotes the place where it stumbled. In a string that holds a password that may be a part
 * of it ("password=my secret" stumbles over "secret"), so its reason is shown only when neither a
 * keyword nor a URI suggests one.
 */
static bool
may_quote(const char *conninfo)
{
	return !strcasestr(conninfo, "pass") && !(strstr(conninfo, "://") && strchr(conninfo, '@'));
}

const char *
conninfo_check(const char *conninfo, char *problem, size_t size)
{
	char *reason = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &reason);

	if (!options) {
		size_t len = reason ? strcspn(reason, "\n") : 0;

		if (reason && len && may_quote(conninfo))
			snprintf(problem, size, "libpq refuses it: %.*s; " ACCEPTED,
				 (int)(len < 200 ? len : 200), reason);
		else
			snprintf(problem, size,
				 "libpq refuses it (why is not shown: that could tell a password; "
				 "look at quotes and spaces); " ACCEPTED);
		PQfreemem(reason);
		return problem;
	}
	const char *result = NULL;
	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (is_secret(o) && strcmp(o->val, MASK) == 0) {
			snprintf(problem, size,
				 "%s is " MASK ", which plazad -T shows in place of a secret; "
				 "accepted: the real one, or better a passfile",
				 o->keyword);
			result = problem;
		}
	}
	PQconninfoFree(options);
	return result;
}

/* One keyword=value, quoted when libpq's syntax asks for it. */
static bool
append_option(struct buffer *out, const char *keyword, const char *value)
{
	bool quote = value[0] == '\0' || strpbrk(value, " \t\n\r\f\v'\\") != NULL;

	if (!buffer_printf(out, CONNINFO_MAX, "%s%s=%s", out->len ? " " : "", keyword,
			   quote ? "'" : ""))
		return false;
	for (const char *p = value; *p; p++) {
		if ((*p == '\'' || *p == '\\') && !buffer_append(out, "\\", 1, CONNINFO_MAX))
			return false;
		if (!buffer_append(out, p, 1, CONNINFO_MAX))
			return false;
	}
	return !quote || buffer_append(out, "'", 1, CONNINFO_MAX);
}

/*
 * A string without a secret is shown as it is. One with a secret is written anew from what libpq
 * read in it, so that no form of quoting or of a URI can let the secret through.
 */
char *
config_mask_conninfo(const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	struct buffer out;
	bool ok = true;

	if (!options)
		return strdup(MASK);
	if (!has_secret(options)) {
		PQconninfoFree(options);
		return strdup(conninfo);
	}
	buffer_init(&out);
	for (const PQconninfoOption *o = options; o->keyword && ok; o++) {
		if (o->val)
			ok = append_option(&out, o->keyword, is_secret(o) ? MASK : o->val);
	}
	PQconninfoFree(options);
	char *text = ok ? strndup(out.data, out.len) : NULL;
	buffer_fini(&out);
	return text;
}
