/*
 * turns.c - a queue that is gone through from its front.
 */
#include "fetch/turns.h"

void
turns_init(struct turns *turns, const struct turns_events *events, void *ctx)
{
	*turns = (struct turns){.events = events, .ctx = ctx};
	turns->end = &turns->first;
}

static void
withdraw(struct turns *turns, struct turn *turn)
{
	*turn->self = turn->next;
	if (turn->next)
		turn->next->self = turn->self;
	else
		turns->end = turn->self;
	turn->self = NULL;
	turn->next = NULL;
}

/* Gives one of them a turn. False: nobody can have one. */
static bool
pump_one(struct turns *turns)
{
	for (struct turn *turn = turns->first; turn; turn = turn->next) {
		switch (turns->events->take(turn->origin, turns->ctx)) {
		case TURN_FULL: return false;
		case TURN_ORIGIN_FULL: continue;
		case TURN_TAKEN: break;
		}
		withdraw(turns, turn);
		turn->is_held = true;
		turn->go(turn);
		return true;
	}
	return false;
}

/* Whoever goes may leave or ask within it: the queue is looked at again then, not in a recursion.
 */
void
turns_pump(struct turns *turns)
{
	if (turns->is_pumping) {
		turns->again = true;
		return;
	}
	turns->is_pumping = true;
	do
		turns->again = false;
	while (pump_one(turns) || turns->again);
	turns->is_pumping = false;
}

void
turn_ask(struct turns *turns, struct turn *turn, struct span origin, void (*go)(struct turn *turn))
{
	turn->origin = origin;
	turn->go = go;
	turn->next = NULL;
	turn->self = turns->end;
	*turn->self = turn;
	turns->end = &turn->next;
	turns_pump(turns);
}

void
turn_leave(struct turns *turns, struct turn *turn)
{
	if (turn->self) {
		withdraw(turns, turn);
	} else if (turn->is_held) {
		turn->is_held = false;
		turns->events->give(turn->origin, turns->ctx);
		turns_pump(turns);
	}
}

void
turns_hold(struct turns *turns)
{
	turns->is_pumping = true;
}

void
turns_release(struct turns *turns)
{
	turns->is_pumping = false;
	turns_pump(turns);
}
