/*
 * config.c - loads a configuration from file and overrides, reports every mistake, dumps and
 * compares it. Files are read by ini_file.c, values by option.c.
 */
#include "config/config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/conninfo.h"
#include "config/ini_file.h"
#include "config/option.h"
#include "config/syntax.h"

void
config_errors_add_option(struct config_errors *errors, const struct config *config,
			 enum config_option option, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		config_errors_add(errors, "%s: %s.%s: %s", config->where[option],
				  option_defs[option].section, option_defs[option].name, text);
	free(text);
}

/* The number in "FILE:12: ...", 0 for what is about the file as a whole. */
static unsigned long
error_line(const char *error, const char *file)
{
	size_t len = strlen(file);

	return strncmp(error, file, len) == 0 && error[len] == ':'
		   ? strtoul(error + len + 1, NULL, 10)
		   : 0;
}

/* Stable; what is wrong in syntax was found before what is wrong in values. */
static void
errors_sort(struct config_errors *errors, size_t from, const char *file)
{
	for (size_t i = from + 1; i < errors->n; i++) {
		char *line = errors->line[i];
		unsigned long at = error_line(line, file);
		size_t j = i;

		for (; j > from && error_line(errors->line[j - 1], file) > at; j--)
			errors->line[j] = errors->line[j - 1];
		errors->line[j] = line;
	}
}

/* One load in progress. */
struct loader {
	struct config *config;
	struct config_errors *errors;
	const char *file;
	unsigned set_on[OPTION_COUNT]; /* the line of the file that set it, 0: none */
	bool failed;
};

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* `file` NULL: `word` instead of FILE:LINE. */
static bool
set_origin(struct config *config, enum config_option option, const char *word, const char *file,
	   unsigned line)
{
	char *source = NULL, *where = NULL;
	bool ok;

	if (file)
		ok = asprintf(&source, "%s:%u", base_name(file), line) > 0 &&
		     asprintf(&where, "%s:%u", file, line) > 0;
	else
		ok = (source = strdup(word)) && (where = strdup(word));
	if (!ok) {
		free(source);
		return false;
	}
	free(config->source[option]);
	free(config->where[option]);
	config->source[option] = source;
	config->where[option] = where;
	return true;
}

static void
load_defaults(struct loader *l)
{
	char problem[OPTION_PROBLEM_MAX];

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		enum config_option option = (enum config_option)i;

		if (option_set(l->config, option, option_defs[i].def, problem) &&
		    set_origin(l->config, option, "default", NULL, 0))
			continue;
		config_errors_add(l->errors, "default: %s.%s: %s", option_defs[i].section,
				  option_defs[i].name, problem);
		l->failed = true;
	}
}

static void
load_setting(struct loader *l, const struct ini_setting *s)
{
	enum config_option option = option_find(s->section, s->name);
	char problem[OPTION_PROBLEM_MAX];

	/* the section was reported, once */
	if (!option_section_exists(s->section))
		return;
	if (option == OPTION_COUNT) {
		option_suggest(s->section, s->name, problem);
		config_errors_add(l->errors, "%s:%u: %.80s.%.80s: unknown option; %s", l->file,
				  s->line, s->section, s->name, problem);
		l->failed = true;
		return;
	}
	const struct option_def *def = &option_defs[option];
	if (l->set_on[option]) {
		config_errors_add(l->errors,
				  "%s:%u: %s.%s: was set on line %u already; accepted: once",
				  l->file, s->line, def->section, def->name, l->set_on[option]);
		l->failed = true;
	} else {
		l->set_on[option] = s->line;
	}
	if (option_set(l->config, option, s->value, problem) &&
	    set_origin(l->config, option, NULL, l->file, s->line))
		return;
	config_errors_add(l->errors, "%s:%u: %s.%s: %s", l->file, s->line, def->section, def->name,
			  problem);
	l->failed = true;
}

static void
load_file(struct loader *l, bool required)
{
	size_t n_before = l->errors->n;
	struct ini_file ini;
	enum ini_result result = ini_file_read(l->file, &ini, l->errors);

	if (result == INI_FILE_MISSING && required)
		config_errors_add(l->errors, "%s: cannot be read: there is no such file", l->file);
	if (result == INI_FILE_READ)
		l->config->file = strdup(l->file);
	for (size_t i = 0; i < ini.n_sections; i++) {
		const struct ini_section *s = &ini.section[i];
		char problem[OPTION_PROBLEM_MAX];

		if (option_section_exists(s->name))
			continue;
		option_suggest_section(s->name, problem);
		config_errors_add(l->errors, "%s:%u: [%.80s]: unknown section; %s", l->file,
				  s->line, s->name, problem);
	}
	for (size_t i = 0; i < ini.n_settings; i++)
		load_setting(l, &ini.setting[i]);
	if (l->errors->n > n_before || result == INI_FILE_FAILED ||
	    (result == INI_FILE_MISSING && required) ||
	    (result == INI_FILE_READ && !l->config->file))
		l->failed = true;
	errors_sort(l->errors, n_before, l->file);
	ini_file_fini(&ini);
}

