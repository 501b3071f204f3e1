/*
 * input.h - what comes from whoever started us: lines of the standard input, and interrupts.
 */
#ifndef PLAZA_CTL_INPUT_H
#define PLAZA_CTL_INPUT_H

#include <stdbool.h>

#include "base/span.h"
#include "ctl/lines.h"

struct input {
	struct line_reader reader;
	bool is_over;
	char why[96]; /* it ended by an error: what came before it counts; else empty */
};

/* One read(2). False when that failed: is_over, and `why` is told. */
bool input_read(struct input *in);
/* The next line of what was read, good until the next read; false when there is none now. */
bool input_line(struct input *in, struct span *line);
void input_fini(struct input *in);

/*
 * Takes SIGINT and SIGTERM from their default action; the descriptor becomes readable when one
 * came, -1 on failure. interrupt_take gives the next one its default action back.
 */
int interrupt_open(void);
void interrupt_take(int fd);

#endif
