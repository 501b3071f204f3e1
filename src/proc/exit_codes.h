/*
 * exit_codes.h - how plazad ends; documented in plazad(8). The numbers are those of sysexits(3).
 */
#ifndef PLAZA_PROC_EXIT_CODES_H
#define PLAZA_PROC_EXIT_CODES_H

enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_USAGE = 2,
	EXIT_CODE_OS = 71,    /* EX_OSERR: bind, fork, shared memory */
	EXIT_CODE_CONFIG = 78 /* EX_CONFIG */
};

#endif
