/*
 * user/programs/shell/shell.h: what the files of the shell share.
 */
#ifndef SHELL_H
#define SHELL_H

#include <windows.h>

#define LINE_LENGTH 1024

extern DWORD last_code; /* exit code of the last program; after a command 0, or 1: it failed */

/* Cuts the next word off LINE: "quoted" or up to a space; NULL at the end. */
char *next_word(char **line);

/* Says what is wrong with WHAT, by a Win32 error. */
void complain(const char *what, DWORD error);

/* Commands: LINE is what follows their name (files.c). */
void command_dir(char *line);
void command_cd(char *line);
void command_type(char *line);
void command_copy(char *line);
void command_move(char *line);
void command_ren(char *line);
void command_del(char *line);
void command_md(char *line);
void command_rd(char *line);

#endif
