/*
 * option.c - options.def as a table, and one value of it at a time into a struct config.
 */
#include "config/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "config/conninfo.h"
#include "config/network.h"
#include "config/syntax.h"

#define OPTION_RELOAD_RELOAD  false
#define OPTION_RELOAD_RESTART true

const struct option_def option_defs[OPTION_COUNT] = {
#define OPTION(section, name, type, def, min, max, reload, text) \
	{#section, #name, OPTION_TYPE_##type,     def,           \
	 min,      max,   OPTION_RELOAD_##reload, offsetof(struct config, section##_##name)},
#include "config/options.def"
#undef OPTION
};

/* The words of server.public; http/route.h gives them to routes. */
static const char scopes[] = "greet|chat|store.read|store.write|jobs|*";

/* A value of the type that CONFIG_TYPE_* names. */
union option_value {
	uint64_t number;
	char *text;
	int choice;
	struct words words;
	struct listens listens;
};

static const char out_of_memory[] = "out of memory";

enum config_option
option_find(const char *section, const char *name)
{
	unsigned i = 0;

	while (i < OPTION_COUNT && (strcasecmp(option_defs[i].section, section) != 0 ||
				    strcasecmp(option_defs[i].name, name) != 0))
		i++;
	return (enum config_option)i;
}

bool
option_section_exists(const char *section)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if (strcasecmp(option_defs[i].section, section) == 0)
			return true;
	}
	return false;
}

static void *
member(struct config *config, enum config_option option)
{
	return (char *)config + option_defs[option].offset;
}

