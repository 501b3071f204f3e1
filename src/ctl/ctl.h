/*
 * ctl.h - the commands of plazactl; each has a file of its own here, plazactl.c has their table.
 */
#ifndef PLAZA_CTL_CTL_H
#define PLAZA_CTL_CTL_H

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1, /* what was asked for did not come about; stderr says why */
	CTL_USAGE = 2
};

/* argv[0] is the command's name; getopt may be used from the start. Returns an enum ctl_exit. */
int ws_command(int argc, char **argv);

#endif
