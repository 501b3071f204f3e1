/*
 * ini_file.c - reads an INI file through libini_config.
 *
 * The library gives nothing at all once a single line is wrong, stops without a line number at
 * names with '!' or beyond ASCII, and lists keys before the first section badly. So each line is
 * looked at first: what the library would trip over is reported and taken out, line numbers are
 * kept. Then it parses; the lines that it complains of are reported and taken out too, and what
 * is left parses clean. That way all mistakes of a file are found in one go.
 */
#include "config/ini_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini_configobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/span.h"
#include "config/syntax.h"

/* A plain refusal of what cannot be meant; the library's look-ups are quadratic in the lines. */
#define FILE_MAX  (1u << 20)
#define LINES_MAX 10000

/* Stands in for a section header that is wrong: what follows belongs to no other section. */
#define NO_SECTION "-"

struct reader {
	const char *path;
	struct ini_file *ini;
	struct config_errors *errors;
	struct buffer clean; /* what the library gets to see */
	bool in_section;     /* a header came already */
	bool failed;         /* out of memory, or the library gave up without naming a line */
};

static bool
read_all(int fd, struct buffer *raw)
{
	for (;;) {
		if (!buffer_reserve(raw, 4096, FILE_MAX + 4096)) {
			errno = raw->len > FILE_MAX ? EFBIG : ENOMEM;
			return false;
		}
		ssize_t n = read(fd, raw->data + raw->len, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		raw->len += (size_t)n;
	}
}

/* False with errno when it cannot be read. */
static bool
file_read(const char *path, struct buffer *raw)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return false;
	bool ok = read_all(fd, raw);
	int saved = errno;
	close(fd);
	if (ok && raw->len > FILE_MAX) {
		ok = false;
		saved = EFBIG;
	}
	errno = saved;
	return ok;
}