/* `text` in quotes, cut at a character's border when it is long. */
static void
put_quoted(struct buffer *out, const char *text, const char *rest)
{
	const size_t max = 60;
	size_t len = strlen(text);
	bool cut = len > max;

	if (cut) {
		for (len = max; ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	}
	/* a message that does not fit is cut; it is only a message */
	(void)!buffer_printf(out, OPTION_PROBLEM_MAX, "\"%.*s%s\" %s", (int)len, text,
			     cut ? "..." : "", rest);
}

/* "a|b|c" as "a, b, c" */
static void
put_list(struct buffer *out, const char *list)
{
	for (const char *p = list; *p; p++)
		(void)!buffer_append(out, *p == '|' ? ", " : p, *p == '|' ? 2 : 1,
				     OPTION_PROBLEM_MAX);
}

/* Which word of "a|b|c" it is, -1 for none. */
static int
list_index(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (int i = 0;; i++) {
		size_t n = strcspn(list, "|");

		if (n == len && memcmp(list, word, len) == 0)
			return i;
		if (list[n] == '\0')
			return -1;
		list += n + 1;
	}
}

/* Its word of "a|b|c"; the caller frees. */
static char *
list_word(const char *list, int index)
{
	while (index-- > 0)
		list += strcspn(list, "|") + 1;
	return strndup(list, strcspn(list, "|"));
}

static enum number_kind
kind_of(enum option_type type)
{
	return type == OPTION_TYPE_TIME   ? NUMBER_TIME
	       : type == OPTION_TYPE_SIZE ? NUMBER_SIZE
					  : NUMBER_COUNT;
}

/* The word that stands for 0; NULL for types that have none. */
static const char *
word_of_zero(enum option_type type)
{
	return type == OPTION_TYPE_AUTO ? "auto" : type == OPTION_TYPE_LIMIT ? "off" : NULL;
}

static void
put_range(struct buffer *out, const struct option_def *def)
{
	const char *zero = word_of_zero(def->type);
	static const char *const how[] = {
	    [NUMBER_COUNT] = "",
	    [NUMBER_TIME] = ", a number with ms, s, m or h",
	    [NUMBER_SIZE] = ", in bytes or with k, m or g",
	};

	(void)!buffer_printf(out, OPTION_PROBLEM_MAX, "; accepted: %s%s%s to %s%s",
			     zero ? zero : "", zero ? ", or " : "", def->min, def->max,
			     how[kind_of(def->type)]);
}

static char *
set_number(const struct option_def *def, const char *text, union option_value *value,
	   struct buffer *problem)
{
	const char *zero = word_of_zero(def->type);
	enum number_kind kind = kind_of(def->type);
	char normal[NUMBER_TEXT_MAX];
	uint64_t min, max;
	const char *wrong;

	if (zero && strcmp(text, zero) == 0) {
		value->number = 0;
		return strdup(zero);
	}
	wrong = number_parse(kind, text, &value->number);
	/* a mistake in options.def; a test loads the defaults */
	if (number_parse(kind, def->min, &min) || number_parse(kind, def->max, &max))
		abort();
	if (!wrong && (value->number < min || value->number > max))
		wrong = "is out of range";
	if (wrong) {
		put_quoted(problem, text, wrong);
		put_range(problem, def);
		return NULL;
	}
	return strdup(number_print(kind, value->number, normal));
}

static char *
set_choice(const struct option_def *def, const char *text, union option_value *value,
	   struct buffer *problem)
{
	value->choice = list_index(def->min, text);
	if (value->choice >= 0)
		return list_word(def->min, value->choice);
	put_quoted(problem, text, "is unknown; accepted: ");
	put_list(problem, def->min);
	return NULL;
}

/* What is wrong with one word of the option's; NULL when nothing is. May rewrite it in place. */
static const char *
word_problem(enum config_option option, char *word)
{
	struct network network;
	uint16_t port;

	if (option == OPTION_server_public)
		return list_index(scopes, word) < 0 ? "is no scope" : NULL;
	if (option == OPTION_server_names)
		return strcmp(word, "*") != 0 ? host_check(word) : NULL;
	if (option == OPTION_fetch_ports)
		return port_number_parse(word, &port);
	if (option == OPTION_fetch_allow)
		return network_parse(word, &network);
	return option == OPTION_http_origins ? origin_check(word) : NULL;
}

static void
put_accepted_words(enum config_option option, struct buffer *problem)
{
	const char *accepted;

	switch ((int)option) {
	case OPTION_server_public:
		(void)!buffer_printf(problem, OPTION_PROBLEM_MAX, "; accepted: ");
		put_list(problem, scopes);
		return;
	case OPTION_server_names: accepted = "host names without a port, or * for any"; break;
	case OPTION_fetch_ports: accepted = "numbers from 1 to 65535, as in 80 443"; break;
	case OPTION_fetch_allow:
		accepted = "CIDR or CIDR:port, with blanks between them, as in 10.1.0.0/16 "
			   "10.1.2.3:8080 fd00::/8";
		break;
	default: accepted = "scheme://host or scheme://host:port, as in https://app.example";
	}
	(void)!buffer_printf(problem, OPTION_PROBLEM_MAX, "; accepted: %s", accepted);
}

/* `text` and what is wrong with it, behind what was wrong with others. */
static void
add_problem(struct buffer *problem, const char *text, const char *wrong)
{
	/* the first few tell enough, and what is accepted has to fit behind them */
	if (problem->len > OPTION_PROBLEM_MAX / 2)
		return;
	if (problem->len)
		(void)!buffer_append(problem, ", ", 2, OPTION_PROBLEM_MAX);
	put_quoted(problem, text, wrong);
}

static bool
check_words(enum config_option option, const struct words *words, struct buffer *problem)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *wrong = word_problem(option, words->word[i]);

		if (wrong)
			add_problem(problem, words->word[i], wrong);
	}
	if (problem->len)
		put_accepted_words(option, problem);
	return problem->len == 0;
}

static char *
set_words(enum config_option option, const char *text, union option_value *value,
	  struct buffer *problem)
{
	char *normal = NULL;

	if (words_split(&value->words, text) && check_words(option, &value->words, problem))
		normal = words_join(&value->words);
	if (!normal)
		words_fini(&value->words);
	return normal;
}

static bool
stands_before(const struct listens *listens, const char *text)
{
	for (size_t i = 0; i < listens->n; i++) {
		if (strcmp(listens->address[i].text, text) == 0)
			return true;
	}
	return false;
}

static bool
check_listen(const struct words *words, struct listens *listens, struct buffer *problem)
{
	for (size_t i = 0; i < words->n; i++) {
		struct listen_address *address = &listens->address[listens->n];
		const char *wrong = listen_address_parse(words->word[i], address);

		if (wrong) {
			size_t before = problem->len;

			add_problem(problem, words->word[i], "is not an address to listen on: ");
			if (problem->len > before)
				(void)!buffer_printf(problem, OPTION_PROBLEM_MAX, "%s", wrong);
		} else if (stands_before(listens, address->text)) {
			add_problem(problem, address->text,
				    "stands there twice; accepted: each address once");
		} else {
			listens->n++;
		}
	}
	return problem->len == 0;
}

