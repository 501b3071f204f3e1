/*
 * job_input.c - what each member of a job may be.
 */
#include "jobs/job_input.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "http/json_raw.h"
#include "jobs/kinds.h"

bool
job_name_valid(struct span name)
{
	if (name.len < 1 || name.len > JOB_NAME_MAX || span_eq(name, SPAN_LIT(".")) ||
	    span_eq(name, SPAN_LIT("..")))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		const char c = name.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

/* --- RFC 3339 --- */

/* `n` digits at the front of *s. */
static bool
take_digits(struct span *s, size_t n, int *value)
{
	*value = 0;
	if (s->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->ptr[i] < '0' || s->ptr[i] > '9')
			return false;
		*value = *value * 10 + (s->ptr[i] - '0');
	}
	*s = span_from(s->ptr + n, s->len - n);
	return true;
}

/* One of `chars` at the front of *s; which one, or 0. */
static char
take_char(struct span *s, const char *chars)
{
	if (!s->len || !s->ptr[0] || !strchr(chars, s->ptr[0]))
		return '\0';
	const char c = s->ptr[0];
	*s = span_from(s->ptr + 1, s->len - 1);
	return c;
}

static int
days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

/* The fraction of a second, if there is one: what is below a millisecond counts for nothing. */
static bool
take_fraction(struct span *s, int64_t *ms)
{
	int digit, weight = 100;

	*ms = 0;
	if (!take_char(s, "."))
		return true;
	if (!s->len || s->ptr[0] < '0' || s->ptr[0] > '9')
		return false;
	while (take_digits(s, 1, &digit)) {
		*ms += (int64_t)digit * weight;
		weight /= 10;
	}
	return true;
}