/* What stands before the dot and behind it, without the blanks around the value. */
static void
load_override(struct loader *l, char *text)
{
	char problem[OPTION_PROBLEM_MAX];
	char *equal = strchr(text, '=');
	char *dot = strchr(text, '.');

	l->failed = true; /* until it is done */
	if (equal)
		*equal = '\0';
	if (text_check(text, strlen(text))) {
		config_errors_add(l->errors, "-o: is not UTF-8 text; accepted: section.key=value");
		return;
	}
	if (!equal || equal == text) {
		config_errors_add(l->errors, "-o: %.80s%s; accepted: section.key=value", text,
				  equal ? "nothing stands before =" : ": has no =");
		return;
	}
	if (dot && dot < equal)
		*dot++ = '\0';
	else
		dot = NULL;
	enum config_option option = dot ? option_find(text, dot) : OPTION_COUNT;
	if (option == OPTION_COUNT) {
		option_suggest(dot ? text : "", dot ? dot : text, problem);
		config_errors_add(l->errors, "-o: %.80s%s%.80s: unknown option; %s", text,
				  dot ? "." : "", dot ? dot : "", problem);
		return;
	}
	char *value = equal + 1 + strspn(equal + 1, " \t");
	for (size_t n = strlen(value); n && (value[n - 1] == ' ' || value[n - 1] == '\t');)
		value[--n] = '\0';
	if (option_set(l->config, option, value, problem)) {
		l->failed = !set_origin(l->config, option, "-o", NULL, 0);
		return;
	}
	config_errors_add(l->errors, "-o: %s.%s: %s", option_defs[option].section,
			  option_defs[option].name, problem);
}

struct config *
config_load(const char *file, bool required, char *const *overrides, size_t n_overrides,
	    struct config_errors *errors)
{
	struct loader l = {.errors = errors, .file = file};
	bool failed;

	l.config = calloc(1, sizeof(*l.config));
	if (!l.config)
		return NULL;
	load_defaults(&l);
	load_file(&l, required);
	failed = l.failed;
	for (size_t i = 0; i < n_overrides; i++) {
		char *copy = strdup(overrides[i]);

		l.failed = true;
		if (copy)
			load_override(&l, copy);
		free(copy);
		failed = failed || l.failed;
	}
	if (failed)
		config_free(&l.config);
	return l.config;
}

void
config_free(struct config **config)
{
	struct config *c = *config;

	*config = NULL;
	if (!c)
		return;
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		option_clear(c, (enum config_option)i);
		free(c->source[i]);
		free(c->where[i]);
	}
	free(c->file);
	free(c);
}

void
config_dump(const struct config *config, FILE *out)
{
	const char *section = "";

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_def *def = &option_defs[i];
		char *masked = NULL;
		const char *text = config->text[i];

		if (strcmp(section, def->section) != 0)
			fprintf(out, "%s[%s]\n", section[0] ? "\n" : "", def->section);
		section = def->section;
		if (def->type == OPTION_TYPE_CONNINFO) {
			masked = config_mask_conninfo(text);
			text = masked ? masked : "***";
		}
		/* a line of its own: behind a value it would be part of the value */
		fprintf(out, "# %s\n%s =%s%s\n", config->source[i], def->name, text[0] ? " " : "",
			text);
		free(masked);
	}
}

void
config_compare(const struct config *before, const struct config *after,
	       void (*changed)(const char *name, bool restart, void *ctx), void *ctx)
{
	char name[64];

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if (strcmp(before->text[i], after->text[i]) == 0)
			continue;
		snprintf(name, sizeof(name), "%s.%s", option_defs[i].section, option_defs[i].name);
		changed(name, option_defs[i].restart, ctx);
	}
}

bool
config_keep_restart(const struct config *before, struct config *after)
{
	char problem[OPTION_PROBLEM_MAX];

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		enum config_option option = (enum config_option)i;
		char *source, *where;

		if (!option_defs[i].restart)
			continue;
		if (!option_set(after, option, before->text[i], problem))
			return false;
		source = strdup(before->source[i]);
		where = strdup(before->where[i]);
		if (!source || !where) {
			free(source);
			free(where);
			return false;
		}
		free(after->source[i]);
		free(after->where[i]);
		after->source[i] = source;
		after->where[i] = where;
	}
	return true;
}