/* Its normal form is the canonical text of each address, with the mark. */
static char *
listen_text(const struct listens *listens)
{
	struct buffer out;
	bool ok = true;

	buffer_init(&out);
	for (size_t i = 0; i < listens->n && ok; i++) {
		const struct listen_address *a = &listens->address[i];

		ok = buffer_printf(&out, SIZE_MAX / 2, "%s%s%s", i ? " " : "", a->text,
				   a->is_public ? ",public" : "");
	}
	char *text = ok ? strndup(out.data, out.len) : NULL;
	buffer_fini(&out);
	return text;
}

static char *
set_listen(const char *text, union option_value *value, struct buffer *problem)
{
	struct words words;
	char *normal = NULL;

	value->listens = (struct listens){0};
	if (!words_split(&words, text))
		return NULL;
	if (words.n == 0)
		(void)!buffer_printf(problem, OPTION_PROBLEM_MAX,
				     "has no address; accepted: one or more of host:port, "
				     "[v6]:port and unix:/path, separated by spaces");
	else
		value->listens.address = calloc(words.n, sizeof(*value->listens.address));
	if (value->listens.address && check_listen(&words, &value->listens, problem))
		normal = listen_text(&value->listens);
	words_fini(&words);
	if (!normal)
		free(value->listens.address);
	return normal;
}

static char *
set_conninfo(const char *text, union option_value *value, struct buffer *problem)
{
	char wrong[OPTION_PROBLEM_MAX];

	if (conninfo_check(text, wrong, sizeof(wrong))) {
		(void)!buffer_printf(problem, OPTION_PROBLEM_MAX, "%s", wrong);
		return NULL;
	}
	value->text = strdup(text);
	return value->text ? strdup(text) : NULL;
}

/* A name that PostgreSQL takes whole (NAMEDATALEN) and that needs no escape in any quotes. */
static char *
set_identifier(const char *text, union option_value *value, struct buffer *problem)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char others[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	size_t len = strlen(text);

	if (len < 1 || len > 63 || !strchr(letters, text[0]) || strspn(text, others) != len ||
	    strncasecmp(text, "pg_", 3) == 0) {
		put_quoted(problem, text,
			   "is no name of a schema; accepted: 1 to 63 letters, digits and _, the "
			   "first no digit, not beginning with pg_");
		return NULL;
	}
	value->text = strdup(text);
	return value->text ? strdup(text) : NULL;
}

/* The normal form, or NULL; then `problem` is filled, or empty when memory ran out. */
static char *
set_value(enum config_option option, const char *text, union option_value *value,
	  struct buffer *problem)
{
	const struct option_def *def = &option_defs[option];
	const char *wrong = text_check(text, strlen(text));

	if (wrong) {
		(void)!buffer_printf(problem, OPTION_PROBLEM_MAX, "%s; accepted: UTF-8 text",
				     wrong);
		return NULL;
	}
	switch (def->type) {
	case OPTION_TYPE_WORDS: return set_words(option, text, value, problem);
	case OPTION_TYPE_LISTEN: return set_listen(text, value, problem);
	case OPTION_TYPE_COUNT:
	case OPTION_TYPE_AUTO:
	case OPTION_TYPE_LIMIT:
	case OPTION_TYPE_TIME:
	case OPTION_TYPE_SIZE: return set_number(def, text, value, problem);
	case OPTION_TYPE_TEXT: value->text = strdup(text); return value->text ? strdup(text) : NULL;
	case OPTION_TYPE_CONNINFO: return set_conninfo(text, value, problem);
	case OPTION_TYPE_IDENTIFIER: return set_identifier(text, value, problem);
	case OPTION_TYPE_CHOICE: return set_choice(def, text, value, problem);
	}
	abort();
}

static void
store_value(struct config *config, enum config_option option, const union option_value *value)
{
	void *to = member(config, option);

	switch (option_defs[option].type) {
	case OPTION_TYPE_WORDS: memcpy(to, &value->words, sizeof(value->words)); return;
	case OPTION_TYPE_LISTEN: memcpy(to, &value->listens, sizeof(value->listens)); return;
	case OPTION_TYPE_COUNT:
	case OPTION_TYPE_AUTO:
	case OPTION_TYPE_LIMIT:
	case OPTION_TYPE_TIME:
	case OPTION_TYPE_SIZE: memcpy(to, &value->number, sizeof(value->number)); return;
	case OPTION_TYPE_TEXT:
	case OPTION_TYPE_IDENTIFIER:
	case OPTION_TYPE_CONNINFO: memcpy(to, &value->text, sizeof(value->text)); return;
	case OPTION_TYPE_CHOICE: memcpy(to, &value->choice, sizeof(value->choice)); return;
	}
}