static bool
take_offset(struct span *s, int64_t *seconds)
{
	int hours, minutes;
	const char sign = take_char(s, "Zz+-");

	*seconds = 0;
	if (sign == 'Z' || sign == 'z')
		return true;
	if (!sign || !take_digits(s, 2, &hours) || !take_char(s, ":") ||
	    !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*seconds = (hours * 60 + minutes) * 60;
	if (sign == '-')
		*seconds = -*seconds;
	return true;
}

bool
job_time_parse(struct span text, int64_t *ms)
{
	struct tm tm = {0};
	int64_t fraction_ms, offset_s;
	int year, month;

	if (!take_digits(&text, 4, &year) || !take_char(&text, "-") ||
	    !take_digits(&text, 2, &month) || !take_char(&text, "-") ||
	    !take_digits(&text, 2, &tm.tm_mday) || !take_char(&text, "Tt ") ||
	    !take_digits(&text, 2, &tm.tm_hour) || !take_char(&text, ":") ||
	    !take_digits(&text, 2, &tm.tm_min) || !take_char(&text, ":") ||
	    !take_digits(&text, 2, &tm.tm_sec) || !take_fraction(&text, &fraction_ms) ||
	    !take_offset(&text, &offset_s) || text.len)
		return false;
	/* 60 is a leap second; it counts as the next one */
	if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > days_of(year, month) ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	*ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + fraction_ms;
	return true;
}

/* --- members --- */

static struct span
string_of(const json_t *json)
{
	return json_is_string(json) ? span_from(json_string_value(json), json_string_length(json))
				    : span_from(NULL, 0);
}

static void
read_name(const json_t *json, struct span key, struct span *name, struct mistakes *mistakes)
{
	*name = string_of(json);
	if (!job_name_valid(*name))
		mistakes_add_key(mistakes, key, "must be a string of " JOB_NAME_RULE);
}

static void
read_whole(const json_t *json, struct span key, int min, int max, int *value,
	   struct mistakes *mistakes)
{
	const double number = json_is_number(json) ? json_number_value(json) : NAN;

	if (number >= min && number <= max && number == floor(number))
		*value = (int)number;
	else
		mistakes_add_key(mistakes, key, "must be a whole number from %d to %d", min, max);
}

static void
read_run_at(const json_t *json, struct job_new *job, struct mistakes *mistakes)
{
	int64_t ms;

	/* null, as an answer has it for a job without one, is the same as now */
	if (json_is_null(json))
		return;
	if (!job_time_parse(string_of(json), &ms) || ms < 0 || ms > JOB_RUN_AT_MAX)
		mistakes_add_key(mistakes, SPAN_LIT("run_at"),
				 "must be a time from 1970 to 9999 as in \"2026-11-23T07:30:00Z\" "
				 "(RFC 3339)");
	else
		job->run_at_ms = ms ? ms : 1;
}

static bool
is_key(struct span key)
{
	if (key.len < 1 || key.len > JOB_KEY_MAX)
		return false;
	for (struct span s = key; s.len;) {
		const size_t n = utf8_character(s.ptr, s.len);

		if (!n || (unsigned char)s.ptr[0] < ' ' || s.ptr[0] == 0x7f)
			return false;
		s = span_from(s.ptr + n, s.len - n);
	}
	return true;
}

static void
read_unique(const json_t *json, struct job_new *job, struct mistakes *mistakes)
{
	if (json_is_null(json))
		return;
	job->unique = string_of(json);
	if (!is_key(job->unique))
		mistakes_add_key(mistakes, SPAN_LIT("unique"),
				 "must be a string of 1 to %d bytes without control characters",
				 JOB_KEY_MAX);
}

/* A kind of ours judges its args; those of others are any JSON. */
static void
read_args(const json_t *json, struct span text, const struct config *config, struct job_new *job,
	  struct mistakes *mistakes)
{
	const struct job_kind *kind = job_kind_find(job->kind);
	const size_t place = mistakes_enter(mistakes, SPAN_LIT("args"));

	job->hand = kind ? 'p' : 'w';
	if (json)
		job->args = json_raw_member(text, SPAN_LIT("args"));
	if (job->args.len > JOB_ARGS_MAX) {
		mistakes_add(mistakes, "must have at most %d bytes", JOB_ARGS_MAX);
	} else if (kind) {
		json_t *none = json ? NULL : json_object();
		if (json || none)
			kind->check(json ? json : none, config, mistakes);
		else
			mistakes_add(mistakes, "out of memory");
		json_decref(none);
	}
	mistakes_leave(mistakes, place);
}

static void
read_members(const json_t *json, struct job_new *job, struct mistakes *mistakes)
{
	/* jansson's iterator wants it writable, and does not write */
	json_t *object = (json_t *)(uintptr_t)json;

	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const json_t *value = json_object_iter_value(it);
		const struct span key =
		    span_from(json_object_iter_key(it), json_object_iter_key_len(it));

		if (span_eq(key, SPAN_LIT("kind")))
			read_name(value, key, &job->kind, mistakes);
		else if (span_eq(key, SPAN_LIT("queue")))
			read_name(value, key, &job->queue, mistakes);
		else if (span_eq(key, SPAN_LIT("priority")))
			read_whole(value, key, 0, JOB_PRIORITIES - 1, &job->priority, mistakes);
		else if (span_eq(key, SPAN_LIT("max_attempts")))
			read_whole(value, key, 1, JOB_ATTEMPTS_MAX, &job->max_attempts, mistakes);
		else if (span_eq(key, SPAN_LIT("run_at")))
			read_run_at(value, job, mistakes);
		else if (span_eq(key, SPAN_LIT("unique")))
			read_unique(value, job, mistakes);
		else if (!span_eq(key, SPAN_LIT("args")))
			mistakes_add_key(mistakes, key,
					 "is not a member of a job; kind, args, queue, priority, "
					 "run_at, max_attempts and unique are accepted");
	}
}

static void
set_defaults(struct job_new *job)
{
	job->queue = SPAN_LIT("default");
	job->kind = span_from(NULL, 0);
	job->args = SPAN_LIT("{}");
	job->priority = JOB_PRIORITY;
	job->max_attempts = JOB_ATTEMPTS;
	job->run_at_ms = 0;
	job->unique = span_from(NULL, 0);
}

bool
job_of_args(const json_t *json, struct span text, struct span kind, const struct config *config,
	    struct job_new *job, struct mistakes *mistakes)
{
	const size_t n = mistakes->n;

	set_defaults(job);
	job->kind = job->queue = kind;
	job->hand = 'p';
	job->args = text;
	if (text.len > JOB_ARGS_MAX)
		mistakes_add(mistakes, "must have at most %d bytes", JOB_ARGS_MAX);
	else
		job_kind_find(kind)->check(json, config, mistakes);
	return mistakes->n == n;
}

bool
job_read(const json_t *json, struct span text, const struct config *config, struct job_new *job,
	 struct mistakes *mistakes)
{
	const size_t n = mistakes->n;

	set_defaults(job);
	if (!json_is_object(json)) {
		mistakes_add(mistakes, "must be an object such as {\"kind\":\"sleep\","
				       "\"args\":{\"ms\":20}}");
		return false;
	}
	if (!json_object_get(json, "kind"))
		mistakes_add_key(mistakes, SPAN_LIT("kind"),
				 "is missing: a string of " JOB_NAME_RULE);
	read_members(json, job, mistakes);
	read_args(json_object_get(json, "args"), text, config, job, mistakes);
	return mistakes->n == n;
}
