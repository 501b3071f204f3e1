/*
 * progress.c - the line that is written over.
 */
#include "ctl/progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "ctl/lines.h"

#define EVERY_MS 100
#define BAR_MIN  10
#define BAR_MAX  40

void
progress_init(struct progress *progress, FILE *out, bool is_terminal, const char *what,
	      const char *unit)
{
	*progress =
	    (struct progress){.out = out, .is_terminal = is_terminal, .what = what, .unit = unit};
	progress->begun_ms = clock_monotonic_ms();
}

void
progress_line(const struct progress *progress, uint64_t now_ms, const char *note, unsigned columns,
	      char *out)
{
	const uint64_t ms = now_ms - progress->begun_ms;
	char tail[PROGRESS_LINE_MAX / 2], bar[BAR_MAX + 1];
	int used;

	if (columns >= PROGRESS_LINE_MAX)
		columns = PROGRESS_LINE_MAX - 1;
	if (note)
		snprintf(tail, sizeof(tail), "%" PRIu64 " %s; %s", progress->count, progress->unit,
			 note);
	else
		snprintf(tail, sizeof(tail), "%" PRIu64 " %s, %" PRIu64 "/s", progress->count,
			 progress->unit, ms ? progress->count * 1000 / ms : 0);
	/* of a note that was too long no half a character is left, here and below */
	tail[text_cut(tail, sizeof(tail) - 2)] = '\0';
	if (!progress->all) {
		snprintf(out, PROGRESS_LINE_MAX, "%s %s", progress->what, tail);
		out[text_cut(out, columns)] = '\0';
		return;
	}
	/* an estimate may have been too low */
	const uint64_t done = progress->done < progress->all ? progress->done : progress->all;
	const unsigned percent = (unsigned)((double)done * 100 / (double)progress->all);
	used = snprintf(NULL, 0, "%s 100%% [] %s", progress->what, tail);
	unsigned width = used >= 0 && (unsigned)used < columns ? columns - (unsigned)used : 0;
	if (width > BAR_MAX)
		width = BAR_MAX;
	if (width < BAR_MIN) {
		snprintf(out, PROGRESS_LINE_MAX, "%s %3u%% %s", progress->what, percent, tail);
		out[text_cut(out, columns)] = '\0';
		return;
	}
	const unsigned full = width * percent / 100;
	memset(bar, '#', full);
	memset(bar + full, '.', width - full);
	bar[width] = '\0';
	snprintf(out, columns + 1, "%s %3u%% [%s] %s", progress->what, percent, bar, tail);
}

void
progress_show(struct progress *progress, const char *note)
{
	const uint64_t now = clock_monotonic_ms();
	char line[PROGRESS_LINE_MAX];
	struct winsize size;
	unsigned columns = 80;

	if (!progress->is_terminal || (progress->shown_ms && now - progress->shown_ms < EVERY_MS))
		return;
	if (ioctl(fileno(progress->out), TIOCGWINSZ, &size) == 0 && size.ws_col)
		columns = size.ws_col;
	/* the last column would make some terminals begin a new line */
	progress_line(progress, now, note, columns > 1 ? columns - 1 : columns, line);
	fprintf(progress->out, "\r\033[K%s", line);
	fflush(progress->out);
	progress->shown_ms = now;
	progress->is_shown = true;
}

void
progress_hide(struct progress *progress)
{
	if (!progress->is_shown)
		return;
	fputs("\r\033[K", progress->out);
	fflush(progress->out);
	progress->is_shown = false;
	progress->shown_ms = 0;
}