bool
option_set(struct config *config, enum config_option option, const char *text,
	   char problem[OPTION_PROBLEM_MAX])
{
	union option_value value = {0};
	struct buffer wrong;

	buffer_init(&wrong);
	char *normal = set_value(option, text, &value, &wrong);
	if (normal) {
		option_clear(config, option);
		store_value(config, option, &value);
		config->text[option] = normal;
	} else if (wrong.len) {
		bool comment = strstr(text, " #") || strstr(text, " ;");

		snprintf(problem, OPTION_PROBLEM_MAX, "%.*s%s", (int)wrong.len, wrong.data,
			 comment ? " (a comment stands on a line of its own)" : "");
	} else {
		snprintf(problem, OPTION_PROBLEM_MAX, "%s", out_of_memory);
	}
	buffer_fini(&wrong);
	return normal != NULL;
}

void
option_clear(struct config *config, enum config_option option)
{
	void *at = member(config, option);

	switch (option_defs[option].type) {
	case OPTION_TYPE_WORDS: words_fini(at); break;
	case OPTION_TYPE_LISTEN:
		free(((struct listens *)at)->address);
		*(struct listens *)at = (struct listens){0};
		break;
	case OPTION_TYPE_TEXT:
	case OPTION_TYPE_IDENTIFIER:
	case OPTION_TYPE_CONNINFO:
		free(*(char **)at);
		*(char **)at = NULL;
		break;
	case OPTION_TYPE_COUNT:
	case OPTION_TYPE_AUTO:
	case OPTION_TYPE_LIMIT:
	case OPTION_TYPE_TIME:
	case OPTION_TYPE_SIZE:
	case OPTION_TYPE_CHOICE: break;
	}
	free(config->text[option]);
	config->text[option] = NULL;
}

/* A typing mistake or two; in a short name one, or every name would do. */
static bool
is_close(const char *name, unsigned distance)
{
	return distance <= 2 && distance * 3 <= strlen(name);
}

void
option_suggest_section(const char *section, char out[OPTION_PROBLEM_MAX])
{
	const char *best = NULL, *last = "";
	unsigned best_distance = 0;
	size_t at = (size_t)snprintf(out, OPTION_PROBLEM_MAX, "accepted: ");

	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const char *known = option_defs[i].section;
		unsigned distance = edit_distance(section, known);

		if (strcmp(last, known) == 0)
			continue;
		if (is_close(section, distance) && (!best || distance < best_distance)) {
			best = known;
			best_distance = distance;
		}
		at += (size_t)snprintf(out + at, OPTION_PROBLEM_MAX - at, "%s[%s]",
				       last[0] ? ", " : "", known);
		last = known;
	}
	if (best)
		snprintf(out, OPTION_PROBLEM_MAX, "did you mean [%s]?", best);
}

void
option_suggest(const char *section, const char *name, char out[OPTION_PROBLEM_MAX])
{
	const struct option_def *best = NULL;
	unsigned best_distance = 0;
	struct buffer list;

	buffer_init(&list);
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_def *def = &option_defs[i];
		bool here = strcasecmp(section, def->section) == 0;
		unsigned typing = edit_distance(name, def->name);
		/* the same distance in the section that was named comes first */
		unsigned distance = 2 * typing + (here ? 0 : 1);

		if (here)
			(void)!buffer_printf(&list, OPTION_PROBLEM_MAX, "%s%s",
					     list.len ? ", " : "", def->name);
		if (is_close(name, typing) && (!best || distance < best_distance)) {
			best = def;
			best_distance = distance;
		}
	}
	if (best)
		snprintf(out, OPTION_PROBLEM_MAX, "did you mean %s.%s?", best->section, best->name);
	else if (list.len)
		snprintf(out, OPTION_PROBLEM_MAX, "accepted in [%s]: %.*s", section, (int)list.len,
			 list.data);
	else if (section[0] == '\0')
		snprintf(out, OPTION_PROBLEM_MAX, "accepted: section.key=value");
	else
		option_suggest_section(section, out);
	buffer_fini(&list);
}