static struct span
trim(struct span s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* What the library can store as a name, and anybody can type. */
static bool
is_name(struct span s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-.";

	for (size_t i = 0; i < s.len; i++) {
		if (!memchr(allowed, s.ptr[i], sizeof(allowed) - 1))
			return false;
	}
	return s.len > 0;
}

static void
add_section(struct reader *r, struct span name, unsigned line)
{
	struct ini_file *ini = r->ini;
	struct ini_section *grown = reallocarray(ini->section, ini->n_sections + 1, sizeof(*grown));

	if (grown)
		ini->section = grown;
	if (!grown || !(grown[ini->n_sections].name = strndup(name.ptr, name.len))) {
		r->failed = true;
		return;
	}
	grown[ini->n_sections++].line = line;
}

/* Returns the line as the library shall see it. Names are not shown: see clean_setting. */
static struct span
clean_header(struct reader *r, struct span s, unsigned line)
{
	r->in_section = true;
	/* the library finds what is wrong with the brackets */
	if (s.ptr[s.len - 1] != ']')
		return s;
	struct span name = trim(span_from(s.ptr + 1, s.len - 2));
	if (name.len == 0)
		return s;
	if (!is_name(name)) {
		config_errors_add(r->errors,
				  "%s:%u: this is no section's name; accepted: letters, digits "
				  "and _ in [], as in [server]",
				  r->path, line);
		return SPAN_LIT("[" NO_SECTION "]");
	}
	add_section(r, name, line);
	return s;
}

static struct span
clean_setting(struct reader *r, struct span s, unsigned line)
{
	const char *equal = memchr(s.ptr, '=', s.len);
	struct span name = trim(span_from(s.ptr, equal ? (size_t)(equal - s.ptr) : 0));

	if (!r->in_section) {
		config_errors_add(r->errors,
				  "%s:%u: stands before the first [section]; accepted: comments "
				  "and empty lines",
				  r->path, line);
		return SPAN_LIT("");
	}
	/* no '=', or nothing before it: the library finds it */
	if (name.len == 0 || is_name(name))
		return s;
	/* not shown: it may be the rest of a connection string that was broken into lines */
	config_errors_add(r->errors,
			  "%s:%u: what stands before = is no option's name; accepted: letters, "
			  "digits and _ (a value goes on one line)",
			  r->path, line);
	return SPAN_LIT("");
}

static struct span
clean_line(struct reader *r, struct span s, unsigned line)
{
	const char *wrong;

	/* a line may end as other systems end it */
	if (s.len && s.ptr[s.len - 1] == '\r')
		s.len--;
	if ((wrong = text_check(s.ptr, s.len))) {
		config_errors_add(r->errors, "%s:%u: the line %s; accepted: UTF-8 text", r->path,
				  line, wrong);
		s = trim(s);
		if (s.len == 0 || s.ptr[0] != '[')
			return SPAN_LIT("");
		r->in_section = true;
		return SPAN_LIT("[" NO_SECTION "]");
	}
	s = trim(s);
	if (s.len == 0 || s.ptr[0] == '#' || s.ptr[0] == ';')
		return SPAN_LIT("");
	return s.ptr[0] == '[' ? clean_header(r, s, line) : clean_setting(r, s, line);
}

static enum ini_result
clean(struct reader *r, struct span raw)
{
	unsigned line = 0;

	/* a byte order mark is how some editors say UTF-8 */
	if (raw.len >= 3 && memcmp(raw.ptr, "\xef\xbb\xbf", 3) == 0)
		raw = span_from(raw.ptr + 3, raw.len - 3);
	if (raw.len && memchr(raw.ptr, '\0', raw.len)) {
		config_errors_add(r->errors, "%s: has a NUL byte; accepted: UTF-8 text", r->path);
		return INI_FILE_FAILED;
	}
	while (raw.len) {
		const char *newline = memchr(raw.ptr, '\n', raw.len);
		size_t len = newline ? (size_t)(newline - raw.ptr) : raw.len;

		if (++line > LINES_MAX) {
			config_errors_add(r->errors, "%s: has too many lines; accepted: %u",
					  r->path, LINES_MAX);
			return INI_FILE_FAILED;
		}
		struct span s = clean_line(r, span_from(raw.ptr, len), line);
		/* room for blank_line to write NO_SECTION over "[" */
		const char *end = s.len && s.ptr[0] == '[' ? "  \n" : "\n";

		if (!buffer_append(&r->clean, s.ptr, s.len, 2 * FILE_MAX) ||
		    !buffer_append(&r->clean, end, strlen(end), 2 * FILE_MAX))
			r->failed = true;
		len += newline ? 1 : 0;
		raw = span_from(raw.ptr + len, raw.len - len);
	}
	return INI_FILE_READ;
}

static const char *
parse_error_text(int error)
{
	switch (error) {
	case ERR_NOCLOSESEC: return "the closing ] is missing; accepted: [section]";
	case ERR_NOSECTION: return "the section's name is missing; accepted: [section]";
	case ERR_SECTIONLONG: return "the section's name is too long";
	case ERR_NOEQUAL:
		return "has no =; accepted: option = value, [section], and comments with # or ; "
		       "in front";
	case ERR_NOKEY: return "nothing stands before =; accepted: option = value";
	case ERR_LONGKEY: return "the option's name is too long";
	default: return "cannot be understood; accepted: option = value";
	}
}

/* Blanks a line of the clean text in place: every other line keeps its number. */
static void
blank_line(struct buffer *text, unsigned line)
{
	char *p = text->data, *end = text->data + text->len;

	while (p && --line > 0)
		p = (p = memchr(p, '\n', (size_t)(end - p))) ? p + 1 : NULL;
	if (!p || p >= end)
		return;
	size_t len = (size_t)((char *)memchr(p, '\n', (size_t)(end - p)) - p);
	bool header = p[0] == '[';
	memset(p, ' ', len);
	if (header)
		memcpy(p, "[" NO_SECTION "]", sizeof("[" NO_SECTION "]") - 1);
}

/*
 * Reports the lines that the library could not parse and blanks them. False when it named none.
 * Its list is text, "Error (5) on line 3: Equal sign is missing."
 */
static bool
take_out_bad_lines(struct reader *r, struct ini_cfgobj *cfg)
{
	char **list = NULL;
	bool any = false;

	if (ini_config_get_errors(cfg, &list))
		return false;
	for (char **text = list; *text; text++) {
		int error;
		unsigned line;

		if (sscanf(*text, "%*[^(](%d) on line %u", &error, &line) != 2)
			continue;
		config_errors_add(r->errors, "%s:%u: %s", r->path, line, parse_error_text(error));
		blank_line(&r->clean, line);
		any = true;
	}
	ini_config_free_errors(list);
	return any;
}

/* One run of the library over the clean text; 0 or an errno. */
static int
parse(struct reader *r, struct ini_cfgobj **cfg)
{
	struct ini_cfgfile *file = NULL;
	int error = ini_config_create(cfg);

	if (error)
		return error;
	error = ini_config_file_from_mem(r->clean.data, (uint32_t)r->clean.len, &file);
	if (error)
		return error;
	/* duplicates are kept in both cases, in one section and in a section that comes again */
	error =
	    ini_config_parse(file, INI_STOP_ON_NONE, INI_MV1S_ALLOW | INI_MV2S_ALLOW | INI_MS_MERGE,
			     INI_PARSE_NOWRAP | INI_PARSE_NO_C_COMMENTS, *cfg);
	ini_config_file_destroy(file);
	return error;
}

static bool
add_setting(struct ini_file *ini, const char *section, const char *name, struct value_obj *vo)
{
	struct ini_setting *grown = reallocarray(ini->setting, ini->n_settings + 1, sizeof(*grown));
	uint32_t line = 0;
	int error = 0;

	if (!grown)
		return false;
	ini->setting = grown;
	const char *value = ini_get_const_string_config_value(vo, &error);
	if (error || value_get_line(vo, &line))
		return false;
	struct ini_setting *s = &grown[ini->n_settings++];
	*s = (struct ini_setting){strdup(section), strdup(name), strdup(value ? value : ""), line};
	return s->section && s->name && s->value;
}

/* All values of one name; the library finds names without regard to case. */
static bool
collect_name(struct ini_file *ini, struct ini_cfgobj *cfg, const char *section, const char *name)
{
	struct value_obj *vo = NULL;
	int mode = INI_GET_FIRST_VALUE;

	for (;;) {
		if (ini_get_config_valueobj(section, name, cfg, mode, &vo))
			return false;
		if (!vo)
			return true;
		if (!add_setting(ini, section, name, vo))
			return false;
		mode = INI_GET_NEXT_VALUE;
	}
}

static bool
seen_before(char **list, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcasecmp(list[j], list[i]) == 0)
			return true;
	}
	return false;
}

