/*
 * fuzz_door.c - the whole front door: whatever comes, what it answers is HTTP, an answer for each
 * request; nothing of the connection is left; and the same bytes in other pieces, to a server whose
 * writes bring little, give the same requests and the same answers. The first five bytes of an
 *input say who asks, how it is cut, whether time goes by, and how it ends.
 *
 *	./bootstrap fuzz 60 door
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "door_box.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES 32

static struct box_heard whole, cut;

static void
check(const char *wrong)
{
	if (!wrong)
		return;
	fprintf(stderr, "fuzz_door: %s\n--- in one piece: requests\n%s--- answers\n", wrong,
		whole.seen);
	fwrite(whole.answers, 1, whole.len < 4096 ? whole.len : 4096, stderr);
	fprintf(stderr, "\n--- cut: requests\n%s--- answers\n", cut.seen);
	fwrite(cut.answers, 1, cut.len < 4096 ? cut.len : 4096, stderr);
	fprintf(stderr, "\n--- logs\n%.*s---\n%.*s", (int)whole.log_len, whole.log,
		(int)cut.log_len, cut.log);
	abort();
}

static void
check_that(bool holds, const char *wrong)
{
	if (!holds)
		check(wrong);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_open;
	size_t piece[PIECES];

	if (size < 5)
		return 0;
	if (!is_open && !box_open())
		abort();
	is_open = true;
	struct span sent = span_from((const char *)data + 5, size - 5);
	struct box_talk talk = {.bytes = sent, .peer = (enum box_peer)(data[0] % BOX_PEERS)};
	whole.seen[0] = cut.seen[0] = '\0';
	cut.len = 0;
	check(box_talk(&talk, &whole));
	check(answers_check(sent, span_from(whole.answers, whole.len), false,
			    whole.is_aborted ? ANSWERS_UNTIL_NOW : ANSWERS_ALL));

	/* few enough pieces that an input costs no more than a few hundred passes of the loop */
	uint32_t seed = data[1] | (uint32_t)data[2] << 8 | 1u << 16;
	for (size_t i = 0; i < PIECES; i++) {
		seed = seed * 1664525 + 1013904223;
		piece[i] = 1 + (seed >> 16) % (1 + data[3]) + sent.len / 128;
	}
	talk.piece = piece;
	talk.n_pieces = PIECES;
	talk.end = (enum box_end)(data[4] % 8 % BOX_ENDS);
	talk.settles = data[4] & 0x40;
	talk.send_max = data[4] & 0x80 ? 1 + data[3] % 64u : 0;
	talk.has_company = data[4] & 0x08;
	/* steps of a twelfth of the shortest deadline and more */
	if (data[4] & 0x10 || talk.end >= BOX_STAY)
		talk.step_ms = 5000 + data[1] * 200u;
	talk.is_drained = (data[4] & 0x20) && data[2] % 4 == 0;
	check(box_talk(&talk, &cut));
	if (talk.end == BOX_LEAVE || talk.step_ms || talk.is_drained || cut.is_aborted) {
		/* it may have come to an end before all was asked or answered */
		check_that(cut.n_seen <= whole.n_seen && box_seen_alike(&whole, &cut, true),
			   "something else was asked for");
		if (talk.end != BOX_LEAVE)
			check(answers_check(sent, span_from(cut.answers, cut.len), false,
					    talk.step_ms || cut.is_aborted ? ANSWERS_UNTIL_NOW
									   : ANSWERS_SOME));
		return 0;
	}
	check(answers_check(sent, span_from(cut.answers, cut.len),
			    talk.end == BOX_CLOSE && cut.is_ended, ANSWERS_ALL));
	check_that(answers_agree(sent, span_from(whole.answers, whole.len),
				 span_from(cut.answers, cut.len)),
		   "cut, it is answered otherwise");
	check_that(box_seen_alike(&whole, &cut, false), "cut, other requests come to the handlers");
	return 0;
}