static bool
collect_section(struct ini_file *ini, struct ini_cfgobj *cfg, const char *section)
{
	int error = 0;
	char **names = ini_get_attribute_list(cfg, section, NULL, &error);
	bool ok = names != NULL;

	for (size_t i = 0; ok && names[i]; i++) {
		if (!seen_before(names, i))
			ok = collect_name(ini, cfg, section, names[i]);
	}
	if (names)
		ini_free_attribute_list(names);
	return ok;
}

static bool
collect(struct ini_file *ini, struct ini_cfgobj *cfg)
{
	int error = 0;
	char **sections = ini_get_section_list(cfg, NULL, &error);
	bool ok = sections != NULL;

	for (size_t i = 0; ok && sections[i]; i++)
		ok = collect_section(ini, cfg, sections[i]);
	if (sections)
		ini_free_section_list(sections);
	return ok;
}

static int
setting_order(const void *a, const void *b)
{
	const struct ini_setting *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

static bool
parse_and_collect(struct reader *r)
{
	struct ini_cfgobj *cfg = NULL;
	int error = parse(r, &cfg);

	if (error == EIO && take_out_bad_lines(r, cfg)) {
		ini_config_destroy(cfg);
		cfg = NULL;
		error = parse(r, &cfg);
	}
	bool ok = !error && collect(r->ini, cfg);
	if (cfg)
		ini_config_destroy(cfg);
	if (ok && r->ini->n_settings)
		qsort(r->ini->setting, r->ini->n_settings, sizeof(*r->ini->setting), setting_order);
	return ok;
}

enum ini_result
ini_file_read(const char *path, struct ini_file *ini, struct config_errors *errors)
{
	struct reader r = {.path = path, .ini = ini, .errors = errors};
	struct buffer raw;

	*ini = (struct ini_file){0};
	buffer_init(&raw);
	buffer_init(&r.clean);
	if (!file_read(path, &raw)) {
		int error = errno;

		buffer_fini(&raw);
		if (error == ENOENT)
			return INI_FILE_MISSING;
		config_errors_add(errors, "%s: cannot be read: %s%s", path, strerror(error),
				  error == EFBIG ? "; accepted: 1 MiB" : "");
		return INI_FILE_FAILED;
	}
	enum ini_result result = clean(&r, buffer_span(&raw));
	buffer_fini(&raw);
	/* the library takes an empty file for an error */
	if (result == INI_FILE_READ && !r.failed && r.clean.len)
		r.failed = !parse_and_collect(&r);
	buffer_fini(&r.clean);
	if (r.failed) {
		config_errors_add(errors, "%s: cannot be parsed", path);
		return INI_FILE_FAILED;
	}
	return result;
}

void
ini_file_fini(struct ini_file *ini)
{
	for (size_t i = 0; i < ini->n_sections; i++)
		free(ini->section[i].name);
	for (size_t i = 0; i < ini->n_settings; i++) {
		free(ini->setting[i].section);
		free(ini->setting[i].name);
		free(ini->setting[i].value);
	}
	free(ini->section);
	free(ini->setting);
	*ini = (struct ini_file){0};
}
